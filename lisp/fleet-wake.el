;;; fleet-wake.el --- Requests that wait until something is ready  -*- lexical-binding: t -*-

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

;; `fleet claim --next --wait' and `fleet wait' are answered when something
;; becomes ready.  The module keeps those requests and knows who gets what;
;; here is only when to look: after every change of the board, and at the
;; next moment at which time alone makes something ready.

;;; Code:

(require 'cl-lib)
(require 'fleet-hooks)

(declare-function fleet--mod-is-open "ext:fleet-module.so" ())
(declare-function fleet--mod-wait-ms "ext:fleet-module.so" ())
(declare-function fleet-board--process "fleet-board" (&optional now ticket))
(declare-function fleet-board--take "fleet-board" (now))

(defconst fleet-wake-rounds-max 8
  "How often at a stretch those who wait are looked at again.
What one of them gets is an edit, and an edit is a reason to look.")

(defconst fleet-wake-breath-seconds 0.01
  "Shortest time after which a timer looks, so that Emacs gets to its input.")

(defvar fleet-wake--timer nil "The timer that will look at those who wait.")

(defun fleet-wake-waiters (now)
  "Look at those who wait as long as the board changes; arm the timer.
A task is ready once it stands on the board, so that our own edits count
as changes.  NOW is as in `fleet-board--process'."
  (let ((rounds fleet-wake-rounds-max))
    (while (and (eq 0 (fleet-wake-ms))
                (>= (cl-decf rounds) 0))
      (fleet-board--take now)
      (when fleet-claim-veto-functions
        (while (fleet-hooks-ask nil)
          (fleet-board--take now)))))
  (fleet-wake--arm (fleet-wake-ms)))

(defun fleet-wake-ms ()
  "Return in how many milliseconds to look at those who wait, or nil."
  (ignore-errors
    (and (fleet--mod-is-open) (fleet--mod-wait-ms))))

(defun fleet-wake-cancel ()
  "Look no more."
  (fleet-wake--arm nil))

(defun fleet-wake--arm (ms)
  "Look at those who wait in MS milliseconds; nil is never."
  (when (timerp fleet-wake--timer)
    (cancel-timer fleet-wake--timer))
  (setq fleet-wake--timer
        (and ms
             (run-at-time (max fleet-wake-breath-seconds (/ ms 1000.0)) nil
                          #'fleet-wake--due))))

(defun fleet-wake--due ()
  "It is time to look."
  (setq fleet-wake--timer nil)
  (fleet-board--process))

(provide 'fleet-wake)
;;; fleet-wake.el ends here
