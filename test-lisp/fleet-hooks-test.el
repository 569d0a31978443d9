;;; fleet-hooks-test.el --- Tests of what Lisp authors hang on  -*- lexical-binding: t -*-

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

;; Functions of other people on a board served by the real module: which
;; events they hear and when, what they may veto, what becomes of their errors,
;; and that no way leads through them into a request that is half done.

;;; Code:

(require 'ert)
(require 'cl-lib)
(require 'fleet)
(require 'fleet-board-test)

(defvar fleet-hooks-test-heard nil "Events that a test function heard, newest first.")

(defmacro fleet-hooks-test-with (bindings &rest body)
  "Serve the test board and run BODY with the hooks in BINDINGS."
  (declare (indent 1) (debug t))
  `(let* ((fleet-event-functions nil)
          (fleet-claim-veto-functions nil)
          (fleet-hooks-test-heard nil)
          ;; Other tests leave the name of a command behind.
          (this-command nil)
          ,@bindings)
     (fleet-board-test-with fleet-board-test-text
       ,@body)))

(defun fleet-hooks-test-hear (event)
  "Note EVENT."
  (push event fleet-hooks-test-heard))

(defun fleet-hooks-test-kinds ()
  "Return the kinds of the events heard, oldest first."
  (mapcar (lambda (event) (plist-get event :kind)) (reverse fleet-hooks-test-heard)))

(defun fleet-hooks-test-wait (holds)
  "Let timers run until the function HOLDS returns non-nil; return that."
  (let ((deadline (+ (float-time) 10)) (found nil))
    (while (and (not (setq found (funcall holds)))
                (< (float-time) deadline))
      (accept-process-output nil 0.01))
    found))

(defun fleet-hooks-test-notices ()
  "Return the notices of the status in one string."
  (string-join (plist-get (plist-get (fleet-status) :status) :notices) "\n"))

;;;; Events

(ert-deftest fleet-hooks-every-event-comes-once-in-order-with-what-the-journal-says ()
  :tags '(native)
  (fleet-hooks-test-with ((fleet-event-functions '(fleet-hooks-test-hear)))
    (let ((token (plist-get (fleet-claim "TASK-001" "timmy" :id "c-1") :token)))
      (fleet-done "TASK-001" "shipped" "timmy" :token token)
      (fleet-append "hello" "ezra")
      (should (fleet-hooks-flush))
      (should (equal (fleet-hooks-test-kinds) '("opened" "claimed" "done" "appended")))
      (pcase-let ((`(,_ ,claimed ,done ,appended) (reverse fleet-hooks-test-heard)))
        (should (equal (plist-get claimed :number) 2))
        (should (equal (plist-get claimed :task) "TASK-001"))
        (should (equal (plist-get claimed :title) "TASK-001 Deploy auth service"))
        (should (equal (plist-get claimed :by) "timmy"))
        (should (equal (plist-get claimed :via) "emacs"))
        (should (equal (plist-get claimed :auth) "label"))
        (should (equal (plist-get claimed :request) "c-1"))
        (should (equal (plist-get claimed :from) "PENDING"))
        (should (equal (plist-get claimed :to) "IN_PROGRESS"))
        (should (string-match-p "\\`[0-9]\\{4\\}-[0-9-]+T" (plist-get claimed :at)))
        (should (equal (plist-get done :result) "shipped"))
        (should-not (plist-member done :late))
        (should (equal (plist-get appended :text) "hello"))
        (should-not (plist-member appended :task)))
      (fleet-hooks-flush)
      (should (= 4 (length fleet-hooks-test-heard))))))

