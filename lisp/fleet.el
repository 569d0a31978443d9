;;; fleet.el --- One task board for a person and a fleet of agents  -*- lexical-binding: t -*-

;; Copyright (C) 2026 The Fleet authors

;; Author: The Fleet authors
;; Maintainer: The Fleet authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; URL: https://example.invalid/fleet
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

;; A board is an Org file, `dispatch.org'.  While an Emacs serves it, agents
;; claim and finish tasks on the live buffer, durably, and you edit it as
;; you like.  Two lines in your init file turn it on:
;;
;;     (require 'fleet)
;;     (fleet-serve "~/dispatch.org")
;;
;; `fleet-unserve' takes it back.  Loading this file does nothing else.


;;; Code:

(defgroup fleet nil
  "One task board for a person and a fleet of agents."
  :group 'org
  :prefix "fleet-")

(defcustom fleet-agent
  (let ((name (replace-regexp-in-string "[^a-z0-9_-]" "" (downcase (user-login-name)))))
    (if (string-match-p "\\`[a-z0-9][a-z0-9_-]\\{0,31\\}\\'" name) name "me"))
  "Your own name as an agent, for tasks that you claim by command.
It matches [a-z0-9][a-z0-9_-]{0,31}."
  :type 'string
  :package-version '(fleet . "0.1.0"))

(define-error 'fleet-error "Fleet")
(define-error 'fleet-usage-error "Fleet: wrong use" 'fleet-error)
(define-error 'fleet-not-found "Fleet: not found" 'fleet-error)
(define-error 'fleet-conflict "Fleet: conflict" 'fleet-error)
(define-error 'fleet-halted "Fleet: halted" 'fleet-error)
(define-error 'fleet-unreachable "Fleet: unreachable" 'fleet-error)
(define-error 'fleet-denied "Fleet: denied" 'fleet-error)
(define-error 'fleet-corrupt "Fleet: damaged" 'fleet-error)
(define-error 'fleet-config-error "Fleet: configuration" 'fleet-error)

(require 'fleet-module)
(require 'fleet-edit)
(require 'fleet-board)
(require 'fleet-mode)
(require 'fleet-queue)
(require 'fleet-archive)
(require 'fleet-verify)
(require 'fleet-rpc)
(require 'fleet-daemon)

;;;###autoload (autoload 'fleet-serve "fleet" "Serve a board in this Emacs." t)
;;;###autoload (autoload 'fleet-unserve "fleet" "Give the served board back." t)

(provide 'fleet)
;;; fleet.el ends here
