;;; fleet-board-test.el --- Tests of the served board  -*- lexical-binding: t -*-

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

;; Everything here runs in this Emacs with the real module, on a board in a
;; directory of its own: what the engine believes, what the buffer shows, what
;; stands in the file.


;;; Code:

(require 'ert)
(require 'cl-lib)
(require 'fleet)

(defconst fleet-board-test-text
  "#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)

* PENDING TASK-001 Deploy auth service :timmy:
Body one.
* PENDING TASK-002 Fix webhook
:PROPERTIES:
:ID: TASK-002
:END:
* DONE TASK-003 Migrate
")

(defmacro fleet-board-test-with (text &rest body)
  "Serve a board with TEXT and run BODY in its buffer; `board' is its file."
  (declare (indent 1) (debug t))
  `(let* ((directory (make-temp-file "fleet" t))
          (board (expand-file-name "dispatch.org" directory))
          (coding-system-for-write 'utf-8-unix)
          (create-lockfiles nil)
          (inhibit-message t))
     (write-region ,text nil board nil 'silent)
     (unwind-protect
         (progn
           (fleet-serve board)
           (with-current-buffer (fleet-board-buffer)
             ,@body))
       (fleet-unserve)
       (let ((buffer (find-buffer-visiting board)))
         (when buffer
           (with-current-buffer buffer
             (set-buffer-modified-p nil)
             (kill-buffer))))
       (delete-directory directory t))))

(defun fleet-board-test-claim (task &optional agent)
  "Claim TASK for AGENT, by default timmy; return the reply or (ERROR REASON)."
  (condition-case error
      (fleet-call (or agent "timmy") `(:verb "claim" :task ,task))
    (fleet-error (list (car error) (plist-get (cddr error) :reason)))))

(defun fleet-board-test-line (regexp)
  "Return the line of the buffer that matches REGEXP, or nil."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (point-min))
      (when (re-search-forward regexp nil t)
        (buffer-substring-no-properties (line-beginning-position) (line-end-position))))))

(defun fleet-board-test-agrees-p ()
  "Return non-nil if the engine's copy is the buffer's text."
  (save-restriction
    (widen)
    (not (fleet--mod-resync-all (buffer-substring-no-properties (point-min) (point-max))))))

(ert-deftest fleet-board-a-claim-is-in-the-buffer-before-it-returns ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (let ((reply (fleet-board-test-claim "TASK-001")))
      (should (eq t (plist-get reply :applied)))
      (should (equal (fleet-board-test-line "TASK-001 Deploy")
                     "* IN_PROGRESS TASK-001 Deploy auth service :timmy:"))
      (should (fleet-board-test-line (concat ":TOKEN: +" (plist-get reply :token))))
      (should (fleet-board-test-agrees-p)))))

