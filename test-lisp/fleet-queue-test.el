;;; fleet-queue-test.el --- Tests of the verbs as functions and commands  -*- lexical-binding: t -*-

;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Code:

(require 'ert)
(require 'fleet-fake-board)
(require 'fleet-queue)

(defun fleet-queue-test-reply (&rest _)
  "Return a reply with everything that the commands look at."
  (list :v 1 :ok t :number 3 :applied t :token "1-3"
        :task (fleet-fake-task "T-1" :keyword "DONE" :holder "bee")
        :tasks (list (fleet-fake-task "T-1" :tags '("x")))
        :events '((:number 3 :at "2026-04-15T10:00:00+02:00" :by "bee" :via "emacs" :auth "label"
                   :change (:kind "done" :task "T-1" :from "IN_PROGRESS" :to "DONE" :result "ok\nso")))
        :status '(:path "/x/board.org" :state "ok" :unapplied 0 :unsaved 2
                  :counts (:pending 3 :done 1) :notices ("look"))))

;;;; As functions

(ert-deftest fleet-queue-functions-send-their-arguments-as-the-wire-names-them ()
  (pcase-dolist
      (`(,form ,agent ,call ,id)
       '(((fleet-poll) nil (:verb "poll"))
         ((fleet-poll "bee" :tags '("x") :limit 3) "bee" (:verb "poll" :tags ("x") :limit 3))
         ((fleet-claim) "alex" (:verb "claim"))
         ((fleet-claim "" "") "alex" (:verb "claim"))
         ((fleet-claim "T-1" "bee" :resume t :id "r1") "bee" (:verb "claim" :task "T-1" :resume t) "r1")
         ((fleet-claim nil "bee" :tags '("x" "y")) "bee" (:verb "claim" :tags ("x" "y")))
         ((fleet-claim "T-1" "bee" :lease 0) "bee" (:verb "claim" :task "T-1" :lease_secs 0))
         ((fleet-renew "T-1") "alex" (:verb "renew" :task "T-1"))
         ((fleet-renew "T-1" "bee" :token "1-3" :lease 90 :id "r3")
          "bee" (:verb "renew" :task "T-1" :token "1-3" :lease_secs 90) "r3")
         ((fleet-done "T-1") "alex" (:verb "done" :task "T-1"))
         ((fleet-done "T-1" "Merged" "bee" :token "1-3" :id "r2")
          "bee" (:verb "done" :task "T-1" :token "1-3" :result "Merged") "r2")
         ((fleet-fail "T-1" "why" "bee" :token "1-3")
          "bee" (:verb "fail" :task "T-1" :token "1-3" :reason "why"))
         ((fleet-release "T-1" "why" "bee" :token "1-3")
          "bee" (:verb "release" :task "T-1" :token "1-3" :reason "why"))
         ((fleet-skip "T-1" "why") "alex" (:verb "skip" :task "T-1" :reason "why"))
         ((fleet-requeue "T-1" nil "bee" :id "r3") "bee" (:verb "requeue" :task "T-1") "r3")
         ((fleet-add "New") "alex" (:verb "add" :title "New"))
         ((fleet-add "New" :tags '("x") :priority ?A :deadline "2026-04-15" :scheduled "2026-04-14"
                     :body "Text" :task "T-9" :blocked-by '("T-1") :agent "bee" :id "r4")
          "bee" (:verb "add" :title "New" :tags ("x") :priority "A" :deadline "2026-04-15"
                 :scheduled "2026-04-14" :body "Text" :task "T-9" :blocked_by ("T-1"))
          "r4")
         ((fleet-note "T-1" "halfway" "bee" :token "1-3")
          "bee" (:verb "note" :task "T-1" :token "1-3" :text "halfway"))
         ((fleet-append "Deployed" "bee" :id "r5") "bee" (:verb "append" :text "Deployed") "r5")
         ((fleet-archive "T-1" "bee" :id "r6") "bee" (:verb "archive" :tasks ("T-1")) "r6")
         ((fleet-archive '("T-1" "T-2")) "alex" (:verb "archive" :tasks ("T-1" "T-2")))
         ((fleet-archive nil nil :older-than 7 :dry-run t)
          "alex" (:verb "archive" :older_than_secs 604800 :dry_run t))
         ((fleet-log :kinds '("done") :since "2026-04-15T00:00:00Z")
          nil (:verb "log" :kinds ("done") :since "2026-04-15T00:00:00Z"))
         ((fleet-show "T-1") nil (:verb "show" :task "T-1"))
         ((fleet-list :state "done" :tags '("x") :holder "bee" :limit 2)
          nil (:verb "list" :state "done" :tags ("x") :holder "bee" :limit 2))
         ((fleet-status) nil (:verb "status"))
         ((fleet-log :after 7 :task "T-1" :by "human" :limit 5)
          nil (:verb "log" :after 7 :task "T-1" :agent "human" :limit 5))))
    (ert-info ((format "%S" form))
      (fleet-fake-answering #'fleet-queue-test-reply
        (should (equal "1-3" (plist-get (eval form t) :token)))
        (should (equal (list (list agent call id)) fleet-fake-calls))))))

(ert-deftest fleet-queue-functions-signal-refusals-as-they-are ()
  (let ((refusal '(fleet-conflict "task `T-1' is held" :reason "held" :holder "bee")))
    (fleet-fake-answering (lambda (&rest _) (signal (car refusal) (cdr refusal)))
      (dolist (form '((fleet-claim "T-1") (fleet-done "T-1") (fleet-poll) (fleet-show "T-1")
                      (fleet-status) (fleet-log)))
        (should (equal refusal (should-error (eval form t) :type 'fleet-conflict)))))))

(ert-deftest fleet-queue-functions-refuse-misplaced-arguments ()
  (fleet-fake-answering #'fleet-queue-test-reply
    (should-error (fleet-claim "T-1" "bee" :force t))
    (should-error (fleet-done "T-1" "result" "bee" "token"))
    (should-not fleet-fake-calls)))

(ert-deftest fleet-queue-functions-are-silent-and-show-nothing ()
  (fleet-fake-answering #'fleet-queue-test-reply
    (let ((windows (current-window-configuration)) (buffers (buffer-list)))
      (cl-letf (((symbol-function 'message) (lambda (&rest _) (ert-fail "spoke"))))
        (dolist (form '((fleet-claim "T-1") (fleet-done "T-1") (fleet-poll) (fleet-list)
                        (fleet-show "T-1") (fleet-status) (fleet-log)))
          (eval form t)))
      (should (compare-window-configurations windows (current-window-configuration)))
      (should (equal buffers (buffer-list))))))

;;;; As commands

(defmacro fleet-queue-test-told (command &rest answers)
  "Return the message of COMMAND when its prompts get ANSWERS, in this order."
  `(let ((answers (list ,@answers)) (told nil))
     (cl-letf* ((next (lambda (&rest _) (pop answers)))
                ((symbol-function 'completing-read) next)
                ((symbol-function 'completing-read-multiple) next)
                ((symbol-function 'read-string) next)
                ((symbol-function 'message)
                 (lambda (form &rest arguments)
                   (setq told (substring-no-properties (apply #'format form arguments))))))
       (call-interactively ,command)
       (should-not answers)
       told)))

(ert-deftest fleet-queue-commands-work-in-the-persons-name-and-tell-the-outcome ()
  (fleet-fake-answering #'fleet-queue-test-reply
    (should (equal "Claimed T-1 Title of T-1 for bee"
                   (fleet-queue-test-told #'fleet-claim "T-1 Title of T-1")))
    (should (equal '("alex" (:verb "claim" :task "T-1") nil) (car fleet-fake-calls)))
    (should (equal "T-1 Title of T-1 is now DONE"
                   (fleet-queue-test-told #'fleet-done "T-1" "")))
    (should (equal '("alex" (:verb "done" :task "T-1") nil) (car fleet-fake-calls)))
    (should (equal "Added T-1 Title of T-1"
                   (fleet-queue-test-told #'fleet-add "New" '("x" ""))))
    (should (equal '("alex" (:verb "add" :title "New" :tags ("x")) nil) (car fleet-fake-calls)))
    (should (equal "board.org: ok, 3 pending, 1 done; 0 unapplied, 2 unsaved\nlook"
                   (fleet-queue-test-told #'fleet-status)))))

(ert-deftest fleet-queue-commands-with-a-prefix-argument-ask-for-the-agent ()
  (fleet-fake-answering #'fleet-queue-test-reply
    (let ((current-prefix-arg '(4)))
      (fleet-queue-test-told #'fleet-release "T-1" "why" "bee")
      (should (equal '("bee" (:verb "release" :task "T-1" :reason "why") nil)
                     (car fleet-fake-calls)))
      (fleet-queue-test-told #'fleet-claim-next "bee")
      (should (equal '("bee" (:verb "claim") nil) (car fleet-fake-calls))))))

(ert-deftest fleet-queue-commands-default-to-the-task-at-point ()
  (let (offered)
    (fleet-fake-answering #'fleet-queue-test-reply
      (fleet-fake-with-board "#+TODO: PENDING | DONE\n* PENDING T-1 a\n| ta<!>ble |\n"
        (cl-letf (((symbol-function 'completing-read)
                   (lambda (prompt &rest arguments)
                     (setq offered (list prompt (nth 5 arguments)))
                     (nth 5 arguments))))
          (call-interactively #'fleet-claim)
          (should (equal '("Claim task (default T-1): " "T-1 Title of T-1") offered))
          (should (equal '("alex" (:verb "claim" :task "T-1") nil) (car fleet-fake-calls))))))))

(ert-deftest fleet-queue-commands-turn-refusals-into-user-errors ()
  (fleet-fake-answering (lambda (&rest _)
                          (signal 'fleet-conflict '("task `T-1' is held" :hint "wait")))
    (dolist (form '((fleet-claim-next "bee") (fleet-done "T-1" nil nil :show t)
                    (fleet-show "T-1" :show t) (fleet-log :show t) (fleet-status :show t)
                    (fleet-poll nil :show t) (call-interactively #'fleet-claim)))
      (should (equal '(user-error "Task `T-1' is held (hint: wait)")
                     (should-error (eval form t) :type 'user-error))))))

(ert-deftest fleet-queue-commands-without-a-task-say-so ()
  (fleet-fake-answering #'fleet-queue-test-reply
    (should-error (fleet-queue-test-told #'fleet-done "") :type 'user-error)))

(ert-deftest fleet-queue-outcomes-carry-what-the-person-should-know ()
  (should (equal "Done" (fleet-queue--with-remarks "Done" '(:applied t))))
  (should (equal "Done (answered before, late, but accepted, its heading is not on the board at the moment, the buffer follows)\nHALT is on"
                 (fleet-queue--with-remarks
                  "Done" '(:applied nil :replayed t :late t :board "missing" :notices ("HALT is on"))))))

;;;; Views

(ert-deftest fleet-show-fills-the-help-buffer-with-a-way-to-the-board ()
  (fleet-fake-answering
      (lambda (&rest _)
        (list :ok t :task (fleet-fake-task "T-1" :holder "bee" :body "Do it.\n" :attempts 2
                                           :properties '(:ID "T-1" :EFFORT "1:00"))))
    (save-window-excursion
      (fleet-show "T-1" :show t)
      (with-current-buffer (help-buffer)
        (should (equal "T-1" (button-get (button-at (point-min)) 'fleet-task)))
        (dolist (line '("^T-1 Title of T-1$" "^Holder +bee$" "^Attempts +2$" "^:EFFORT +1:00$" "^Do it\\.$"))
          (goto-char (point-min))
          (should (re-search-forward line nil t)))
        (revert-buffer)
        (should (= 2 (length fleet-fake-calls)))))))

(ert-deftest fleet-log-shows-one-line-per-event-with-door-and-proof ()
  (fleet-fake-answering #'fleet-queue-test-reply
    (save-window-excursion
      (fleet-log :show t)
      (should (equal "     3  2026-04-15T10:00:00+02:00  bee  (emacs/label)  done  T-1  IN_PROGRESS -> DONE  ok so\n"
                     (buffer-string)))
      (kill-buffer))))

(provide 'fleet-queue-test)
;;; fleet-queue-test.el ends here
