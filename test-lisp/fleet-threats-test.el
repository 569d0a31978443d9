;;; fleet-threats-test.el --- What text could do to the person's Emacs  -*- lexical-binding: t -*-

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

;; Errors as conditions, and text of agents and boards in the echo area and in
;; the buffers that Fleet shows.  What needs a daemon is in tests/threats_emacs.rs.

;;; Code:

(require 'ert)
(require 'cl-lib)
(require 'fleet)
(require 'fleet-board-test)

;;;; Errors

(defconst fleet-threats-test-codes
  (let ((source (expand-file-name "../src/core/code.rs"
                                  (file-name-directory (or load-file-name buffer-file-name))))
        (found nil))
    (with-temp-buffer
      (insert-file-contents source)
      (search-forward "pub fn name(")
      (while (re-search-forward "Code::\\([A-Za-z]+\\) => \"\\([a-z-]+\\)\""
                                (save-excursion (search-forward "pub fn ")) t)
        (push (cons (match-string 1) (match-string 2)) found))
      (goto-char (point-min))
      (mapcar (lambda (pair)
                (goto-char (point-min))
                (list (cdr pair)
                      (and (re-search-forward (format "Code::%s => Some(\"\\([a-z-]+\\)\")" (car pair))
                                              nil t)
                           (intern (match-string 1)))))
              (nreverse found))))
  "The outcomes of the module: JSON name and symbol, nil for none.")

(ert-deftest fleet-errors-every-outcome-is-a-condition-below-fleet-error ()
  (should (= 10 (length fleet-threats-test-codes)))
  (pcase-dolist (`(,name ,symbol) fleet-threats-test-codes)
    (if (not symbol)
        (should (equal name "ok"))
      (let ((conditions (get symbol 'error-conditions)))
        (should (equal symbol (car conditions)))
        (should (memq 'fleet-error conditions))
        (should (memq 'error conditions)))
      (should (stringp (get symbol 'error-message)))
      ;; A reply with this code is signalled as this very symbol ...
      (let ((caught (should-error (fleet-board--signal (list :code name :message "words"
                                                             :reason "why"))
                                  :type 'fleet-error)))
        (should (eq symbol (car caught)))
        (should (equal "words" (cadr caught)))
        (should (equal "why" (plist-get (cddr caught) :reason))))
      ;; ... which one clause can catch, and the others let through.
      (should (eq 'caught (eval `(condition-case nil (fleet-board--signal '(:code ,name :message "x"))
                                   (,symbol 'caught))
                                t)))
      (unless (eq symbol 'fleet-error)
        (should (equal name (alist-get symbol fleet-rpc--codes)))
        (should (eq symbol
                    (condition-case error
                        (condition-case nil
                            (fleet-board--signal (list :code name :message "x"))
                          (fleet-threats-test-another 'wrong))
                      (error (car error)))))))))

(ert-deftest fleet-errors-each-verb-signals-the-right-one ()
  :tags '(native)
  (should (eq 'fleet-unreachable (car (should-error (fleet-claim "TASK-001" "timmy")))))
  (should (eq 'fleet-config-error (car (should-error (fleet-serve "/ssh:host:/dispatch.org")))))
  (fleet-board-test-with fleet-board-test-text
    (pcase-dolist (`(,symbol ,reason . ,call)
                   '((fleet-not-found "unknown-task" fleet-claim "TASK-9" "timmy")
                     (fleet-not-found "unknown-task" fleet-show "TASK-9")
                     (fleet-not-found "nothing-ready" fleet-claim nil "timmy" :tags ("none"))
                     (fleet-usage-error "bad-request" fleet-claim "TASK-001" "Not A Name")
                     (fleet-usage-error "bad-text" fleet-add "two\nlines")
                     (fleet-conflict "not-assigned" fleet-claim "TASK-001" "ezra")
                     (fleet-conflict "wrong-state" fleet-claim "TASK-003" "timmy")
                     (fleet-conflict "wrong-state" fleet-done "TASK-002" "x" "timmy")))
      (let ((caught (should-error (apply (car call) (cdr call)) :type 'fleet-error)))
        (should (eq symbol (car caught)))
        (should (equal reason (plist-get (cddr caught) :reason)))
        (should (stringp (cadr caught)))))))

;;;; The echo area and our buffers

(defconst fleet-threats-test-words "100% %s %n %d\e[2J\e]0;title\a\u009b" "What a terminal or `format' would obey.")

(defmacro fleet-threats-test-shown (&rest body)
  "Run BODY and return what it showed in the echo area."
  `(let ((shown nil))
     (cl-letf (((symbol-function 'message)
                (lambda (format &rest arguments)
                  (when format
                    (push (apply #'format-message format arguments) shown))
                  (car shown))))
       ,@body)
     (car shown)))

(defun fleet-threats-test-harmless-p (text)
  "Return non-nil if TEXT steers no terminal."
  (not (string-match-p "[\u0000-\u0008\u000b-\u001f\u007f-\u009f]" text)))

(ert-deftest fleet-test-threat-60-formats-and-controls-in-the-echo-area-are-text ()
  :tags '(native)
  (fleet-board-test-with (concat fleet-board-test-text
                                 "* PENDING TASK-004 " fleet-threats-test-words "\n"
                                 "* PENDING TASK-005 " (make-string 1000000 ?x) "\n"
                                 "* PENDING TASK-006 " fleet-threats-test-words "\n")
    (let ((claimed (fleet-threats-test-shown (fleet-claim "TASK-004" "timmy" :show t))))
      (should (string-match-p (regexp-quote "TASK-004 100% %s %n %d") claimed))
      (should (fleet-threats-test-harmless-p claimed)))
    (should (string-match-p
             "is now DONE" (fleet-threats-test-shown
                            (fleet-done "TASK-004" fleet-threats-test-words "timmy" :show t))))
    (let ((huge (fleet-threats-test-shown (fleet-claim "TASK-005" "timmy" :show t))))
      (should (<= (length huge) (1+ fleet-task-shown-chars-max))))
    (let ((refused (should-error (fleet-claim (concat "no " fleet-threats-test-words
                                                      (make-string 100000 ?y))
                                              "timmy" :show t)
                                 :type 'user-error)))
      (should (string-match-p "%s %n %d" (cadr refused)))
      (should (fleet-threats-test-harmless-p (cadr refused)))
      (should (<= (length (cadr refused)) (1+ fleet-task-shown-chars-max))))
    (fleet--mod-notice (concat fleet-threats-test-words (make-string 100000 ?z)))
    (let ((status (fleet-threats-test-shown (fleet-status :show t))))
      (should (string-match-p "100% %s %n %d" status))
      (should (fleet-threats-test-harmless-p status))
      (should (<= (length status) (1+ fleet-task-shown-chars-max))))))

(ert-deftest fleet-test-threat-60-formats-controls-and-huge-texts-in-our-buffers ()
  :tags '(native)
  (fleet-board-test-with (concat fleet-board-test-text
                                 "* PENDING TASK-004 " fleet-threats-test-words "\n"
                                 ":PROPERTIES:\n:NOTE: " fleet-threats-test-words "\n:END:\n"
                                 "body " fleet-threats-test-words "\nmore\n"
                                 "* PENDING TASK-005 " (make-string 1000000 ?x) "\n")
    (save-window-excursion
      (fleet-claim "TASK-004" "timmy")
      (fleet-note "TASK-004" fleet-threats-test-words "timmy")
      (dolist (show (list (lambda () (fleet-list :show t) "*Fleet tasks*")
                          (lambda () (fleet-poll nil :show t) "*Fleet ready*")
                          (lambda () (fleet-show "TASK-004" :show t) (help-buffer))
                          (lambda () (fleet-log :show t) "*Fleet log*")))
        (let ((name (funcall show)))
          (with-current-buffer name
            ;; Not the text itself: a failure would print all of it.
            (let ((harmless (fleet-threats-test-harmless-p (buffer-string)))
                  (shown (string-match-p "100% %s %n %d" (buffer-string))))
              (should harmless)
              (unless (equal name "*Fleet ready*")
                (should shown)))
            (unless (equal name "*Fleet log*")
              (should (< (buffer-size) 10000))))
          (kill-buffer name)))
      ;; One row for each task, whatever is in it.
      (fleet-list :show t)
      (with-current-buffer "*Fleet tasks*"
        (should (= 5 (count-lines (point-min) (point-max))))
        (kill-buffer)))))

(provide 'fleet-threats-test)
;;; fleet-threats-test.el ends here
