;;; plain.el --- The same three verbs in plain Elisp, and a clock  -*- lexical-binding: t -*-

;;; Commentary:

;; What one would write without Fleet: find the heading, `org-todo', save.
;; It is what the bench compares with; nothing else uses it.  The clock is for
;; Fleet's functions too.


;;; Code:

(require 'org)

(defun plain-open (file)
  "Visit the board FILE."
  (setq org-log-done 'time
        large-file-warning-threshold nil
        make-backup-files nil)
  (set-buffer (find-file-noselect file t))
  (buffer-size))

(defun plain--set (id from to)
  "Turn the task ID from the keyword FROM into TO, and save."
  (with-current-buffer (car (seq-filter #'buffer-file-name (buffer-list)))
    (goto-char (point-min))
    (unless (re-search-forward (format "^\\*+ %s .*\\_<%s\\_>" from id) nil t)
      (error "No task %s is %s" id from))
    (org-todo to)
    (org-entry-put (point) "CLAIMED_BY" "somebody")
    (save-buffer)))

(defun plain-claim (id _agent)
  "Claim the task ID."
  (plain--set id "PENDING" "IN_PROGRESS"))

(defun plain-done (id _agent)
  "Close the task ID."
  (plain--set id "IN_PROGRESS" "DONE"))

(defun plain-poll (_id agent)
  "Return the headlines of the tasks for AGENT."
  (with-current-buffer (car (seq-filter #'buffer-file-name (buffer-list)))
    (goto-char (point-min))
    (let ((regexp (format "^\\*+ PENDING .*:%s:.*$" agent)) (found nil))
      (while (re-search-forward regexp nil t)
        (push (match-string 0) found))
      (nreverse found))))

(defun plain-time (function &rest arguments)
  "Call FUNCTION with ARGUMENTS and return the seconds it took."
  (let ((start (current-time)))
    (apply function arguments)
    (float-time (time-since start))))

(provide 'plain)
;;; plain.el ends here
