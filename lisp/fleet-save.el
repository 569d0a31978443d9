;;; fleet-save.el --- Writing the board to its file  -*- lexical-binding: t -*-

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

;; The journal makes a claim durable; the file follows a little later, and
;; never behind the person's back: while they have unsaved edits of their
;; own in the board nothing is written, unless they chose so.  The native
;; module writes the file, by exchange, for the person's own C-x C-s too
;; (R18, R20).


;;; Code:

(require 'fleet-watch)

(declare-function fleet--mod-save "ext:fleet-module.so" ())
(declare-function fleet--mod-set-paused "ext:fleet-module.so" (why))
(declare-function fleet--mod-adopt-file "ext:fleet-module.so" ())
(declare-function fleet--mod-settle "ext:fleet-module.so" (all))

(defvar fleet-mode-line)

(defcustom fleet-save-delay 0.3
  "Seconds between an agent's edit and the saving of the board.
A large board is saved less often: never more than a twentieth of the
time goes into it."
  :type 'number
  :group 'fleet
  :package-version '(fleet . "0.1.0"))

(defcustom fleet-save-person-edits nil
  "Whether the board is saved while it has unsaved edits of a person."
  :type 'boolean
  :group 'fleet
  :package-version '(fleet . "0.1.0"))

(defconst fleet-save-missing-seconds 2
  "Seconds for which the board's file may be gone before it is reported (R18).
Other programs replace a file by removing it first.")

(defvar fleet-save--timer nil "The timer of the next save.")
(defvar fleet-save--cost 0 "Seconds that the last save took.")
(defvar fleet-save--gone-since nil "When the board's file was first found gone.")
(defvar fleet-save--file nil "The real name of the board's file.")

(defun fleet-save-ask-for (dirty)
  "Let Emacs ask about the board before it saves buffers only if DIRTY.
Non-nil DIRTY says that it has unsaved edits of a person.  Agents' edits
are saved anyway: leaving a frame must not ask about them."
  (when (buffer-live-p fleet-watch--buffer)
    (with-current-buffer fleet-watch--buffer
      (setq buffer-save-without-query (not dirty)))))

(defun fleet-save--person-dirty-changes (_symbol dirty operation _where)
  "Follow `fleet-watch--person-dirty', set to DIRTY by OPERATION."
  (when (eq operation 'set)
    (fleet-save-ask-for dirty)))

(defun fleet-save-soon ()
  "See to it that the board is saved before long."
  (unless (timerp fleet-save--timer)
    (setq fleet-save--timer
          (run-at-time (max fleet-save-delay (* 20 fleet-save--cost)) nil
                       #'fleet-save--from-timer))))

(defun fleet-save-cancel ()
  "Forget the save that was to come."
  (when (timerp fleet-save--timer)
    (cancel-timer fleet-save--timer))
  (setq fleet-save--timer nil))

(defun fleet-save--from-timer ()
  "Save the board if that may be done now."
  (setq fleet-save--timer nil)
  (condition-case error
      (fleet-save-now)
    ((error quit) (fleet-save--pause (error-message-string error)))))

(defun fleet-save-now ()
  "Save the board unless something speaks against it; return non-nil if saved.
What speaks against it is shown by `fleet-status'."
  (when (buffer-live-p fleet-watch--buffer)
    (with-current-buffer fleet-watch--buffer
      (let ((obstacle (fleet-save--obstacle)))
        (cond ((eq obstacle 'wait) nil)
              (obstacle (fleet-save--pause obstacle) nil)
              ((and (fleet-watch-sync-all) (not fleet-save-person-edits))
               ;; Somebody changed the text unseen: it is theirs to save.
               nil)
              (t (fleet-save--write)))))))

(defun fleet-save--obstacle ()
  "Return why the board must not be saved now: a string, `wait', or nil."
  (cond
   ((fleet-save-file-missing)
    (unless (fleet-save--gone-long-p) (fleet-save-soon))
    (if (fleet-save--gone-long-p)
        "the board's file is gone; save the board in Emacs, or put the file back"
      'wait))
   ((not (verify-visited-file-modtime (current-buffer)))
    "the board's file was changed on disk while the board has unsaved edits; revert or save it")
   ((fleet-save--other-editor)
    (format "%s is editing the board's file in another Emacs"
            (fleet-save--other-editor)))
   ((and fleet-watch--person-dirty (not fleet-save-person-edits)) 'wait)))

(defun fleet-save--other-editor ()
  "Return who edits the board's file in another Emacs, or nil.
An Emacs that was killed holds its lock until its parent has taken note
of its end; it does not count."
  (let ((owner (file-locked-p buffer-file-truename))
        (lock (file-symlink-p (make-lock-file-name buffer-file-truename))))
    (and (stringp owner)
         (not (and lock
                   (string-match "@\\(.*\\)\\.\\([0-9]+\\)\\(?::[0-9]+\\)?\\'" lock)
                   (equal (match-string 1 lock) (system-name))
                   (equal "Z" (alist-get 'state (process-attributes
                                                 (string-to-number (match-string 2 lock)))))))
         owner)))

(defun fleet-save-file-missing ()
  "Return non-nil if the board's file is not there, and note since when."
  (if (file-exists-p fleet-save--file)
      (setq fleet-save--gone-since nil)
    (setq fleet-save--gone-since (or fleet-save--gone-since (float-time)))))

(defun fleet-save--gone-long-p ()
  "Return non-nil if the file is gone longer than a replacement takes."
  (and fleet-save--gone-since
       (> (- (float-time) fleet-save--gone-since) fleet-save-missing-seconds)))

(defun fleet-save--pause (why)
  "Say in `fleet-status' and the mode line WHY the board is not saved."
  (fleet--mod-set-paused why)
  (fleet-save--tell-mode-line why))

(defun fleet-save-resume ()
  "Take back what `fleet-save--pause' said."
  (fleet--mod-set-paused "")
  (fleet-save--tell-mode-line nil))

(defun fleet-save--tell-mode-line (why)
  "Show in the board's mode line WHY it is not saved; nil means that it is."
  (when (buffer-live-p fleet-watch--buffer)
    (with-current-buffer fleet-watch--buffer
      (setq-local fleet-mode-line
                  (and why (propertize ":not-saved" 'face 'warning 'help-echo why)))
      (force-mode-line-update))))

(defun fleet-save--write ()
  "Write the current buffer's board; return t, or signal an error.
The buffer is the engine's text."
  (let* ((start (float-time))
         (reply (json-parse-string (fleet--mod-save) :object-type 'plist
                                   :null-object nil :false-object nil)))
    (setq fleet-save--cost (- (float-time) start))
    (unless (plist-get reply :ok)
      (fleet-save--pause (plist-get reply :error))
      (signal 'fleet-error (list (plist-get reply :error))))
    (fleet-save--tell-buffer (plist-get reply :mtime_ns))
    (when (plist-get reply :foreign)
      (message "Fleet: another program had changed the board's file; that version is %s"
               (plist-get reply :foreign)))
    t))

(defun fleet-save--tell-buffer (mtime-ns)
  "Let the current buffer know that its text is the file, of MTIME-NS."
  (set-visited-file-modtime (cons mtime-ns 1000000000))
  (setq buffer-file-number (nthcdr 10 (file-attributes buffer-file-name)))
  ;; Unlocks the file, too, unless change hooks are inhibited.
  (restore-buffer-modified-p nil)
  (when (and buffer-auto-save-file-name delete-auto-save-files)
    (ignore-errors (delete-file buffer-auto-save-file-name)))
  (set-buffer-auto-saved)
  (setq fleet-watch--person-dirty nil)
  (fleet-save--tell-mode-line nil))

(defun fleet-save--by-person ()
  "Write the board for the person's own save (in `write-file-functions').
Return non-nil if it was done.  A buffer that was given another name is
an ordinary file's and left to Emacs."
  (when (and (eq (current-buffer) fleet-watch--buffer)
             (equal (file-truename buffer-file-name) fleet-save--file))
    (fleet-watch-sync-all)
    (let ((trouble (fleet--mod-settle t)))
      (when (stringp trouble)
        (message "Fleet: %s" trouble)))
    (unless buffer-backed-up
      ;; The file must stay where it is: it is exchanged for the new one.
      (let ((backup-by-copying t))
        (backup-buffer)))
    (unless (file-exists-p fleet-save--file)
      (fleet-save--make-file))
    (prog1 (fleet-save--write)
      (unless save-silently
        (message "Wrote %s" buffer-file-name)))))

(defun fleet-save--make-file ()
  "Make the board's file anew, which is gone; the person asked for it (R18)."
  (save-restriction
    (widen)
    (write-region (point-min) (point-max) fleet-save--file nil 'quiet))
  (let ((trouble (fleet--mod-adopt-file)))
    (when trouble
      (signal 'fleet-error (list trouble)))))

(provide 'fleet-save)
;;; fleet-save.el ends here