(ert-deftest fleet-hooks-every-key-of-an-event-stands-in-the-docstring ()
  :tags '(native)
  (fleet-hooks-test-with ((fleet-event-functions '(fleet-hooks-test-hear)))
    (fleet-claim "TASK-002" "timmy")
    (fleet-fail "TASK-002" "no wind" "timmy")
    (fleet-add "Dredge" :agent "timmy")
    (fleet-append "hello" "timmy")
    (fleet-claim "TASK-001" "timmy")
    (fleet-note "TASK-001" "half" "timmy")
    (fleet-release "TASK-001" "tired" "timmy")
    (goto-char (point-min))
    (search-forward "DONE TASK-003")
    (replace-match "PENDING TASK-003")
    (fleet--mod-settle t)
    (fleet-hooks-flush)
    (let ((documentation (documentation-property 'fleet-event-functions 'variable-documentation t))
          (own '(:owner :pid :covers :without :hash :epoch :replaces)))
      (dolist (event fleet-hooks-test-heard)
        (should (string-match-p (format "\"%s\"" (plist-get event :kind)) documentation))
        (cl-loop for (key _) on event by #'cddr
                 unless (memq key own)
                 do (should (string-match-p (format "`%s'" key) documentation)))))))

(ert-deftest fleet-hooks-every-kind-and-field-of-the-journal-stands-in-the-docstring ()
  (let ((documentation (documentation-property 'fleet-event-functions 'variable-documentation t))
        (own '("owner" "pid" "covers" "without" "hash" "epoch" "replaces"
               "file" "tasks" "digest" "entry"))
        (kinds 0))
    (with-temp-buffer
      (insert-file-contents
       (expand-file-name "../src/core/queue/event.rs" fleet-test-directory))
      (search-forward "pub enum Change {")
      (narrow-to-region (point) (save-excursion (search-forward "\n}") (point)))
      (while (re-search-forward "^    \\([A-Z][a-z]+\\) {\\|^        \\([a-z_]+\\): " nil t)
        (cond ((match-string 1)
               (cl-incf kinds)
               (should (string-match-p (format "\"%s\"" (downcase (match-string 1))) documentation)))
              ((not (member (match-string 2) own))
               (should (string-match-p (format "`:%s'" (match-string 2)) documentation))))))
    (should (> kinds 13))))

(ert-deftest fleet-hooks-events-of-a-persons-hand-arrive ()
  :tags '(native)
  (fleet-hooks-test-with ((fleet-event-functions '(fleet-hooks-test-hear)))
    (goto-char (point-min))
    (search-forward "PENDING TASK-001")
    (replace-match "DONE TASK-001")
    (fleet-board--process)
    (fleet--mod-settle t)
    (fleet-hooks-flush)
    (let ((event (car fleet-hooks-test-heard)))
      (should (equal (plist-get event :by) "human"))
      (should (equal (plist-get event :kind) "edited"))
      (should (equal (plist-get event :field) "state"))
      (should (equal (plist-get event :from) "PENDING"))
      (should (equal (plist-get event :to) "DONE")))))

(ert-deftest fleet-hooks-the-reply-is-there-before-a-function-hears-of-it ()
  :tags '(native)
  (fleet-hooks-test-with ((fleet-event-functions '(fleet-hooks-test-hear)))
    (fleet-claim "TASK-001" "timmy")
    (should-not fleet-hooks-test-heard)
    (should (fleet-hooks-test-wait (lambda () (member "claimed" (fleet-hooks-test-kinds)))))))

(ert-deftest fleet-hooks-a-function-added-later-hears-of-later-events ()
  :tags '(native)
  (fleet-hooks-test-with ()
    (fleet-claim "TASK-001" "timmy")
    (let ((fleet-event-functions '(fleet-hooks-test-hear)))
      (fleet-done "TASK-001" "x" "timmy")
      (fleet-hooks-flush)
      (should (equal (fleet-hooks-test-kinds) '("done"))))))

(ert-deftest fleet-hooks-errors-quits-and-throws-are-told-once-and-stop-nobody ()
  :tags '(native)
  (let ((calls 0))
    (cl-letf (((symbol-function 'fleet-hooks-test-bad)
               (lambda (event)
                 (cl-incf calls)
                 (pcase (plist-get event :kind)
                   ("claimed" (error "Bad day %%s"))
                   ("done" (signal 'quit nil))
                   ("appended" (throw 'somewhere 1))
                   ("requeued" (top-level))
                   ("noted" (read-string "Prompt: "))))))
      (fleet-hooks-test-with ((fleet-event-functions '(fleet-hooks-test-bad fleet-hooks-test-hear)))
        (fleet-claim "TASK-001" "timmy")
        (fleet-note "TASK-001" "x" "timmy")
        (fleet-done "TASK-001" "x" "timmy")
        (fleet-requeue "TASK-001" "x" "timmy")
        (dotimes (_ 3) (fleet-append "x" "timmy"))
        (fleet-hooks-flush)
        (should (= 8 calls))
        (should (= 8 (length fleet-hooks-test-heard)))
        (let ((notices (fleet-hooks-test-notices)))
          (dolist (told '("failed: Bad day %s" "failed: Quit" "left by a throw" "inhibited"))
            (should (string-match-p (concat "fleet-hooks-test-bad.*" (regexp-quote told)) notices)))
          (should (= 2 (length (split-string notices "left by a throw")))))
        (with-current-buffer "*Messages*"
          (should (string-match-p "Warning (fleet): fleet-hooks-test-bad" (buffer-string)))
          (should-not (string-match-p "fleet-hooks-test-bad.*times\\]" (buffer-string))))
        (should (plist-get (fleet-claim "TASK-002" "timmy") :applied))))))

(ert-deftest fleet-hooks-a-function-may-wait-and-claim-and-edit-without-hearing-twice ()
  :tags '(native)
  (let ((depth 0) (deepest 0) (claimed nil))
    (fleet-hooks-test-with
        ((fleet-event-functions
          (list #'fleet-hooks-test-hear
                (lambda (event)
                  (cl-incf depth)
                  (setq deepest (max depth deepest))
                  (when (equal (plist-get event :kind) "appended")
                    (fleet-append "from outside" "ezra" :id "same")
                    (sleep-for 0.05)
                    (unless claimed
                      (setq claimed (fleet-claim "TASK-002" "ezra")))
                    (with-current-buffer (fleet-board-buffer)
                      (save-excursion
                        (goto-char (point-min))
                        (when (search-forward "Body one." nil t)
                          (insert " More.")))))
                  (cl-decf depth)))))
      (fleet-append "start" "timmy")
      (should (fleet-hooks-test-wait (lambda () (member "claimed" (fleet-hooks-test-kinds)))))
      (should (= 1 deepest))
      (should (equal "ezra" (plist-get (plist-get claimed :task) :holder)))
      (let ((numbers (mapcar (lambda (event) (plist-get event :number)) fleet-hooks-test-heard)))
        (should (equal numbers (number-sequence (length numbers) 1 -1))))
      (should (fleet-board-test-line "Body one. More"))
      (should (fleet-board-test-agrees-p)))))

(ert-deftest fleet-hooks-what-a-function-writes-is-saved-and-is-no-unsaved-edit-of-a-person ()
  :tags '(native)
  (fleet-hooks-test-with
      ((fleet-event-functions
        (list (lambda (event)
                (when (equal (plist-get event :kind) "claimed")
                  (with-current-buffer (fleet-board-buffer)
                    (save-excursion
                      (goto-char (point-max))
                      (insert "* PENDING Follow up\n"))))))))
    (fleet-claim "TASK-001" "timmy")
    (fleet-hooks-flush)
    (should (fleet-board-test-line "Follow up"))
    (should-not (fleet-board-person-dirty-p))
    (should (fleet-save-now))
    (goto-char (point-max))
    (insert "# a thought\n")
    (fleet-claim "TASK-002" "timmy")
    (fleet-hooks-flush)
    (should (fleet-board-person-dirty-p))))

(ert-deftest fleet-hooks-many-events-come-in-batches-and-all-of-them ()
  :tags '(native)
  (let ((most 0))
    (fleet-hooks-test-with
        ((fleet-event-functions
          (list #'fleet-hooks-test-hear
                (lambda (_) (setq most (max most (length fleet-hooks--events)))))))
      (dotimes (n (+ 5 (* 2 fleet-event-batch-max)))
        (fleet-append (format "m %d" n) "timmy"))
      (fleet-hooks-flush)
      (should (= (length fleet-hooks-test-heard) (+ 6 (* 2 fleet-event-batch-max))))
      (should (< 0 most fleet-event-batch-max)))))

(ert-deftest fleet-hooks-requests-are-answered-between-slow-functions ()
  :tags '(native)
  (let ((pending nil))
    (fleet-hooks-test-with
        ((fleet-event-functions
          (list #'fleet-hooks-test-hear
                (lambda (_) (sleep-for 0.06) (push (fleet--mod-pending) pending)))))
      (dotimes (n 4) (fleet-append (format "m %d" n) "timmy"))
      (should (fleet-hooks-test-wait (lambda () fleet-hooks-test-heard)))
      ;; One slow function is a stretch: the others wait for their turn.
      (should (< (length fleet-hooks-test-heard) 5))
      (should (timerp fleet-hooks--timer))
      (should (fleet-hooks-test-wait (lambda () (= 5 (length fleet-hooks-test-heard))))))))

(ert-deftest fleet-hooks-a-function-may-give-the-board-back ()
  :tags '(native)
  (fleet-hooks-test-with
      ((fleet-event-functions (list #'fleet-hooks-test-hear (lambda (_) (fleet-unserve)))))
    (fleet-append "x" "timmy")
    (should (fleet-hooks-test-wait (lambda () (not (fleet--mod-is-open)))))
    (should (= 1 (length fleet-hooks-test-heard)))
    (should-not (timerp fleet-hooks--timer))))

(ert-deftest fleet-hooks-a-second-session-does-not-tell-the-first-ones-events ()
  :tags '(native)
  (fleet-hooks-test-with ((fleet-event-functions '(fleet-hooks-test-hear)))
    (fleet-claim "TASK-001" "timmy")
    (fleet-unserve)
    (should (equal (fleet-hooks-test-kinds) '("opened" "claimed" "saving")))
    (setq fleet-hooks-test-heard nil)
    (fleet-serve board)
    (fleet-hooks-flush)
    (should (equal (fleet-hooks-test-kinds) '("opened")))))

;;;; Vetoes

(ert-deftest fleet-hooks-a-veto-refuses-a-named-claim-with-its-reason ()
  :tags '(native)
  (let ((asked nil))
    (fleet-hooks-test-with
        ((fleet-claim-veto-functions
          (list (lambda (task claim)
                  (push (list task claim) asked)
                  (and (equal (plist-get task :name) "TASK-001") "not before\nlunch")))))
      (let ((error (should-error (fleet-claim "TASK-001" "timmy" :id "c-1") :type 'fleet-conflict)))
        (should (equal "vetoed" (plist-get (cddr error) :reason)))
        (should (equal "task `TASK-001` was vetoed: not before lunch" (cadr error))))
      (pcase-let ((`((,task ,claim)) asked))
        (should (equal (plist-get task :title) "TASK-001 Deploy auth service"))
        (should (equal (plist-get task :tags) '("timmy")))
        (should (equal (plist-get task :body) "Body one."))
        (should (equal claim '(:agent "timmy" :auth "label" :id "c-1" :named t :via "emacs"))))
      (should (fleet-board-test-line "^\\* PENDING TASK-001"))
      (should (plist-get (fleet-claim "TASK-002" "timmy") :ok)))))

(ert-deftest fleet-hooks-a-claim-of-the-best-goes-on-to-the-next ()
  :tags '(native)
  (fleet-hooks-test-with
      ((fleet-claim-veto-functions
        (list #'ignore (lambda (task claim)
                         (should-not (plist-get claim :named))
                         (equal (plist-get task :name) "TASK-001")))))
    (should (equal "TASK-002" (plist-get (plist-get (fleet-claim nil "timmy") :task) :name)))
    (let ((error (should-error (fleet-claim nil "timmy") :type 'fleet-not-found)))
      (should (equal "nothing-ready" (plist-get (cddr error) :reason)))
      (should (string-match-p "1 asked about.* said no" (cadr error))))
    (should (equal 1 (length (plist-get (fleet-poll "timmy") :tasks))))))

(ert-deftest fleet-hooks-questions-for-one-claim-are-bounded ()
  :tags '(native)
  (let ((asked 0))
    (fleet-hooks-test-with ((fleet-claim-veto-functions (list (lambda (&rest _) (cl-incf asked)))))
      (dotimes (n 40) (fleet-add (format "Task %d" n) :agent "timmy"))
      (should-error (fleet-claim nil "timmy") :type 'fleet-not-found)
      (should (= 32 asked)))))

(ert-deftest fleet-hooks-an-error-in-a-veto-function-is-a-veto-and-is-told ()
  :tags '(native)
  (dolist (bad (list (lambda (&rest _) (error "Disk on fire"))
                     (lambda (&rest _) (signal 'quit nil))
                     (lambda (&rest _) (throw 'fire 1))
                     (lambda () 1)
                     (lambda (&rest _) (y-or-n-p "Sure? "))))
    (fleet-hooks-test-with ((fleet-claim-veto-functions (list bad)))
      (let ((error (should-error (fleet-claim "TASK-001" "timmy") :type 'fleet-conflict)))
        (should (equal "vetoed" (plist-get (cddr error) :reason)))
        (should (string-match-p "failed: " (cadr error))))
      (should (string-match-p "fleet-claim-veto-functions. failed: " (fleet-hooks-test-notices)))
      (should-error (fleet-claim nil "timmy") :type 'fleet-not-found))))

(ert-deftest fleet-hooks-a-task-that-changed-while-it-was-asked-about-is-asked-about-again ()
  :tags '(native)
  (let ((bodies nil))
    (fleet-hooks-test-with
        ((fleet-claim-veto-functions
          (list (lambda (task _)
                  (push (plist-get task :body) bodies)
                  (when (= 1 (length bodies))
                    (fleet-claim "TASK-002" "ezra" :id "in-between"))
                  (when (= 2 (length bodies))
                    ;; The claim of TASK-002 is asked about, too.
                    (with-current-buffer (fleet-board-buffer)
                      (save-excursion
                        (goto-char (point-min))
                        (search-forward "Body one.")
                        (replace-match "Secret body.")
                        (fleet-board--process)
                        (fleet--mod-settle t))))
                  (and (string-match-p "Secret" (plist-get task :body)) "secret")))))
      (let ((error (should-error (fleet-claim "TASK-001" "timmy") :type 'fleet-conflict)))
        (should (string-match-p "vetoed: secret" (cadr error))))
      (should (equal (reverse bodies) '("Body one." "" "Secret body."))))))

(ert-deftest fleet-hooks-a-task-that-never-stays-as-it-is-is-not-claimed ()
  :tags '(native)
  (let ((asked 0))
    (fleet-hooks-test-with
        ((fleet-claim-veto-functions
          (list (lambda (&rest _)
                  (cl-incf asked)
                  (with-current-buffer (fleet-board-buffer)
                    (save-excursion
                      (goto-char (point-min))
                      (search-forward "Body one")
                      (insert "!")
                      (fleet-board--process)
                      (fleet--mod-settle t)))
                  nil))))
      (let ((error (should-error (fleet-claim "TASK-001" "timmy") :type 'fleet-conflict)))
        (should (string-match-p "changed each time" (cadr error))))
      (should (= 32 asked)))))

(ert-deftest fleet-hooks-a-candidate-that-never-stays-as-it-is-is-passed-over ()
  :tags '(native)
  (let ((asked 0))
    (fleet-hooks-test-with
        ((fleet-claim-veto-functions
          (list (lambda (task _)
                  (cl-incf asked)
                  (when (equal (plist-get task :name) "TASK-001")
                    (with-current-buffer (fleet-board-buffer)
                      (save-excursion
                        (goto-char (point-min))
                        (search-forward "Body one")
                        (insert "!")
                        (fleet-board--process)
                        (fleet--mod-settle t))))
                  nil))))
      (should (equal "TASK-002" (plist-get (plist-get (fleet-claim nil "timmy") :task) :name)))
      (should (= 33 asked)))))

(ert-deftest fleet-hooks-a-veto-function-that-claims-comes-to-an-end ()
  :tags '(native)
  (let ((asked 0))
    (fleet-hooks-test-with
        ((fleet-claim-veto-functions
          (list (lambda (&rest _)
                  (cl-incf asked)
                  (fleet-claim "TASK-002" "ezra")
                  nil))))
      (should-error (fleet-claim "TASK-001" "timmy") :type 'fleet-conflict)
      (should (= asked fleet-veto-depth-max))
      (should (zerop fleet-hooks--depth))
      (setq fleet-claim-veto-functions nil)
      (should (plist-get (fleet-claim "TASK-001" "timmy") :ok)))))

(ert-deftest fleet-hooks-a-repeat-and-other-verbs-are-not-asked-about ()
  :tags '(native)
  (let ((asked 0))
    (fleet-hooks-test-with ((fleet-claim-veto-functions (list (lambda (&rest _) (cl-incf asked) nil))))
      (fleet-claim "TASK-001" "timmy" :id "c-1")
      (should (= 1 asked))
      (should (plist-get (fleet-claim "TASK-001" "timmy" :id "c-1") :replayed))
      (should (fleet-claim "TASK-001" "timmy" :resume t))
      (fleet-done "TASK-001" "x" "timmy")
      (should-error (fleet-claim "TASK-001" "timmy"))
      (should (= 1 asked)))))

(ert-deftest fleet-hooks-without-veto-functions-nobody-is-asked ()
  :tags '(native)
  (fleet-hooks-test-with ()
    (cl-letf (((symbol-function 'fleet-hooks-ask) (lambda (_) (error "Asked"))))
      (should (plist-get (fleet-claim "TASK-001" "timmy") :applied)))))

;;;; Org's hooks

(defun fleet-hooks-test-org-note (&rest _)
  "Note where point is and what Org says of the change."
  (push (list (buffer-substring-no-properties (point) (line-end-position)) org-last-state org-state)
        fleet-hooks-test-heard))

(ert-deftest fleet-hooks-org-hooks-run-after-an-agents-change-at-the-heading ()
  :tags '(native)
  (let ((plists nil))
    (fleet-hooks-test-with
        ((org-after-todo-state-change-hook '(fleet-hooks-test-org-note))
         (org-trigger-hook (list (lambda (plist) (push (copy-sequence plist) plists)))))
      (goto-char (point-max))
      (narrow-to-region (point) (point))
      (fleet-claim "TASK-001" "timmy")
      (fleet-note "TASK-001" "no change of state" "timmy")
      (should-not fleet-hooks-test-heard)
      (fleet-done "TASK-001" "x" "timmy")
      (should (fleet-hooks-test-wait (lambda () (= 2 (length plists)))))
      (should (equal (mapcar #'cdr (reverse fleet-hooks-test-heard))
                     '(("PENDING" "IN_PROGRESS") ("IN_PROGRESS" "DONE"))))
      (should (string-match-p "TASK-001 Deploy" (caar fleet-hooks-test-heard)))
      (should (equal (cl-subseq (cadr plists) 0 6)
                     '(:type todo-state-change :from "PENDING" :to "IN_PROGRESS")))
      (should (= (point-min) (point-max) (point))))))

(ert-deftest fleet-hooks-what-an-org-hook-changes-is-seen-and-its-errors-stop-nothing ()
  :tags '(native)
  (fleet-hooks-test-with
      ((org-trigger-hook
        (list (lambda (_) (error "Edna"))
              (lambda (plist)
                (when (equal "DONE" (plist-get plist :to))
                  (goto-char (point-min))
                  (search-forward "* PENDING TASK-002")
                  (replace-match "* PENDING [#A] TASK-002"))))))
    (let ((start (point)))
      (fleet-claim "TASK-001" "timmy")
      (fleet-done "TASK-001" "x" "timmy")
      (should (fleet-hooks-test-wait (lambda () (fleet-board-test-line "\\[#A\\] TASK-002"))))
      (should (= start (point))))
    (should (fleet-board-test-agrees-p))
    (should-not (fleet-board-person-dirty-p))
    (should (string-match-p "org-trigger-hook. failed: Edna" (fleet-hooks-test-notices)))
    (fleet--mod-settle t)
    (should (equal "A" (plist-get (plist-get (fleet-show "TASK-002") :task) :priority)))))

(ert-deftest fleet-hooks-org-hooks-can-be-switched-off ()
  :tags '(native)
  (fleet-hooks-test-with ((fleet-run-org-hooks nil)
                          (org-after-todo-state-change-hook '(fleet-hooks-test-org-note)))
    (fleet-claim "TASK-001" "timmy")
    (should-not fleet-hooks--org)
    (fleet-hooks-flush)
    (should-not fleet-hooks-test-heard)))

(provide 'fleet-hooks-test)
;;; fleet-hooks-test.el ends here
