;;; fleet-daemon.el --- Start and stop of a private daemon  -*- lexical-binding: t -*-

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

;; What `fleet daemon start', `fleet daemon stop' and `fleet attach' call in
;; the Emacs that they run, and what that Emacs tells the service manager
;; that started it, if one did.
;;
;; A sign of life comes from a timer: it proves that the main thread still
;; comes to rest between commands.  Whatever keeps timers from running for
;; longer than the manager's patience looks dead to it.


;;; Code:

(require 'cl-lib)
(require 'fleet-board)
(require 'fleet-rpc)

(defvar debug-on-event)

(declare-function fleet--mod-notify "ext:fleet-module.so" (state))
(declare-function fleet--mod-summary "ext:fleet-module.so" ())
(declare-function fleet--mod-watchdog "ext:fleet-module.so" ())

(defconst fleet-daemon-beat-seconds 30
  "The longest time between two signs of life to the service manager.
They come at least twice in the time that it has patience.")

(defvar fleet-daemon--beat nil "The timer of the signs of life.")

(defconst fleet-daemon-gc-bytes (* 32 1024 1024)
  "Bytes of new Lisp data between two garbage collections of the daemon.")

;;;###autoload
(defun fleet-daemon-start ()
  "Serve the board that the environment variable DISPATCH_FILE names.
Return its file name.  For an Emacs that runs for nothing else: signals
that would open a debugger nobody can see are switched off."
  (let ((board (getenv "DISPATCH_FILE")))
    (unless (and board (not (string-empty-p board)))
      (signal 'fleet-config-error
              '("DISPATCH_FILE is not set" :hint "set it to the board's file name")))
    (setq debug-on-error nil
          debug-on-event nil
          ;; Collecting garbage is the longest pause there is: do it less often.
          gc-cons-threshold fleet-daemon-gc-bytes)
    (prog1 (plist-get (fleet-serve board) :path)
      (fleet-daemon--announce))))

(defconst fleet-daemon-buffers-max 10
  "How many unsaved buffers are named in a refusal to stop.")

(defun fleet-daemon--unsaved ()
  "Return the buffers whose unsaved text would be lost with this Emacs.
Agents' edits of the board are not: they are saved on the way."
  (let ((board (fleet-board-buffer)))
    (cl-remove-if-not
     (lambda (buffer)
       (if (eq buffer board)
           (fleet-board-person-dirty-p)
         (and (buffer-file-name buffer)
              (buffer-modified-p buffer)
              (not (eq board (buffer-base-buffer buffer))))))
     (buffer-list))))

(defun fleet-daemon--listed (names)
  "Return the first of NAMES in one string."
  (let ((more (- (length names) fleet-daemon-buffers-max)))
    (concat (mapconcat (lambda (name) (format "`%s`" name))
                       (cl-subseq names 0 (min (length names) fleet-daemon-buffers-max))
                       ", ")
            (when (> more 0)
              (format " and %d more" more)))))

(defun fleet-daemon-stop-reply ()
  "Call `fleet-daemon-stop' and return t, or a refusal as `fleet-rpc' words it."
  (condition-case error
      (fleet-daemon-stop)
    (fleet-error (fleet-rpc--refused error nil))))

;;;###autoload
(defun fleet-daemon-stop ()
  "Save the board, give it back and end this Emacs.
Refuse while buffers have edits of a person that are not saved; the key
`:buffers' of the error lists their names."
  (let ((names (mapcar #'buffer-name (fleet-daemon--unsaved))))
    (when names
      (signal 'fleet-conflict
              (list (format "Emacs has unsaved edits of a person in %s"
                            (fleet-daemon--listed names))
                    :reason "unsaved-edits"
                    :hint "save them (C-x s) or revert them in that Emacs, then stop it again"
                    :buffers names))))
  (fleet-unserve)
  ;; After the reply to this request has gone out.
  (run-at-time 0 nil #'kill-emacs)
  t)

;;;###autoload
(defun fleet-daemon-attach ()
  "Show the served board in the selected frame, for `fleet attach'."
  (let ((buffer (fleet-board-buffer)))
    (unless buffer
      (signal 'fleet-unreachable
              '("this Emacs shows no board" :hint "see `fleet status'")))
    (switch-to-buffer buffer)
    nil))

;;;; The service manager

(defun fleet-daemon--announce ()
  "Tell the service manager, if there is one, that this Emacs is there.
From then on it gets signs of life.  Processes that Emacs starts do not
learn of it: it listens to this process alone."
  (let ((patience (fleet--mod-watchdog)))
    (when (getenv "NOTIFY_SOCKET")
      (dolist (name '("NOTIFY_SOCKET" "WATCHDOG_USEC" "WATCHDOG_PID"))
        (setenv name nil))
      (add-hook 'kill-emacs-hook #'fleet-daemon--stopping)
      ;; A timer first runs when Emacs is done with starting.
      (run-at-time 0 nil #'fleet-daemon--tell "READY=1")
      (setq fleet-daemon--beat
            (run-at-time 0 (min fleet-daemon-beat-seconds
                                (/ (or patience fleet-daemon-beat-seconds) 2.0))
                         #'fleet-daemon--alive)))))

(defun fleet-daemon--alive ()
  "Give the service manager a sign of life and say how the board is."
  ;; Alive is who gets here, whatever has become of the board.
  (let ((summary (ignore-errors (fleet--mod-summary))))
    (fleet-daemon--tell (format "WATCHDOG=1\nSTATUS=%s" (or summary "no board")))))

(defun fleet-daemon--stopping ()
  "Tell the service manager that this Emacs ends."
  (fleet-daemon--tell "STOPPING=1"))

(defun fleet-daemon--tell (state)
  "Send STATE to the service manager; that it does not listen is no error."
  (ignore-errors (fleet--mod-notify state)))

(provide 'fleet-daemon)
;;; fleet-daemon.el ends here
