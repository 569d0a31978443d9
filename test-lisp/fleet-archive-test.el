;;; fleet-archive-test.el --- Tests for fleet-archive.el  -*- lexical-binding: t -*-

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

;; Archiving in the live buffer: what the person has there stays theirs,
;; and what stands in the archive is what Org would have put there.

;;; Code:

(require 'fleet-board-test)
(require 'org-archive)

(defconst fleet-archive-test-text
  "#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)
#+FILETAGS: :all:
* Project [1/2] with [[https://example.org][a link]] :one:
:PROPERTIES:
:CATEGORY: work
:END:
** DONE TASK-001 Deploy
CLOSED: [2026-04-14 Tue 10:12]
:PROPERTIES:
:ID: TASK-001
:END:
Body one.
*** Notes
Deep.

** PENDING TASK-002 Fix
Body two.
* DONE TASK-003 Migrate
CLOSED: [2026-04-14 Tue 10:12]
:PROPERTIES:
:ID: TASK-003
:END:
")

(defun fleet-archive-test-archive (board)
  "Return the text of the archive of the file BOARD."
  (with-temp-buffer
    (insert-file-contents (concat board "_archive"))
    (buffer-string)))

(defun fleet-archive-test-without-what-must-differ (text directory)
  "Return TEXT without times, the name DIRECTORY and the width of blanks."
  (thread-last text
    (replace-regexp-in-string (regexp-quote (file-name-as-directory (file-truename directory))) "DIR/")
    (replace-regexp-in-string (regexp-quote (file-name-as-directory directory)) "DIR/")
    (replace-regexp-in-string (regexp-quote (file-name-as-directory (abbreviate-file-name directory))) "DIR/")
    (replace-regexp-in-string ":ARCHIVE_TIME:.*" ":ARCHIVE_TIME:")
    (replace-regexp-in-string "[ \t]+" " ")))

(defun fleet-archive-test-by-org (tasks)
  "Return the board and the archive after Org has archived TASKS."
  (let* ((directory (make-temp-file "fleet-org" t))
         (board (expand-file-name "dispatch.org" directory))
         (create-lockfiles nil)
         (inhibit-message t))
    (unwind-protect
        (progn
          (write-region fleet-archive-test-text nil board nil 'silent)
          (with-current-buffer (find-file-noselect board)
            (unwind-protect
                (progn
                  (dolist (task tasks)
                    (goto-char (org-find-property "ID" task))
                    (org-archive-subtree))
                  (mapcar (lambda (text)
                            (fleet-archive-test-without-what-must-differ text directory))
                          (list (buffer-string) (fleet-archive-test-archive board))))
              (let ((archive (find-buffer-visiting (concat board "_archive"))))
                (when archive
                  (kill-buffer archive)))
              (set-buffer-modified-p nil)
              (kill-buffer))))
      (delete-directory directory t))))

(ert-deftest fleet-archive-does-what-org-does ()
  :tags '(native)
  (let ((by-org (fleet-archive-test-by-org '("TASK-001" "TASK-003"))))
    (fleet-board-test-with fleet-archive-test-text
      (dolist (task '("TASK-001" "TASK-003"))
        (should (equal (list task)
                       (mapcar (lambda (task) (plist-get task :name))
                               (plist-get (fleet-archive task) :tasks)))))
      (should (equal by-org
                     (mapcar (lambda (text)
                               (fleet-archive-test-without-what-must-differ text directory))
                             (list (buffer-string) (fleet-archive-test-archive board)))))
      (should (fleet-board-test-agrees-p)))))

(ert-deftest fleet-archive-leaves-point-narrowing-folds-and-undo-to-the-person ()
  :tags '(native)
  (fleet-board-test-with fleet-archive-test-text
    (buffer-enable-undo)
    (goto-char (point-min))
    (search-forward "Body two")
    (insert " of mine")
    (undo-boundary)
    (fleet-watch-sync)
    (fleet--mod-settle t)
    (org-narrow-to-subtree)
    (let ((narrowed (buffer-string)))
      (fleet-archive '("TASK-001" "TASK-003"))
      (should (equal narrowed (buffer-string)))
      (should (looking-back "Body two of mine" (line-beginning-position))))
    (widen)
    (should-not (fleet-board-test-line "TASK-001"))
    (should-not (fleet-board-test-line "TASK-003"))
    (should (equal "* Project [0/1] with [[https://example.org][a link]] :one:"
                   (fleet-board-test-line "^\\* Project")))
    (let ((this-command nil) (last-command nil))
      (undo))
    (should (fleet-board-test-line "^Body two\\.$"))
    (should-not (fleet-board-test-line "TASK-001"))
    (fleet-watch-sync)
    (should (fleet-board-test-agrees-p))))

(ert-deftest fleet-archive-of-a-subtree-that-was-edited-before-drops-the-undo-of-that-edit ()
  :tags '(native)
  (fleet-board-test-with fleet-archive-test-text
    (buffer-enable-undo)
    (goto-char (point-min))
    (search-forward "Deep")
    (insert " inside")
    (undo-boundary)
    (fleet-watch-sync)
    (fleet--mod-settle t)
    (fleet-archive "TASK-001")
    (let ((text (buffer-string)))
      (let ((this-command nil) (last-command nil))
        (ignore-errors (undo)))
      (should (equal text (buffer-string)))
      (should (string-search "Deep inside" (fleet-archive-test-archive board))))))

(ert-deftest fleet-archive-refuses-what-is-not-closed ()
  :tags '(native)
  (fleet-board-test-with fleet-archive-test-text
    (should (equal "wrong-state"
                   (plist-get (cddr (should-error (fleet-archive "TASK-002") :type 'fleet-conflict))
                              :reason)))
    (should-not (file-exists-p (concat board "_archive")))))

(ert-deftest fleet-archive-put-back-by-hand-is-a-task-again ()
  :tags '(native)
  (fleet-board-test-with fleet-archive-test-text
    (fleet-archive "TASK-003")
    (should (equal "archived"
                   (plist-get (cddr (should-error (fleet-requeue "TASK-003") :type 'fleet-conflict))
                              :reason)))
    (goto-char (point-max))
    (insert "* DONE TASK-003 Migrate\n:PROPERTIES:\n:ID: TASK-003\n:END:\n")
    (fleet-watch-sync)
    (fleet--mod-settle t)
    (fleet-requeue "TASK-003")
    (should (equal "* PENDING TASK-003 Migrate" (fleet-board-test-line "TASK-003 Migrate")))))

(ert-deftest fleet-verify-says-whether-journal-and-file-are-sound ()
  :tags '(native)
  (fleet-board-test-with fleet-archive-test-text
    (fleet-archive "TASK-003")
    (fleet-save-now)
    (should (fleet-verify))
    (save-window-excursion
      (should (call-interactively #'fleet-verify))
      (with-current-buffer "*Fleet verify*"
        (should (string-match-p "^chain    unbroken$" (buffer-string)))))
    (let ((journal (expand-file-name ".fleet/dispatch.org/journal.jsonl" directory)))
      (with-temp-file journal
        (set-buffer-multibyte nil)
        (insert-file-contents-literally journal)
        (search-forward "TASK-003")
        (replace-match "TASK-004"))
      (should-not (fleet-verify)))))

(provide 'fleet-archive-test)
;;; fleet-archive-test.el ends here
