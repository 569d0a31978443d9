;;; fleet-rescue.el --- What a person had typed before a crash  -*- lexical-binding: t -*-
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

;; Emacs's auto-save file may hold what a person typed and did not save before
;; Emacs died.  It is copied aside when the board is opened, never asked about,
;; and shown on demand (R12).

;;; Code:

(declare-function fleet-board--state-directory "fleet-board" (path))
(defvar fleet-board--path)

(defun fleet-rescue-keep-auto-save (path)
  "Copy an auto-save file newer than the board PATH aside; return its copy.
It may hold what a person typed before a crash (R12)."
  (let* ((auto-save (with-temp-buffer
                      (let ((buffer-file-name path))
                        (make-auto-save-file-name))))
         (copy (expand-file-name (format-time-string "rescue-%Y%m%dT%H%M%S.org")
                                 (fleet-board--state-directory path))))
    (when (and (file-exists-p auto-save) (file-newer-than-file-p auto-save path))
      (make-directory (file-name-directory copy) t)
      (set-file-modes (file-name-directory copy) #o700)
      (copy-file auto-save copy t)
      copy)))

(defun fleet-rescue ()
  "Show how the newest text that was rescued from a crash differs from the board."
  (interactive)
  (let ((copies (and fleet-board--path
                     (directory-files (fleet-board--state-directory fleet-board--path)
                                      t "\\`rescue-.*\\.org\\'"))))
    (unless copies
      (user-error "Nothing was rescued"))
    (diff fleet-board--path (car (last copies)) nil t)))

(provide 'fleet-rescue)
;;; fleet-rescue.el ends here
