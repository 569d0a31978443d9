;;; fleet-list.el --- Lists of tasks  -*- lexical-binding: t -*-

;; Copyright (C) 2026 The Fleet authors

;; Author: The Fleet authors
;; Keywords: tools, outlines

;; This file is part of Fleet.

;; Fleet is free software: you can redistribute it and/or modify it
;; under the terms of the GNU General Public License as published by
;; the Free Software Foundation, either version 3 of the License, or
;; (at your option) any later version.

;; Fleet is distributed in the hope that it will be useful, but WITHOUT
;; ANY WARRANTY; without even the implied warranty of MERCHANTABILITY
;; or FITNESS FOR A PARTICULAR PURPOSE.  See the GNU General Public
;; License for more details.

;; You should have received a copy of the GNU General Public License
;; along with Fleet.  If not, see <https://www.gnu.org/licenses/>.

;;; Commentary:

;; Tasks in rows, as `fleet-poll' and `fleet-list' show them.  A row is
;; known by its task's name: after a refresh point is on the same task
;; again, in every window that shows the list.

;;; Code:

(require 'easymenu)
(require 'fleet-task)

(declare-function fleet-call "fleet-board" (agent call &optional id))
(declare-function fleet-board-buffer "fleet-board" ())
(declare-function fleet-claim "fleet-queue")
(declare-function fleet-done "fleet-queue")
(declare-function fleet-fail "fleet-queue")
(declare-function fleet-release "fleet-queue")
(declare-function fleet-skip "fleet-queue")
(declare-function fleet-requeue "fleet-queue")
(declare-function fleet-add "fleet-queue")
(declare-function fleet-note "fleet-queue")
(declare-function fleet-show "fleet-queue")
(declare-function org-show-context "org" (&optional key))

(defvar-local fleet-list--agent nil
  "The agent for whom the list was asked for, or nil.")

(defvar-local fleet-list--call nil
  "The request that the list answers.")

;;;; The mode

(defvar fleet-list-mode-map
  (let ((map (make-sparse-keymap)))
    (set-keymap-parent map tabulated-list-mode-map)
    (define-key map (kbd "RET") #'fleet-visit)
    (define-key map "n" #'next-line)
    (define-key map "p" #'previous-line)
    (define-key map "c" #'fleet-claim)
    (define-key map "d" #'fleet-done)
    (define-key map "f" #'fleet-fail)
    (define-key map "r" #'fleet-release)
    (define-key map "s" #'fleet-skip)
    (define-key map "R" #'fleet-requeue)
    (define-key map "a" #'fleet-add)
    (define-key map "N" #'fleet-note)
    (define-key map "v" #'fleet-show)
    map)
  "Keymap of `fleet-list-mode'.")

(easy-menu-define fleet-list-mode-menu fleet-list-mode-map
  "Menu of `fleet-list-mode'."
  '("Tasks"
    ["Visit the heading" fleet-visit :enable (fleet-task-on-row)]
    ["Show" fleet-show :enable (fleet-task-on-row)]
    "--"
    ["Claim" fleet-claim :enable (fleet-task-on-row)]
    ["Done" fleet-done :enable (fleet-task-on-row)]
    ["Fail" fleet-fail :enable (fleet-task-on-row)]
    ["Release" fleet-release :enable (fleet-task-on-row)]
    ["Skip" fleet-skip :enable (fleet-task-on-row)]
    ["Requeue" fleet-requeue :enable (fleet-task-on-row)]
    ["Add a note" fleet-note :enable (fleet-task-on-row)]
    "--"
    ["Add a task" fleet-add]
    ["Refresh" revert-buffer]))

(define-derived-mode fleet-list-mode tabulated-list-mode "Fleet tasks"
  "Major mode for lists of tasks.
The commands act on the task of the current row, in your own name, or
with a prefix argument in that of another agent."
  :interactive nil
  (setq tabulated-list-format
        (vector (list "State" 11 t)
                (list "Pri" 3 (fleet-list--by 1))
                (list "Task" 16 (fleet-list--by 2))
                (list "Title" 34 t)
                (list "Holder" 10 (fleet-list--by 4))
                (list "Deadline" 14 (fleet-list--by 5))
                (list "Tags" 0 (fleet-list--by 6)))
        tabulated-list-padding 1)
  (setq-local revert-buffer-function #'fleet-list--revert)
  (setq-local mode-line-process '((:eval (fleet-list--summary))))
  (tabulated-list-init-header))

(defun fleet-list--by (column)
  "Return a predicate to sort rows by COLUMN, those with nothing there last."
  (lambda (a b)
    (let ((left (aref (cadr a) column))
          (right (aref (cadr b) column)))
      (cond ((string-empty-p left) nil)
            ((string-empty-p right) t)
            (t (string< left right))))))

(defun fleet-list--summary ()
  "Return how many tasks the list has, and for whom, for the mode line."
  (format " %d%s"
          (length tabulated-list-entries)
          (if fleet-list--agent (concat " for " fleet-list--agent) "")))

;;;; Showing

(defun fleet-list-display (name agent call tasks)
  "Show TASKS in the buffer NAME; they are what AGENT got for CALL."
  (let ((buffer (get-buffer-create name)))
    (with-current-buffer buffer
      (unless (derived-mode-p 'fleet-list-mode)
        (fleet-list-mode))
      (setq fleet-list--agent agent
            fleet-list--call call)
      (fleet-list--fill tasks))
    (pop-to-buffer buffer)))

(defun fleet-list-refresh ()
  "Refresh the lists of tasks which are in a window.
An error is only told: the lists are not what the caller was about."
  (dolist (buffer (buffer-list))
    (when (and (eq 'fleet-list-mode (buffer-local-value 'major-mode buffer))
               (get-buffer-window buffer t))
      (with-current-buffer buffer
        (condition-case error
            (revert-buffer)
          (error (message "%s" (error-message-string error))))))))

(defun fleet-list--revert (&rest _)
  "Ask again for the tasks of this list."
  (fleet-with-user-errors
    (fleet-list--fill
     (plist-get (fleet-call fleet-list--agent fleet-list--call) :tasks))))

(defun fleet-list--fill (tasks)
  "Fill the current buffer with TASKS and keep every point on its task."
  (setq tabulated-list-entries (mapcar #'fleet-list--entry (append tasks nil)))
  (let ((point-then (fleet-list--place (point)))
        (windows-then (mapcar (lambda (window)
                                (cons window (fleet-list--place (window-point window))))
                              (get-buffer-window-list nil t t))))
    (tabulated-list-print)
    (pcase-dolist (`(,window . ,place) windows-then)
      (set-window-point window (fleet-list--position place)))
    (goto-char (fleet-list--position point-then))))

(defun fleet-list--place (position)
  "Return where POSITION is, as (TASK LINE COLUMN)."
  (save-excursion
    (goto-char position)
    (list (tabulated-list-get-id) (line-number-at-pos) (current-column))))

(defun fleet-list--position (place)
  "Return the position of PLACE, a list (TASK LINE COLUMN).
Without that task it is in the same line, or else in the last one."
  (pcase-let ((`(,task ,line ,column) place))
    (save-excursion
      (goto-char (point-min))
      (while (and task (not (eobp)) (not (equal task (tabulated-list-get-id))))
        (forward-line))
      (when (or (null task) (eobp))
        (goto-char (point-min))
        (forward-line (1- line))
        (when (and (eobp) (not (bobp)))
          (forward-line -1)))
      (move-to-column column)
      (point))))

(defun fleet-list--entry (task)
  "Return the row of TASK; a name that is only the title is left out."
  (let ((name (plist-get task :name))
        (title (fleet-task-title task)))
    (list name
          (vector (propertize (fleet-task-line (plist-get task :keyword))
                              'face (fleet-task-face task))
                  (fleet-task-line (plist-get task :priority))
                  (if (equal name title) "" (fleet-list--short (fleet-task-line name)))
                  (fleet-list--short title)
                  (fleet-task-line (plist-get task :holder))
                  (fleet-task-date (plist-get task :deadline))
                  (fleet-list--short (fleet-list--remarks task))))))

(defconst fleet-list-cell-chars-max 500
  "How much of a name, a title or tags a row shows, in characters.")

(defun fleet-list--short (text)
  "Return TEXT, or as much of it as a row can show."
  (if (> (length text) fleet-list-cell-chars-max)
      (concat (substring text 0 fleet-list-cell-chars-max) "…")
    text))

(defun fleet-list--remarks (task)
  "Return the tags of TASK, and why nobody can claim it, if so."
  (let* ((unready (plist-get task :unready))
         (why (plist-get (plist-get task :why) :message))
         (told (if why (format "%s: %s" unready (fleet-task-line why)) unready)))
    (concat (fleet-task-tags task)
            (and told
                 (propertize (format " (%s)" told) 'face 'shadow)))))

;;;; To the board

(defun fleet-visit (task)
  "Go to the heading of TASK on the board.
Interactively, TASK is the one at point, or asked for."
  (interactive
   (list (or (fleet-task-at-point)
             (fleet-with-user-errors (fleet-task-read "Visit task"))
             (user-error "No task named"))))
  (let* ((board (or (fleet-board-buffer)
                    (user-error "No board is served here (hint: M-x fleet-serve)")))
         (position (or (with-current-buffer board (fleet-task-position task))
                       (user-error "Task `%s' is not in %s" task (buffer-name board)))))
    (pop-to-buffer board)
    (unless (<= (point-min) position (point-max))
      (widen))
    (push-mark nil t)
    (goto-char position)
    (when (derived-mode-p 'org-mode)
      (org-show-context 'link-search))))

(provide 'fleet-list)
;;; fleet-list.el ends here
