;;; fleet-fake-board.el --- A board that answers what a test wants  -*- lexical-binding: t -*-

;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Stands in for the engine: `fleet-call' records what it was asked and
;; answers from a function.

;;; Code:

(require 'cl-lib)
(require 'org)

(unless (get 'fleet-error 'error-conditions)
  (define-error 'fleet-error "Fleet")
  (define-error 'fleet-conflict "Conflict" 'fleet-error)
  (define-error 'fleet-halted "Halted" 'fleet-error)
  (define-error 'fleet-unreachable "Unreachable" 'fleet-error))

(defvar fleet-fake-calls nil
  "What was asked, newest first: (AGENT CALL ID).")

(defmacro fleet-fake-answering (answer &rest body)
  "Evaluate BODY while `fleet-call' answers with the function ANSWER.
It gets the agent and the call.  Nothing may prompt."
  (declare (indent 1) (debug t))
  `(dlet ((fleet-fake-calls nil)
          (fleet-agent "alex")
          (inhibit-interaction t))
     (cl-letf (((symbol-function 'fleet-call)
                (lambda (agent call &optional id)
                  (push (list agent call id) fleet-fake-calls)
                  (funcall ,answer agent call)))
               ((symbol-function 'fleet-board-buffer) #'ignore))
       ,@body)))

(defun fleet-fake-task (name &rest more)
  "Return a pending task called NAME, with MORE keys that replace others."
  (append more (list :name name :title (concat name " Title of " name)
                     :state "pending" :keyword "PENDING" :attempts 0)))

(defun fleet-fake-tasks (&rest tasks)
  "Return a function that answers every call with TASKS, names or task plists."
  (lambda (&rest _)
    (list :v 1 :ok t
          :tasks (mapcar (lambda (task) (if (stringp task) (fleet-fake-task task) task))
                         tasks))))

(defmacro fleet-fake-with-board (text &rest body)
  "Evaluate BODY in an org buffer with TEXT that counts as the served board.
Point is where TEXT has `<!>'."
  (declare (indent 1) (debug t))
  `(with-temp-buffer
     (insert ,text)
     (goto-char (point-min))
     (when (search-forward "<!>" nil t)
       (replace-match ""))
     (let ((org-inhibit-startup t) (here (point)) (board (current-buffer)))
       (delay-mode-hooks (org-mode))
       (goto-char here)
       (cl-letf (((symbol-function 'fleet-board-buffer) (lambda () board)))
         ,@body))))

(provide 'fleet-fake-board)
;;; fleet-fake-board.el ends here
