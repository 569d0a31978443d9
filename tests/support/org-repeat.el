;;; org-repeat.el --- What Org makes of tasks that are done  -*- lexical-binding: t -*-

;; Reads a JSON array of objects with zone, now (ms since 1970), state and text (one heading) from the file named on the
;; command line, sets each heading to that state as `org-todo' does, with that clock on the wall, and prints the texts.

(require 'org)
(require 'json)

(defvar repeat-now nil "What time it is.")

(advice-add 'float-time :filter-args (lambda (args) (list (or (car args) repeat-now))))
(advice-add 'current-time :override (lambda () repeat-now))
(advice-add 'time-less-p :filter-args
            (lambda (args) (mapcar (lambda (time) (or time repeat-now)) args)))
(advice-add 'format-time-string :filter-args
            (lambda (args) (cons (car args) (cons (or (cadr args) repeat-now) (cddr args)))))
(advice-add 'org-today :override (lambda () (time-to-days repeat-now)))
(advice-add 'y-or-n-p :override #'always)

(defun repeat-one (case)
  "Return what CASE reads after the change."
  (let-alist case
    (set-time-zone-rule .zone)
    (setq repeat-now (seconds-to-time (/ .now 1000)))
    (with-temp-buffer
      (insert "#+TODO: PENDING WAITING IN_PROGRESS | DONE FAILED SKIPPED\n")
      (let ((beg (point)))
        (insert .text)
        (let ((org-inhibit-startup t) (org-log-into-drawer t) (org-log-done 'time)
              (org-adapt-indentation nil) (org-auto-align-tags nil)
              (inhibit-message t))
          (org-mode)
          (setq-local org-enforce-todo-dependencies .enforce)
          (when .enforce
            (add-hook 'org-blocker-hook #'org-block-todo-from-children-or-siblings-or-parent))
          (goto-char beg)
          (when .at
            (search-forward .at))
          (org-todo .state)
          (when org-log-setup
            (org-add-log-note))
          (remove-hook 'org-blocker-hook #'org-block-todo-from-children-or-siblings-or-parent))
        (buffer-substring-no-properties beg (point-max))))))

(let ((cases (with-temp-buffer
               (insert-file-contents (car command-line-args-left))
               (json-parse-buffer :object-type 'alist :null-object nil :false-object nil))))
  (princ (json-serialize (vconcat (mapcar (lambda (case)
                                    (condition-case nil (repeat-one case) (error :null)))
                                  cases)))))

;;; org-repeat.el ends here
