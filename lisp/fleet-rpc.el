;;; fleet-rpc.el --- Requests from outside, in base64  -*- lexical-binding: t -*-

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

;; The one door for programs that reach this Emacs through emacsclient.
;; A request is JSON in UTF-8 in base64 and so is the reply: pure ASCII
;; without quotes or blanks, which no shell and no Lisp reader on the way
;; can misread.
;;
;; Whatever happens inside, the answer is a reply.  An error that reached
;; emacsclient would be text for people; a debugger, a prompt or a
;; recursive edit would stop the daemon for everybody.

;;; Code:

(require 'json)
(eval-when-compile (require 'subr-x))

(declare-function fleet-request-json "fleet-board" (json))

(defconst fleet-rpc-bytes-max (ash 1 20)
  "The largest request that `fleet-rpc' takes, in bytes of JSON.")

(defconst fleet-rpc--text-chars-max 1000
  "How much of an error's text goes into a reply, in characters.")

(defconst fleet-rpc--codes
  '((fleet-usage-error . "usage")
    (fleet-not-found . "not-found")
    (fleet-conflict . "conflict")
    (fleet-halted . "halt")
    (fleet-unreachable . "unreachable")
    (fleet-denied . "denied")
    (fleet-corrupt . "corrupt")
    (fleet-config-error . "config"))
  "The JSON names of refusals; of all others it is \"general\".")

(define-error 'fleet-rpc-bad-request "The request cannot be read")

;;;###autoload (autoload 'fleet-rpc "fleet")
(defun fleet-rpc (base64)
  "Carry out the request in BASE64 and return the reply, also in base64.
Both are JSON in UTF-8; PROTOCOL.md describes them.  The result is ASCII
in one line.  This function never signals, throws, asks or enters the
debugger: every failure is a reply with `ok' false.

If the request had been handed on when something went wrong, the reply
says that the outcome is unknown."
  (let ((interrupted quit-flag))
    (let ((inhibit-quit t)
          (inhibit-interaction t)
          (inhibit-message t)
          (debug-on-error nil)
          (debug-on-quit nil)
          (debug-on-signal nil)
          (debug-on-message nil)
          (signal-hook-function nil))
      ;; A C-g from before is not meant for this; one that comes in meanwhile
      ;; must not take the answer away on its way out.
      (setq quit-flag nil)
      (prog1 (fleet-rpc--guarded base64)
        (setq quit-flag interrupted)))))

(defun fleet-rpc--guarded (base64)
  "Return the encoded reply to BASE64, whatever non-local exit is tried."
  (let ((json nil) (reply nil))
    ;; A throw to somebody else's tag cannot be caught by name, but it can be
    ;; replaced by another throw while the stack unwinds.
    (catch 'fleet-rpc--out
      (unwind-protect
          (setq reply
                (condition-case error
                    (let ((inhibit-quit nil))
                      (setq json (fleet-rpc--decode base64))
                      (fleet-rpc--encode (fleet-request-json json)))
                  (fleet-rpc-bad-request (fleet-rpc--refusal "usage" "bad-request" (cadr error)))
                  (fleet-error (fleet-rpc--refused error json))
                  (t (fleet-rpc--unknown json (fleet-rpc--error-text error)))))
        (throw 'fleet-rpc--out nil)))
    (or reply (fleet-rpc--unknown json "something in Emacs left the request by a throw"))))

(defun fleet-rpc--decode (base64)
  "Return the JSON text in BASE64."
  (unless (stringp base64)
    (signal 'fleet-rpc-bad-request '("the request is not a string")))
  (when (> (length base64) (* 4 (/ (+ fleet-rpc-bytes-max 2) 3)))
    (signal 'fleet-rpc-bad-request
            (list (format "the request is larger than %d bytes" fleet-rpc-bytes-max))))
  (let* ((bytes (condition-case nil
                    (base64-decode-string base64)
                  (error (signal 'fleet-rpc-bad-request '("the request is not valid base64")))))
         (text (decode-coding-string bytes 'utf-8-unix t)))
    (when (string-match-p "[\x3fff80-\x3fffff]" text)
      (signal 'fleet-rpc-bad-request '("the request is not valid UTF-8")))
    text))

(defun fleet-rpc--encode (json)
  "Return the text JSON in base64."
  (base64-encode-string (encode-coding-string json 'utf-8-unix t) t))

(defun fleet-rpc--refusal (code reason message &optional hint id)
  "Return an encoded refusal with CODE, REASON, MESSAGE, HINT and request ID."
  (fleet-rpc--encode
   (json-encode
    `((v . 1)
      ,@(and id `((id . ,id)))
      (ok . :json-false)
      (error . ((code . ,code)
                (reason . ,reason)
                (message . ,message)
                ,@(and hint `((hint . ,hint)))))))))

(defun fleet-rpc--refused (error json)
  "Return the refusal that ERROR is, a `fleet-error'; JSON is the request.
It was signalled instead of a reply, so nothing was changed."
  (pcase error
    (`(,symbol ,(and message (pred stringp)) . ,(and details (pred proper-list-p)))
     (fleet-rpc--refusal (alist-get symbol fleet-rpc--codes "general")
                         (or (plist-get details :reason) "rpc-failed")
                         message (plist-get details :hint) (fleet-rpc--id json)))
    (_ (fleet-rpc--unknown json (fleet-rpc--error-text error)))))

(defun fleet-rpc--unknown (json message)
  "Return the refusal for a failure with MESSAGE; JSON is the request, if read."
  (if json
      (fleet-rpc--refusal "unreachable" "outcome-unknown" message
                          "repeat the request with the same id" (fleet-rpc--id json))
    (fleet-rpc--refusal "general" "rpc-failed" message)))

(defun fleet-rpc--id (json)
  "Return the request id in the text JSON, or nil."
  (condition-case nil
      (let* ((json-object-type 'alist)
             (json-key-type 'string)
             (id (cdr (assoc "id" (json-read-from-string json)))))
        (and (stringp id) (string-match-p "\\`[!-~]\\{1,128\\}\\'" id) id))
    (t nil)))

(defun fleet-rpc--error-text (error)
  "Return the words of ERROR, in characters that JSON can carry."
  (let ((text (condition-case nil
                  (let ((print-length 20) (print-level 5))
                    (error-message-string error))
                (t "an error that cannot be printed"))))
    (replace-regexp-in-string
     "[[:cntrl:]\xd800-\xdfff\x110000-\x3fffff]" "?"
     (truncate-string-to-width (concat "Emacs reported: " text) fleet-rpc--text-chars-max))))

(provide 'fleet-rpc)
;;; fleet-rpc.el ends here
