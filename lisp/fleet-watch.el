;;; fleet-watch.el --- Seeing every edit of the board  -*- lexical-binding: t -*-

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

;; The engine keeps its own copy of the board's text.  This file sees to it
;; that the copy is right before anything is decided (R13): change hooks
;; report what a person types, and the buffer's modification tick betrays
;; what no hook reported, be it because a hook was lost, switched off, or
;; never there.
;;
;; What changed since the last look is kept as two numbers: how much of the
;; text, from its start and from its end, is certainly the same.  That
;; stays right for any number of changes in any order, and only the middle
;; is read again.


;;; Code:

(require 'fleet-edit)

(declare-function fleet--mod-window "ext:fleet-module.so" (prefix suffix total))
(declare-function fleet--mod-resync "ext:fleet-module.so" (text))
(declare-function fleet--mod-resync-all "ext:fleet-module.so" (text))
(declare-function fleet--mod-char-count "ext:fleet-module.so" ())

(defvar fleet-watch--buffer nil
  "The base buffer that shows the board, or nil.")

(defvar fleet-watch--same nil
  "What is certainly unchanged since the last look, as (PREFIX . SUFFIX).
Both count characters.  Nil means that nothing changed.")

(defvar fleet-watch--tick 0
  "Modification tick of the board's buffer up to which changes are known.")

(defvar fleet-watch--person-dirty nil
  "Non-nil if a person changed the board since it was last saved.")

(defun fleet-watch--board-p ()
  "Return non-nil if the current buffer shows the board's text."
  (and fleet-watch--buffer
       (eq (or (buffer-base-buffer) (current-buffer)) fleet-watch--buffer)))

(defun fleet-watch--tick-now ()
  "Return the modification tick of the board's text."
  (buffer-chars-modified-tick fleet-watch--buffer))

;;;; Hooks

(defun fleet-watch--before-change (_beg _end)
  "Notice changes of the board that no hook reported before this one."
  (when (and (fleet-watch--board-p)
             (not fleet-edit-in-progress)
             (/= (fleet-watch--tick-now) fleet-watch--tick))
    (setq fleet-watch--same '(0 . 0)
          fleet-watch--person-dirty t)))

(defun fleet-watch--after-change (beg end _old-length)
  "Note that the text from BEG to END is new."
  (when (and (fleet-watch--board-p) (not fleet-edit-in-progress))
    (let ((prefix (1- beg))
          (suffix (- (1+ (buffer-size fleet-watch--buffer)) end)))
      (setq fleet-watch--same
            (if fleet-watch--same
                (cons (min prefix (car fleet-watch--same))
                      (min suffix (cdr fleet-watch--same)))
              (cons prefix suffix))
            fleet-watch--person-dirty t
            fleet-watch--tick (fleet-watch--tick-now)))))

(defun fleet-watch-arm ()
  "Put the change hooks in place, also where they were lost.
They are global: a buffer's own hooks are lost with every change of its
mode, and Emacs empties a hook when one of its functions fails."
  (add-hook 'before-change-functions #'fleet-watch--before-change)
  (add-hook 'after-change-functions #'fleet-watch--after-change)
  (when (buffer-live-p fleet-watch--buffer)
    (with-current-buffer fleet-watch--buffer
      (dolist (hook '(before-change-functions after-change-functions))
        (when (and (local-variable-p hook) (not (memq t (symbol-value hook))))
          ;; A failing function left nil here, which hides the global value.
          (set hook (append (symbol-value hook) (list t))))))))

(defun fleet-watch-disarm ()
  "Remove the change hooks."
  (remove-hook 'before-change-functions #'fleet-watch--before-change)
  (remove-hook 'after-change-functions #'fleet-watch--after-change))

;;;; Looking

(defun fleet-watch-settled ()
  "Note that the engine's copy is the buffer's text."
  (setq fleet-watch--same nil
        fleet-watch--tick (fleet-watch--tick-now)))

(defun fleet-watch-changed-p ()
  "Return non-nil if the board changed since the engine last looked."
  (and (buffer-live-p fleet-watch--buffer)
       (or fleet-watch--same
           (/= (fleet-watch--tick-now) fleet-watch--tick))))

(defun fleet-watch-sync ()
  "Bring the engine's copy of the board up to date.  Never waits."
  (when (fleet-watch-changed-p)
    (with-current-buffer fleet-watch--buffer
      (save-restriction
        (widen)
        (if (or (null fleet-watch--same)
                (/= (fleet-watch--tick-now) fleet-watch--tick))
            (fleet-watch-sync-all)
          (fleet-watch--sync-window)
          (unless (= (fleet--mod-char-count) (buffer-size))
            (fleet-watch-sync-all)))))))

(defun fleet-watch--sync-window ()
  "Read again what changed, in the current buffer, which is widened."
  (let ((window (fleet--mod-window (car fleet-watch--same) (cdr fleet-watch--same)
                                   (buffer-size))))
    (fleet--mod-resync (buffer-substring-no-properties (car window) (cdr window)))
    (fleet-watch-settled)))

(defun fleet-watch-visitors ()
  "Return where somebody's cursor stands on the board, as a vector.
Positions count from 0.  The frame that a daemon has without anybody in
front of it does not count."
  (let ((places nil))
    (dolist (buffer (and (buffer-live-p fleet-watch--buffer)
                         (with-current-buffer fleet-watch--buffer (fleet-edit--family))))
      (dolist (window (get-buffer-window-list buffer nil t))
        (unless (equal "initial_terminal" (terminal-name (window-frame window)))
          (push (1- (window-point window)) places))))
    (vconcat places)))

(defun fleet-watch-sync-all ()
  "Read the whole board again; return non-nil if something was different."
  (with-current-buffer fleet-watch--buffer
    (save-restriction
      (widen)
      (prog1 (when (fleet--mod-resync-all (buffer-substring-no-properties (point-min) (point-max)))
               (setq fleet-watch--person-dirty t))
        (fleet-watch-settled)))))

(provide 'fleet-watch)
;;; fleet-watch.el ends here
