;;; fleet-rpc-test.el --- Tests of the door for programs  -*- lexical-binding: t -*-

;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'fleet-fake-board)
(require 'fleet-rpc)
(require 'json)

(defun fleet-rpc-test-encode (text)
  "Return TEXT in base64, as a client sends it."
  (base64-encode-string (encode-coding-string text 'utf-8-unix t) t))

(defun fleet-rpc-test-call (base64)
  "Return the reply to BASE64 as an alist; check its form."
  (let ((answer (fleet-rpc base64)))
    (should (string-match-p "\\`[A-Za-z0-9+/]+=*\\'" answer))
    (should-not (multibyte-string-p answer))
    (json-read-from-string
     (decode-coding-string (base64-decode-string answer) 'utf-8-unix t))))

(defun fleet-rpc-test-reason (base64)
  "Return (CODE REASON) of the refusal that BASE64 gets."
  (let* ((reply (fleet-rpc-test-call base64))
         (failure (alist-get 'error reply)))
    (should (equal 1 (alist-get 'v reply)))
    (should (eq :json-false (alist-get 'ok reply)))
    (should (stringp (alist-get 'message failure)))
    (list (alist-get 'code failure) (alist-get 'reason failure))))

(defmacro fleet-rpc-test-handling (body &rest test)
  "Evaluate TEST while requests are handled by BODY, which sees JSON."
  (declare (indent 1))
  `(cl-letf (((symbol-function 'fleet-request-json)
              (lambda (json) (ignore json) ,body)))
     ,@test))

(defconst fleet-rpc-test-request (fleet-rpc-test-encode "{\"v\":1,\"id\":\"r-1\",\"call\":{\"id\":\"no\"}}")
  "A request with the id r-1.")

(ert-deftest fleet-rpc-carries-any-text-both-ways ()
  (fleet-rpc-test-handling json
    (dolist (text '("\"plain\"" "\"ü → 日本 😀\\u0000\"" "\"a\\r\\nb 'q' $(x) \\\"\""))
      (should (equal (json-read-from-string text)
                     (fleet-rpc-test-call (fleet-rpc-test-encode text)))))))

(ert-deftest fleet-rpc-leaves-line-ends-alone ()
  (let (seen)
    (fleet-rpc-test-handling (setq seen json)
      (fleet-rpc (fleet-rpc-test-encode "[1,\r\n2]")))
    (should (equal "[1,\r\n2]" seen))))

(ert-deftest fleet-rpc-takes-bytes-as-a-reply ()
  (fleet-rpc-test-handling (encode-coding-string "\"ü\"" 'utf-8)
    (should (equal "ü" (fleet-rpc-test-call fleet-rpc-test-request)))))

(ert-deftest fleet-rpc-refuses-what-cannot-be-read-without-handing-it-on ()
  (let ((handed nil))
    (fleet-rpc-test-handling (setq handed t)
      (dolist (bad (list "%%%" "abc" nil 7 "ü"
                         (base64-encode-string "\xff\xfe\x80" t)
                         (base64-encode-string "\xc0\x80" t)
                         (make-string (* 2 fleet-rpc-bytes-max) ?A)))
        (should (equal '("usage" "bad-request") (fleet-rpc-test-reason bad)))))
    (should-not handed)))

(ert-deftest fleet-rpc-takes-the-largest-request ()
  (fleet-rpc-test-handling "true"
    (should (eq t (fleet-rpc-test-call
                   (fleet-rpc-test-encode (make-string fleet-rpc-bytes-max ?x)))))))

(ert-deftest fleet-rpc-answers-whatever-happens-inside ()
  (dolist (happening
           (list (lambda () (error "Plain %s" "ü"))
                 (lambda () (signal 'fleet-error '(odd . data)))
                 (lambda () (signal 'error nil))
                 (lambda () (signal 'error '(1 . 2)))
                 (lambda () (signal 'no-such-symbol (list (string #x3fff80 #xd800 0))))
                 (lambda () (signal 'quit nil))
                 (lambda () (keyboard-quit))
                 (lambda () (setq quit-flag t) (while t))
                 (lambda () (throw 'fleet-rpc-test-outer 'escaped))
                 (lambda () (throw 'no-such-tag nil))
                 (lambda () (top-level))
                 (lambda () (y-or-n-p "Sure? "))
                 (lambda () (read-string "Name: "))
                 (lambda () (read-event))
                 (lambda () (json-read-from-string "{broken"))
                 (lambda () (letrec ((deep (lambda () (1+ (funcall deep))))) (funcall deep)))
                 (lambda () 'not-a-string)
                 (lambda () nil)))
    (fleet-rpc-test-handling (funcall happening)
      (should (eq 'stayed
                  (catch 'fleet-rpc-test-outer
                    (should (equal '("unreachable" "outcome-unknown")
                                   (fleet-rpc-test-reason fleet-rpc-test-request)))
                    (should-not quit-flag)
                    'stayed))))))

(ert-deftest fleet-rpc-unknown-outcomes-carry-the-id-to-repeat-with ()
  (fleet-rpc-test-handling (error "No")
    (should (equal "r-1" (alist-get 'id (fleet-rpc-test-call fleet-rpc-test-request))))
    (dolist (odd '("[" "7" "{\"id\":7}" "{\"id\":\"a b\"}" "{}"))
      (should-not (assq 'id (fleet-rpc-test-call (fleet-rpc-test-encode odd)))))))

(ert-deftest fleet-rpc-passes-on-refusals-that-were-signalled ()
  (pcase-dolist (`(,signalled ,told)
                 '(((fleet-unreachable "no board" :reason "no-board" :hint "serve it")
                    ("unreachable" "no-board" "serve it" "r-1"))
                   ((fleet-halted "stop" :reason "halted") ("halt" "halted" nil "r-1"))
                   ((fleet-error "busy" :reason "busy") ("general" "busy" nil "r-1"))
                   ((fleet-error "why") ("general" "rpc-failed" nil "r-1"))))
    (fleet-rpc-test-handling (signal (car signalled) (cdr signalled))
      (let* ((reply (fleet-rpc-test-call fleet-rpc-test-request))
             (failure (alist-get 'error reply)))
        (should (equal (cadr signalled) (alist-get 'message failure)))
        (should (equal told (list (alist-get 'code failure) (alist-get 'reason failure)
                                  (alist-get 'hint failure) (alist-get 'id reply))))))))

(ert-deftest fleet-rpc-never-enters-the-debugger ()
  (let* ((entered nil)
         (debugger (lambda (&rest _) (setq entered t)))
         (signal-hook-function (lambda (&rest _) (setq entered t)))
         (debug-on-error t) (debug-on-signal t) (debug-on-quit t) (debug-ignored-errors nil))
    (fleet-rpc-test-handling (error "No")
      (fleet-rpc fleet-rpc-test-request))
    (fleet-rpc-test-handling (signal 'quit nil)
      (fleet-rpc fleet-rpc-test-request))
    (fleet-rpc-test-handling (condition-case-unless-debug nil (error "Demoted") (error "true"))
      (should (eq t (fleet-rpc-test-call fleet-rpc-test-request))))
    (fleet-rpc "%%%")
    (should-not entered)))

(ert-deftest fleet-rpc-drops-the-quits-of-its-own-time-only ()
  (cl-letf (((symbol-function 'fleet-rpc--guarded)
             (lambda (_) (prog1 quit-flag (setq quit-flag t))))
            ;; What it saw, and what it left; no check runs while a quit is due.
            (pending (lambda (flag)
                       (let ((inhibit-quit t))
                         (setq quit-flag flag)
                         (let ((seen (fleet-rpc "")) (left quit-flag))
                           (setq quit-flag nil)
                           (list seen left))))))
    (should (equal '(nil nil) (funcall pending nil)))
    (should (equal '(nil t) (funcall pending t)))))

(provide 'fleet-rpc-test)
;;; fleet-rpc-test.el ends here