(ert-deftest fleet-board-an-empty-board-gets-its-first-task ()
  :tags '(native)
  (dolist (text '("" "#+TITLE: Fleet\n" "no newline"))
    (fleet-board-test-with text
      (let ((reply (fleet-call "timmy" '(:verb "add" :title "Dredge"))))
        (should (eq t (plist-get reply :applied)))
        (should (equal (fleet-board-test-line "Dredge") "* PENDING Dredge"))
        (should (string-prefix-p text (buffer-string)))
        (should (fleet-board-test-agrees-p))))))

(ert-deftest fleet-board-what-waits-for-a-missing-heading-does-not-keep-emacs-busy-r17 ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (fleet-board-test-claim "TASK-002")
    (goto-char (point-min))
    (search-forward "TASK-002 Fix")
    (beginning-of-line)
    (delete-region (point) (progn (search-forward ":END:\n* DONE") (line-beginning-position)))
    (let ((reply (fleet-call "timmy" '(:verb "done" :task "TASK-002"))))
      (should (equal "missing" (plist-get reply :board)))
      (should (> (fleet--mod-pending) 0))
      (should-not fleet-board--soon))))

(ert-deftest fleet-board-a-held-task-is-refused-to-another ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (fleet-board-test-claim "TASK-002")
    (should (equal (fleet-board-test-claim "TASK-002" "ezra") '(fleet-conflict "held")))))

(ert-deftest fleet-board-saving-writes-the-file-and-clears-the-flag ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (fleet-board-test-claim "TASK-002")
    (should (buffer-modified-p))
    (should (fleet-save-now))
    (should-not (buffer-modified-p))
    (should (verify-visited-file-modtime (current-buffer)))
    (should (string-match-p "^\\* IN_PROGRESS TASK-002"
                            (with-temp-buffer (insert-file-contents board) (buffer-string))))))

(ert-deftest fleet-board-a-persons-unsaved-text-is-not-saved-for-them ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (goto-char (point-max))
    (insert "half a thought")
    (fleet-board-test-claim "TASK-002")
    (should-not (fleet-save-now))
    (should (buffer-modified-p))
    (save-buffer)
    (let ((saved (with-temp-buffer (insert-file-contents board) (buffer-string))))
      (should (string-match-p "half a thought" saved))
      (should (string-match-p "IN_PROGRESS TASK-002" saved)))
    (should-not (buffer-modified-p))))

(ert-deftest fleet-board-R11-a-heading-being-edited-is-not-offered ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (goto-char (point-min))
    (search-forward "Fix web")
    (insert "x")
    (should (equal (fleet-board-test-claim "TASK-002") '(fleet-conflict "being-edited")))
    (should (eq t (plist-get (fleet-board-test-claim "TASK-001") :ok)))
    (fleet--mod-settle t)
    (should (eq t (plist-get (fleet-board-test-claim "TASK-002") :ok)))))

(ert-deftest fleet-board-R11-a-hand-cancels-a-claim ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (fleet-board-test-claim "TASK-002")
    (goto-char (point-min))
    (re-search-forward "IN_PROGRESS TASK-002")
    (replace-match "PENDING TASK-002")
    (fleet-board--process)
    (fleet--mod-settle t)
    (should (equal '(fleet-conflict "cancelled-by-hand")
                   (condition-case error
                       (fleet-call "timmy" '(:verb "done" :task "TASK-002"))
                     (fleet-error (list (car error) (plist-get (cddr error) :reason))))))))

(defmacro fleet-board-test-unseen (name doc &rest edit)
  "Define the test NAME, documented by DOC, of an EDIT that no hook reports.
Point is before TASK-001's keyword, which EDIT makes DONE."
  (declare (indent 1) (doc-string 2))
  `(ert-deftest ,name ()
     ,doc
     :tags '(native)
     (fleet-board-test-with fleet-board-test-text
       (goto-char (point-min))
       (re-search-forward "^\\* \\(PENDING\\) TASK-001")
       (goto-char (match-beginning 1))
       ,@edit
       (let ((reply (fleet-board-test-claim "TASK-001")))
         (should (member reply '((fleet-conflict "wrong-state") (fleet-conflict "being-edited"))))
         (should (equal (fleet-board-test-line "TASK-001 Deploy")
                        "* DONE TASK-001 Deploy auth service :timmy:")))
       (fleet--mod-settle t)
       (should (equal (fleet-board-test-claim "TASK-001") '(fleet-conflict "wrong-state")))
       (should (plist-get (fleet-board-test-claim "TASK-002") :applied))
       (should (fleet-board-test-agrees-p)))))

(defun fleet-board-test-set-done ()
  "Replace PENDING at point by DONE."
  (delete-char 7)
  (insert "DONE"))

(fleet-board-test-unseen fleet-board-R13-an-edit-through-an-indirect-buffer-is-seen
  "An indirect buffer shares the text."
  (let* ((place (point))
         (indirect (make-indirect-buffer (current-buffer) "indirect" t)))
    (unwind-protect
        (with-current-buffer indirect
          (goto-char place)
          (fleet-board-test-set-done))
      (kill-buffer indirect))))

(fleet-board-test-unseen fleet-board-R13-a-silent-modification-is-seen
  "`with-silent-modifications' runs no hooks."
  (with-silent-modifications (fleet-board-test-set-done)))

(fleet-board-test-unseen fleet-board-R13-an-edit-with-inhibited-hooks-is-seen
  "`inhibit-modification-hooks' runs no hooks."
  (let ((inhibit-modification-hooks t)) (fleet-board-test-set-done)))

(fleet-board-test-unseen fleet-board-R13-an-edit-after-a-change-of-mode-is-seen
  "A change of mode kills local variables."
  (let ((place (point)))
    (text-mode)
    (org-mode)
    (goto-char place)
    (fleet-board-test-set-done)))

(fleet-board-test-unseen fleet-board-R13-an-edit-after-a-foreign-hooks-error-is-seen
  "A hook function that fails empties the hook."
  (let ((failing (lambda (&rest _) (error "Foreign"))) (place (point)))
    (add-hook 'after-change-functions failing nil t)
    (ignore-errors (insert "x"))
    (goto-char place)
    (remove-hook 'after-change-functions failing t)
    (delete-char 1)
    (fleet-board-test-set-done)))

(fleet-board-test-unseen fleet-board-R13-an-edit-after-a-revert-is-seen
  "Reverting replaces text and mode."
  (let ((place (point)))
    (revert-buffer t t)
    (goto-char place)
    (fleet-board-test-set-done)))

(ert-deftest fleet-board-R18-a-killed-board-comes-back ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (fleet-board-test-claim "TASK-002")
    (set-buffer-modified-p nil)
    (kill-buffer)
    (should-not (fleet-board-buffer))
    (should (equal (fleet-board-test-claim "TASK-002" "ezra") '(fleet-conflict "held")))
    (with-current-buffer (fleet-board-buffer)
      (should (fleet-board-test-line "^\\* IN_PROGRESS TASK-002"))
      (should (fleet-board-test-agrees-p)))))

(ert-deftest fleet-board-R18-a-board-saved-under-another-name-is-let-go ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (let ((other (expand-file-name "other.org" directory)) (ours (current-buffer)))
      (write-file other)
      (fleet-board-test-claim "TASK-002")
      (should-not (eq ours (fleet-board-buffer)))
      (should-not (fleet-board-test-line "IN_PROGRESS TASK-002"))
      (with-current-buffer (fleet-board-buffer)
        (should (equal board buffer-file-name))
        (should (fleet-board-test-line "IN_PROGRESS TASK-002")))
      (with-current-buffer ours
        (set-buffer-modified-p nil)
        (kill-buffer)))))

(ert-deftest fleet-board-R19-a-revert-keeps-the-claim-and-drops-the-persons-text ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (fleet-board-test-claim "TASK-002")
    (goto-char (point-max))
    (insert "unsaved words")
    (revert-buffer t t)
    (fleet-board--process)
    (should-not (fleet-board-test-line "unsaved words"))
    (should (fleet-board-test-line "^\\* IN_PROGRESS TASK-002"))
    (should (fleet-board-test-agrees-p))))

(ert-deftest fleet-board-R18-a-file-changed-on-disk-is-read-and-merged ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (fleet-board-test-claim "TASK-002")
    (fleet-save-now)
    (with-temp-file board
      (insert-file-contents board)
      (goto-char (point-max))
      (insert "* PENDING TASK-009 From outside\n"))
    (set-file-times board (time-add (current-time) 5))
    (should (plist-get (fleet-board-test-claim "TASK-009") :applied))
    (should (fleet-board-test-line "^\\* IN_PROGRESS TASK-002"))))

(ert-deftest fleet-board-a-narrowed-read-only-buffer-is-edited-and-left-as-it-was ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (goto-char (point-max))
    (narrow-to-region (line-beginning-position 0) (point-max))
    (read-only-mode 1)
    (let ((visible (buffer-string)) (from-end (- (point-max) (point))))
      (should (plist-get (fleet-board-test-claim "TASK-001") :applied))
      (should (equal visible (buffer-string)))
      (should (= from-end (- (point-max) (point))))
      (should buffer-read-only))))

(ert-deftest fleet-board-local-variables-of-the-board-never-run ()
  :tags '(native)
  (fleet-board-test-with (concat fleet-board-test-text
                                 ;; In pieces, so that Emacs does not read it here.
                                 "# Local " "Variables:\n# eval: (setq fleet-board-test-ran t)\n"
                                 "# End:\n")
    (should-not (boundp 'fleet-board-test-ran))
    (should (plist-get (fleet-board-test-claim "TASK-001") :applied))))

(ert-deftest fleet-board-without-keyword-line-knows-the-fleets-keywords ()
  :tags '(native)
  (fleet-board-test-with "* PENDING TASK-001 One\n"
    (should (plist-get (fleet-board-test-claim "TASK-001") :applied))
    (goto-char (point-max))
    (org-back-to-heading t)
    (should (equal (org-get-todo-state) "IN_PROGRESS"))))

(ert-deftest fleet-board-serving-twice-is-harmless-and-a-second-board-is-refused ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (should (equal board (plist-get (fleet-serve board) :path)))
    (let ((other (expand-file-name "other.org" directory)))
      (write-region "* PENDING x\n" nil other nil 'silent)
      (should-error (fleet-serve other) :type 'fleet-conflict)
      (should (eq t (plist-get (fleet-board-test-claim "TASK-001") :ok))))))

(ert-deftest fleet-board-unserving-writes-all-that-was-decided ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    (dotimes (n 3)
      (fleet--mod-submit (fleet-board--request
                          "timmy" `(:verb "append" :text ,(format "word %d" n)) nil)))
    (fleet--mod-decide nil)
    (let ((fleet-board-apply-seconds 0))
      (fleet-unserve))
    (with-temp-buffer
      (insert-file-contents board)
      (dotimes (n 3)
        (should (fleet-board-test-line (format "word %d" n)))))))

(ert-deftest fleet-board-R18-the-lock-of-an-emacs-that-died-stops-no-save ()
  :tags '(native)
  (fleet-board-test-with fleet-board-test-text
    ;; The shell's child ends, and what the shell became never buries it.
    (let* ((parent (make-process :name "parent" :connection-type 'pipe :noquery t
                                 :command '("sh" "-c" "sleep 0 & echo $!; exec sleep 60")
                                 :buffer (generate-new-buffer " *parent*")))
           (said (process-buffer parent))
           (pid (progn (while (zerop (buffer-size said))
                         (accept-process-output parent 5))
                       (string-to-number (with-current-buffer said (buffer-string)))))
           (lock (make-lock-file-name buffer-file-truename)))
      (unwind-protect
          (progn
            (while (not (equal "Z" (alist-get 'state (process-attributes pid))))
              (accept-process-output nil 0.01))
            (make-symbolic-link (format "somebody@%s.%d" (system-name) pid) lock)
            (should (equal "somebody" (file-locked-p buffer-file-truename)))
            (fleet-board-test-claim "TASK-002")
            (should (fleet-save-now)))
        (delete-process parent)
        (kill-buffer said)
        (ignore-errors (delete-file lock))))))

(ert-deftest fleet-board-unserving-leaves-nothing-behind ()
  :tags '(native)
  (let ((hooks '(before-change-functions after-change-functions post-command-hook
                 after-revert-hook kill-buffer-hook kill-emacs-hook))
        (timers (length timer-list))
        before)
    (setq before (mapcar (lambda (hook) (copy-sequence (default-value hook))) hooks))
    (fleet-board-test-with fleet-board-test-text
      (fleet-board-test-claim "TASK-001"))
    (should (equal before (mapcar #'default-value hooks)))
    (should (= timers (length timer-list)))
    (should-not (cl-find "fleet" (process-list) :key #'process-name :test #'equal))
    (should-not (fleet--mod-is-open))))

(ert-deftest fleet-board-what-cannot-be-a-board-is-refused-with-its-name ()
  :tags '(native)
  (dolist (bad '("/nonexistent/dispatch.org" "/tmp" "/ssh:host:/dispatch.org"))
    (let ((error (should-error (fleet-serve bad) :type 'fleet-error)))
      (should (stringp (cadr error)))
      (should (string-match-p (regexp-quote (string-remove-prefix "/ssh:host:" bad)) (cadr error))))))

(provide 'fleet-board-test)
;;; fleet-board-test.el ends here
