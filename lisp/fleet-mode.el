;;; fleet-mode.el --- Keys and menu on the board  -*- lexical-binding: t -*-

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

;; `fleet-mode' is on in the buffer of the board that is served: it puts
;; the commands under C-c C-x F, shows a menu, and tells in the mode line
;; how the board is doing.  `fleet-command-map' has the same keys and can
;; be bound anywhere, for example
;;
;;   (global-set-key (kbd "C-c f") 'fleet-command-map)

;;; Code:

(require 'easymenu)
(require 'fleet-queue)
(require 'fleet-archive)

(declare-function fleet--mod-halted "ext:fleet-module.so" ())
(declare-function fleet-unserve "fleet-board" ())

(defvar fleet-mode-line nil
  "What the mode line says after \"Fleet\" in the board's buffer.
A mode line construct; the owner of the board sets it buffer-locally.")
(put 'fleet-mode-line 'risky-local-variable t)

(defvar fleet-command-map
  (let ((map (make-sparse-keymap)))
    (define-key map "c" #'fleet-claim)
    (define-key map "C" #'fleet-claim-next)
    (define-key map "d" #'fleet-done)
    (define-key map "f" #'fleet-fail)
    (define-key map "r" #'fleet-release)
    (define-key map "s" #'fleet-skip)
    (define-key map "R" #'fleet-requeue)
    (define-key map "A" #'fleet-archive)
    (define-key map "a" #'fleet-add)
    (define-key map "n" #'fleet-note)
    (define-key map "m" #'fleet-append)
    (define-key map "v" #'fleet-show)
    (define-key map "l" #'fleet-list)
    (define-key map "p" #'fleet-poll)
    (define-key map "H" #'fleet-halt)
    (define-key map "i" #'fleet-status)
    (define-key map "L" #'fleet-log)
    (define-key map "?" #'fleet-describe-keys)
    map)
  "Keymap of the fleet commands, to be bound to a key of your choice.")

;;;###autoload (autoload 'fleet-command-map "fleet" nil nil 'keymap)
(defalias 'fleet-command-map fleet-command-map)

(defvar fleet-mode-map
  (let ((map (make-sparse-keymap)))
    ;; Letters after C-c are the person's, and Org has taken C-c C-x f.
    (define-key map (kbd "C-c C-x F") 'fleet-command-map)
    map)
  "Keymap of `fleet-mode'.")

(easy-menu-define fleet-mode-menu fleet-mode-map
  "Menu of `fleet-mode'."
  '("Fleet"
    ["Claim this task" fleet-claim]
    ["Claim the next task" fleet-claim-next]
    ["Done" fleet-done]
    ["Fail" fleet-fail]
    ["Release" fleet-release]
    ["Skip" fleet-skip]
    ["Requeue" fleet-requeue]
    ["Archive" fleet-archive]
    "--"
    ["Add a task" fleet-add]
    ["Add a note" fleet-note]
    ["Append a message" fleet-append]
    "--"
    ["Show this task" fleet-show]
    ["List all tasks" fleet-list]
    ["List what is ready" fleet-poll]
    ["Halt the fleet" fleet-halt]
    ["Resume" fleet-resume]
    ["Status" fleet-status]
    ["Log" fleet-log]
    "--"
    ["Stop serving this board" fleet-unserve]))

(defun fleet-describe-keys ()
  "Show the keys of the fleet commands."
  (interactive)
  (describe-keymap 'fleet-command-map))

(defun fleet-mode--halt ()
  "Return what the mode line says of a halted fleet, or nil.
It looks at the HALT file itself, whoever made it."
  (when (ignore-errors (fleet--mod-halted))
    (propertize " HALT" 'face 'error 'help-echo (ignore-errors (fleet--mod-halted)))))

;;;###autoload (autoload 'fleet-mode "fleet" nil t)
(define-minor-mode fleet-mode
  "Keys, menu and mode line for the board that is served.
It is turned on where a board is served; by itself it changes nothing
about the board.

\\{fleet-mode-map}"
  :lighter (" Fleet" (:eval (fleet-mode--halt)) fleet-mode-line)
  :keymap fleet-mode-map
  :group 'fleet)

(provide 'fleet-mode)
;;; fleet-mode.el ends here
