;;; run.el --- Run the ERT files of this directory  -*- lexical-binding: t -*-

;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; For batch use: `emacs -Q --batch -L lisp -L test-lisp -l test-lisp/run.el
;; --eval "(fleet-test-run SELECTOR)"'.  Tests without a tag need nothing but
;; Lisp; those tagged `native' need the module; those tagged `live' start
;; other programs.

;;; Code:

(require 'ert)

(defconst fleet-test-directory
  (file-name-directory (or load-file-name buffer-file-name))
  "The directory of the test files.")

(defun fleet-test-load ()
  "Load every test file, the newer of source and compiled one."
  (let ((load-prefer-newer t))
    (dolist (file (directory-files fleet-test-directory t "-test\\.el\\'"))
      (load file nil t))))

(defun fleet-test-run (selector)
  "Run the tests that match SELECTOR and leave Emacs with the result.
A selector that finds no test is a failure: it would hide that the
tests are gone."
  (setq native-comp-deferred-compilation nil)
  (fleet-test-load)
  (unless (ert-select-tests selector t)
    (message "No test matches %S: nothing was tested" selector)
    (kill-emacs 2))
  (ert-run-tests-batch-and-exit selector))

(provide 'run)
;;; run.el ends here
