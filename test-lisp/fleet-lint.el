;;; fleet-lint.el --- Lint the Lisp files in batch  -*- lexical-binding: t -*-

;; Copyright (C) 2026 The Fleet authors

;; Author: The Fleet authors
;; Keywords: tools, maint

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

;; Run from the project's root:
;;
;;     emacs --batch -Q -L lisp -L test-lisp -l fleet-lint -f fleet-lint-batch
;;
;; Every check prints its findings as FILE:LINE: TEXT and the exit status
;; is 1 if there is any.  Nothing is written beside the sources.

;;; Code:

(require 'bytecomp)
(require 'checkdoc)
(require 'check-declare)
(require 'cl-lib)

(declare-function package-lint-buffer "package-lint" (&optional buffer))
(declare-function package-initialize "package" (&optional no-activate))
(defvar package-lint-main-file)

(defvar fleet-lint-directory "lisp"
  "Directory of the Lisp files, below the project's root.")

(defvar fleet-lint--root default-directory
  "Directory that file names are printed relative to.")

(defvar fleet-lint--findings 0
  "Number of findings so far.")

(defun fleet-lint--report (file line text)
  "Print that FILE has TEXT wrong in LINE."
  (cl-incf fleet-lint--findings)
  (princ (format "%s:%s: %s\n" (file-relative-name file fleet-lint--root) line text)))

(defun fleet-lint--compile (file target)
  "Byte-compile FILE into the directory TARGET, with warnings as errors."
  (let ((byte-compile-error-on-warn t)
        (byte-compile-dest-file-function
         (lambda (source)
           (expand-file-name (concat (file-name-nondirectory source) "c") target))))
    (unless (byte-compile-file file)
      (fleet-lint--report file 1 "does not compile without warnings"))))

(defun fleet-lint--checkdoc (file)
  "Check the documentation strings and comments of FILE."
  (let ((checkdoc-verb-check-experimental-flag nil) ; sees "what it does" as a command
        (checkdoc-create-error-function
         (lambda (text start &rest _)
           (fleet-lint--report file (if start (line-number-at-pos start t) 1) text)
           nil)))
    (with-current-buffer (find-file-noselect file)
      (let ((checkdoc-diagnostic-buffer "*fleet-lint*"))
        (checkdoc-current-buffer t)))))

(defun fleet-lint--check-declare (file)
  "Check that what FILE declares is so; Emacs itself prints what is not."
  (when (check-declare-file file)
    (fleet-lint--report file 1 "declares functions that are not there (check-declare)")))

(defun fleet-lint--package-lint (file)
  "Check FILE by the rules of package archives.
They make sense only with the package's main file, which has the
dependencies of all."
  (when package-lint-main-file
    (with-current-buffer (find-file-noselect file)
      (pcase-dolist (`(,line ,_ ,type ,text) (package-lint-buffer))
        ;; An older package-lint takes the Emacs that we need for a future one.
        (unless (string-prefix-p "This makes the package uninstallable" text)
          (fleet-lint--report file line (format "%s: %s" type text)))))))

(defun fleet-lint--load-package-lint ()
  "Load package-lint, or say that it is missing and exit."
  (unless (require 'package-lint nil t)
    ;; `-Q' leaves out the directories in which a system keeps packages.
    (dolist (directory (file-expand-wildcards "/usr/share/emacs/site-lisp/elpa/*"))
      (add-to-list 'load-path directory))
    (unless (require 'package-lint nil t)
      (princ "fleet-lint: library package-lint not found (Debian: elpa-package-lint)\n")
      (kill-emacs 1))))

(defun fleet-lint-batch ()
  "Lint all files of `fleet-lint-directory' and exit, with 1 if something was found."
  (fleet-lint--load-package-lint)
  (let* ((files (directory-files fleet-lint-directory t "\\`[^.].*\\.el\\'"))
         (main (expand-file-name "fleet.el" fleet-lint-directory))
         (target (make-temp-file "fleet-lint" t))
         (enable-local-variables :safe)
         (package-lint-main-file (and (file-exists-p main) main)))
    (unless package-lint-main-file
      (princ (format "fleet-lint: no %s yet, package-lint has nothing to go by\n"
                     (file-relative-name main))))
    (unwind-protect
        (dolist (file files)
          (fleet-lint--compile file target)
          (fleet-lint--checkdoc file)
          (fleet-lint--check-declare file)
          (fleet-lint--package-lint file))
      (delete-directory target t))
    (princ (format "fleet-lint: %d files, %d findings\n"
                   (length files) fleet-lint--findings))
    (kill-emacs (if (zerop fleet-lint--findings) 0 1))))

(provide 'fleet-lint)
;;; fleet-lint.el ends here
