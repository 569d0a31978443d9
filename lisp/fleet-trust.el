;;; fleet-trust.el --- Reading a board without obeying it  -*- lexical-binding: t -*-
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

;; A board may come from anywhere, and whoever reads it as Org may be told
;; by it to set variables, to turn modes on, and to fetch other files.  When
;; Fleet visits it, nothing of that happens but for local variables that
;; are safe for everyone.  What a person does with the board is their own
;; affair, and Emacs asks them as ever.

;;; Code:

(require 'cl-lib)
(require 'org)

(defvar tramp-mode)

(defmacro fleet-trust-nothing (&rest body)
  "Run BODY, which reads the board as Org, without doing what the text says.
No local variable counts: `mode:' calls any function with a fitting name.
Nothing that a `#+SETUPFILE' line names is opened or fetched.  In a
daemon nothing can ask."
  (declare (indent 0) (debug t))
  `(let ((enable-local-variables nil)
         (enable-local-eval nil)
         (enable-dir-local-variables nil)
         ;; Even the name of a remote file is enough to have it looked for.
         (tramp-mode nil)
         (inhibit-interaction (or inhibit-interaction (and (daemonp) t))))
     (cl-letf (((symbol-function 'org-file-contents) #'ignore))
       ,@body)))

(defun fleet-trust-visit (file)
  "Return a buffer that visits FILE, without running code from it or asking."
  (or (find-buffer-visiting file)
      (fleet-trust-nothing
        (let* ((large-file-warning-threshold nil)
               (vc-follow-symlinks t)
               (inhibit-message t)
               (buffer (find-file-noselect file t)))
          (with-current-buffer buffer
            (fleet-trust--safe-variables))
          buffer))))

(defun fleet-trust-org-mode ()
  "Make the current buffer one in Org mode that knows the board's keywords."
  (fleet-trust-nothing
    (unless (derived-mode-p 'org-mode)
      (org-mode)
      (fleet-trust--safe-variables))
    (fleet-trust--default-keywords)))

(defun fleet-trust--safe-variables ()
  "Set the current buffer's local variables that are safe for everyone.
`mode' is not one of them."
  (let ((enable-local-variables :safe)
        (ignored-local-variables (cons 'mode ignored-local-variables)))
    (hack-local-variables)))

(defun fleet-trust--default-keywords ()
  "On a board without keyword line, let Org know the fleet's keywords."
  (let ((case-fold-search t))
    (unless (org-with-wide-buffer
             (goto-char (point-min))
             (re-search-forward "^[ \t]*#\\+\\(?:seq_\\|typ_\\)?todo:" nil t))
      ;; Org reads the default value, not the buffer's.
      (let ((users (default-value 'org-todo-keywords)))
        (unwind-protect
            (progn
              (setq-default org-todo-keywords
                            '((sequence "PENDING(p)" "IN_PROGRESS(i)"
                                        "|" "DONE(d)" "FAILED(f)" "SKIPPED(s)")))
              (org-set-regexps-and-options))
          (setq-default org-todo-keywords users)))
      (org-set-font-lock-defaults)
      (font-lock-flush))))

(provide 'fleet-trust)
;;; fleet-trust.el ends here
