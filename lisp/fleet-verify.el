;;; fleet-verify.el --- Check the records of a board  -*- lexical-binding: t -*-

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

;; The journal from end to end, and the board's file against it.  Nothing
;; is changed; `fleet verify' in a shell does the same.

;;; Code:

(require 'fleet-module)

(declare-function fleet--mod-verify "ext:fleet-module.so" (path))

(defvar fleet-board--path)

;;;###autoload (autoload 'fleet-verify "fleet" nil t)
(defun fleet-verify (&optional file show)
  "Check the journal of the board FILE, by default the served one, and its file.
Return non-nil if both are sound.  With SHOW, as in interactive use, show
the report."
  (interactive (list nil t))
  (fleet-module-load)
  (let ((file (or file fleet-board--path)))
    (unless file
      (user-error "No board is served in this Emacs"))
    (pcase-let ((`(,sound . ,report) (fleet--mod-verify (expand-file-name file))))
      (when show
        (with-current-buffer (get-buffer-create "*Fleet verify*")
          (special-mode)
          (let ((inhibit-read-only t))
            (erase-buffer)
            (insert report))
          (goto-char (point-min))
          (display-buffer (current-buffer))))
      sound)))

(provide 'fleet-verify)
;;; fleet-verify.el ends here
