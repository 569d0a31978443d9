;;; fleet-edit-test.el --- Tests for fleet-edit  -*- lexical-binding: t -*-

;; Copyright (C) 2026 The Fleet authors

;; Author: The Fleet authors
;; Keywords: tools

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

;; R13 to R16 and R18, as far as writing into a live buffer goes: what
;; the person had before an edit of the machine they have after it.

;;; Code:

(require 'ert)
(require 'cl-lib)
(require 'org)
(require 'subr-x)
(require 'fleet-edit)

(defconst fleet-edit-test-board
  "#+TODO: PENDING | DONE\n* PENDING A\nbody a\n* PENDING B :t:\nbody b\n* C\n"
  "A board whose headings A, B and C start at 24, 43 and 66.")

(defmacro fleet-edit-test--with-board (&rest body)
  "Run BODY in an Org buffer with the board, shown in the selected window."
  (declare (indent 0) (debug t))
  `(save-window-excursion
     (let ((buffer (generate-new-buffer "board")))
       (unwind-protect
           (with-current-buffer buffer
             (let ((org-startup-folded nil)) (insert fleet-edit-test-board) (org-mode))
             (set-buffer-modified-p nil)
             (buffer-enable-undo)
             (setq buffer-undo-list nil)
             (set-window-buffer nil buffer)
             ,@body)
         (fleet-edit-test--kill buffer)))))

(defun fleet-edit-test--kill (buffer)
  "Kill BUFFER without a question."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (let ((inhibit-modification-hooks t)) (restore-buffer-modified-p nil)))
    (let ((kill-buffer-query-functions nil)) (kill-buffer buffer))))

(defun fleet-edit-test--at (text)
  "Return the position of TEXT in the current buffer, all of it."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (point-min))
      (search-forward text)
      (match-beginning 0))))

(defun fleet-edit-test--apply (heading &rest edits)
  "Apply EDITS to the heading whose line is HEADING."
  (fleet-edit-apply (current-buffer) (fleet-edit-test--at heading) heading edits))

(defun fleet-edit-test--claim ()
  "Change the keyword of heading A and put a drawer under it."
  (let ((head (fleet-edit-test--at "* PENDING A")))
    (fleet-edit-test--apply "* PENDING A"
                            (list (+ head 2) "PENDING" "DONE")
                            (list (+ head 9) "" ":PROPERTIES:\n:ID: a\n:END:\n"))))

(defconst fleet-edit-test-claimed
  (string-replace "PENDING A\n" "DONE A\n:PROPERTIES:\n:ID: a\n:END:\n" fleet-edit-test-board)
  "The board after `fleet-edit-test--claim'.")

(defun fleet-edit-test--visible ()
  "Return the text that is not folded away, without a last newline."
  (string-trim-right
   (cl-loop for position from (point-min) below (point-max)
            unless (invisible-p position)
            concat (string (char-after position)))))

;;;; What is written

(ert-deftest fleet-edit-does-all-edits-in-their-order-r15 ()
  (fleet-edit-test--with-board
    (should (eq t (fleet-edit-test--claim)))
    (should (equal (buffer-string) fleet-edit-test-claimed))
    (should (buffer-modified-p))))

(ert-deftest fleet-edit-changes-nothing-where-the-heading-is-another-r15 ()
  (fleet-edit-test--with-board
    (let ((tick (buffer-modified-tick)))
      (dolist (call (list (list 24 "* PENDING X" nil)
                          (list 24 "* PENDING" nil)
                          (list 25 " PENDING A" nil)
                          (list 26 "PENDING A" nil)
                          (list 9999 "* PENDING A" nil)
                          (list 0 "* PENDING A" nil)
                          (list 24 "* PENDING A" '((26 "DONE" "PENDING")))))
        (should (eq 'stale (apply #'fleet-edit-apply buffer call))))
      (should (= tick (buffer-modified-tick)))
      (should-not (buffer-modified-p)))))

(ert-deftest fleet-edit-changes-the-text-before-the-first-heading-r15 ()
  (fleet-edit-test--with-board
    (should (eq 'stale (fleet-edit-apply buffer 24 "" '((24 "" "# x\n")))))
    (should (equal (buffer-string) fleet-edit-test-board))
    (should (eq t (fleet-edit-apply buffer 1 "" '((24 "" "# x\n")))))
    (should (equal (buffer-substring 1 31) "#+TODO: PENDING | DONE\n# x\n* P"))))

(ert-deftest fleet-edit-takes-all-back-where-a-later-text-is-another-r15 ()
  (fleet-edit-test--with-board
    (goto-char 29)
    (should (eq 'stale (fleet-edit-apply buffer 24 "* PENDING A"
                                         '((26 "PENDING" "DONE") (33 "nowhere" "x")))))
    (should (equal (buffer-string) fleet-edit-test-board))
    (should (= (point) 29))
    (should-not buffer-undo-list)
    (should-not (buffer-modified-p))))

(ert-deftest fleet-edit-touches-only-what-differs-r15 ()
  (fleet-edit-test--with-board
    (let ((changes nil) (a (copy-marker 43)))
      (add-hook 'after-change-functions (lambda (&rest change) (push change changes)) nil t)
      (fleet-edit-apply buffer 24 "* PENDING A"
                        '((24 "* PENDING A\nbody a\n" "* PENDING A\nCLOSED\nbody a\n")))
      (should (equal changes '((36 43 0))))
      (should (= a 50)))))

(ert-deftest fleet-edit-inserts-whole-lines-however-the-edit-is-cut-r15 ()
  (should (equal (fleet-edit--narrowed '(10 ":END:" ":ID: x\n:END:")) '(10 "" ":ID: x\n")))
  (should (equal (fleet-edit--narrowed '(10 "a\n" "a\nb\n")) '(12 "" "b\n")))
  (should (equal (fleet-edit--narrowed '(10 "PENDING" "PENDING")) '(17 "" "")))
  (should (equal (fleet-edit--narrowed '(10 "aXc" "aYYc")) '(11 "X" "YY"))))

(ert-deftest fleet-edit-tells-change-hooks-who-it-is-r13 ()
  (fleet-edit-test--with-board
    (let ((seen nil))
      (add-hook 'before-change-functions (lambda (&rest _) (push fleet-edit-in-progress seen)) nil t)
      (add-hook 'after-change-functions (lambda (&rest _) (push fleet-edit-in-progress seen)) nil t)
      (fleet-edit-test--claim)
      (should (>= (length seen) 4))
      (should-not (memq nil seen))
      (should-not fleet-edit-in-progress))))

;;;; Where the person is

(ert-deftest fleet-edit-leaves-every-point-on-its-character-r15 ()
  (cl-loop
   for place from 1 to (length fleet-edit-test-board)
   do (fleet-edit-test--with-board
        (goto-char place)
        (fleet-edit-test--claim)
        (should (= (point) (cond ((<= place 30) place)
                                 ((<= place 33) 30)
                                 ((< place 36) (- place 3))
                                 (t (+ place -3 (length ":PROPERTIES:\n:ID: a\n:END:\n")))))))))

(ert-deftest fleet-edit-leaves-all-windows-as-they-are-r15 ()
  (fleet-edit-test--with-board
    (let* ((indirect (make-indirect-buffer buffer "indirect" t))
           (top (selected-window)) (other (split-window nil 4)))
      (unwind-protect
          (progn
            (set-window-buffer other indirect)
            (set-window-start top 36) (set-window-point top 45)
            (set-window-start other 24) (set-window-point other 28)
            (fleet-edit-test--claim)
            (cl-flet ((char-at (position) (buffer-substring position (+ position 6))))
              (should (equal (char-at (window-start top)) "body a"))
              (should (equal (char-at (window-point top)) "PENDIN"))
              (should (= (window-start other) 24))
              (should (= (window-point other) 28))
              (with-current-buffer indirect
                (should (equal (buffer-string) fleet-edit-test-claimed)))))
        (fleet-edit-test--kill indirect)))))

(ert-deftest fleet-edit-of-an-indirect-buffer-edits-its-base-r18 ()
  (fleet-edit-test--with-board
    (let ((indirect (make-indirect-buffer buffer "indirect" t)) (edited nil))
      (unwind-protect
          (progn
            (add-hook 'after-change-functions (lambda (&rest _) (push (current-buffer) edited)) nil t)
            (with-current-buffer indirect
              (narrow-to-region 43 66)
              (goto-char 50)
              (fleet-edit-test--claim)
              (should (looking-at-p "NG B"))
              (should (equal (buffer-string) "* PENDING B :t:\nbody b\n")))
            (should (equal (delete-dups edited) (list buffer))))
        (fleet-edit-test--kill indirect)))))

(ert-deftest fleet-edit-keeps-the-region-and-what-is-selected-r15 ()
  (fleet-edit-test--with-board
    (let ((transient-mark-mode t) (saved-region-selection nil) (deactivate-mark nil)
          (last-command 'next-line) (this-command nil))
      (set-mark 36) (goto-char 49) (activate-mark)
      (string-match "b" "abc")
      (fleet-edit-apply buffer 24 "* PENDING A" '((26 "PENDING" "DONE") (33 "" "CLOSED: x\n")))
      (should (region-active-p))
      (should-not deactivate-mark)
      (should-not saved-region-selection)
      (should (equal (buffer-substring (region-beginning) (region-end)) "body a\n* PEND"))
      (should (eq last-command 'next-line))
      (should-not this-command)
      (should (= 1 (match-beginning 0))))))

(ert-deftest fleet-edit-keeps-the-narrowing-r15 ()
  (fleet-edit-test--with-board
    (narrow-to-region 43 66)
    (fleet-edit-test--claim)
    (should (equal (buffer-string) "* PENDING B :t:\nbody b\n"))
    (widen)
    (narrow-to-region (fleet-edit-test--at "body a") (fleet-edit-test--at "* PENDING B"))
    (fleet-edit-apply buffer (fleet-edit-test--at "* DONE A") "* DONE A"
                      (list (list (point-min) "" "CLOCK: x\n")))
    (should (equal (buffer-string) "body a\n"))))

(ert-deftest fleet-edit-keeps-markers-with-their-headings-r15 ()
  (fleet-edit-test--with-board
    (let ((a (copy-marker 24)) (title (copy-marker 34)) (keyword-end (copy-marker 33))
          (b (copy-marker 43)))
      (fleet-edit-test--claim)
      (fleet-edit-apply buffer 24 "* DONE A" (list (list (marker-position b) "" "a note\n")))
      (should (= a 24))
      (should (equal (char-after title) ?A))
      (should (equal (char-after keyword-end) ?\s))
      (should (string-prefix-p "* PENDING B" (buffer-substring b (point-max)))))))

;;;; Folds

(ert-deftest fleet-edit-shows-nothing-of-a-folded-board-r15 ()
  (fleet-edit-test--with-board
    (org-overview)
    (should (equal (fleet-edit-test--visible)
                   "#+TODO: PENDING | DONE\n* PENDING A\n* PENDING B :t:\n* C"))
    (fleet-edit-test--claim)
    ;; At the end of a folded headline, with a tag for the headline itself.
    (let ((eol (+ (fleet-edit-test--at "* DONE A") 8)))
      (fleet-edit-apply buffer (- eol 8) "* DONE A" (list (list eol "" " :x:\nCLOSED: now"))))
    ;; At the end of a folded subtree.
    (fleet-edit-test--apply "* DONE A :x:" (list (fleet-edit-test--at "* PENDING B") "" "a note\n"))
    (should (equal (fleet-edit-test--visible)
                   "#+TODO: PENDING | DONE\n* DONE A :x:\n* PENDING B :t:\n* C"))
    (should (string-search "CLOSED: now\n:PROPERTIES:\n:ID: a\n:END:\nbody a\na note\n* PENDING B"
                           (buffer-string)))))

(ert-deftest fleet-edit-folds-what-gives-a-folded-heading-its-first-body-r15 ()
  (fleet-edit-test--with-board
    (goto-char (point-max)) (insert "* D\n* E\n")
    (org-overview)
    (fleet-edit-test--apply "* C" (list (fleet-edit-test--at "* D") "" "c\n"))
    (fleet-edit-test--apply "* E" (list (point-max) "" "e\n"))
    (should (equal (fleet-edit-test--visible)
                   "#+TODO: PENDING | DONE\n* PENDING A\n* PENDING B :t:\n* C\n* D\n* E"))))

(ert-deftest fleet-edit-shows-what-is-written-under-an-open-heading-r15 ()
  (fleet-edit-test--with-board
    (goto-char 43)
    (outline-hide-subtree)
    (let ((eol (+ 24 (length "* PENDING A"))))
      (fleet-edit-apply buffer 24 "* PENDING A" (list (list eol "" "\nCLOSED: now"))))
    (should (equal (fleet-edit-test--visible)
                   (concat "#+TODO: PENDING | DONE\n* PENDING A\nCLOSED: now\nbody a\n"
                           "* PENDING B :t:\n* C")))))

(ert-deftest fleet-edit-keeps-a-folded-drawer-apart-r15 ()
  (fleet-edit-test--with-board
    (fleet-edit-test--claim)
    (org-hide-drawer-all)
    (let ((below (fleet-edit-test--at "body a")))
      (fleet-edit-apply buffer 24 "* DONE A"
                        (list (list (- below 6) "" ":RESULT: ok\n") (list (+ below 12) "" "a line\n")))
      (should (equal (fleet-edit-test--visible)
                     (concat "#+TODO: PENDING | DONE\n* DONE A\n:PROPERTIES:\na line\nbody a\n"
                             "* PENDING B :t:\nbody b\n* C"))))))

(ert-deftest fleet-edit-that-fails-leaves-the-folds-r15 ()
  (fleet-edit-test--with-board
    (org-overview)
    (let ((before (fleet-edit-test--visible)) (eol (+ 24 (length "* PENDING A"))))
      (should (eq 'stale (fleet-edit-apply buffer 24 "* PENDING A"
                                           `((34 "A" "Another\nline") (,(+ eol 2) "nowhere" "")))))
      (should (equal (buffer-string) fleet-edit-test-board))
      (should (equal (fleet-edit-test--visible) before)))))

;;;; What is in the way

(ert-deftest fleet-edit-writes-where-the-person-may-not-r15 ()
  (fleet-edit-test--with-board
    (put-text-property 24 36 'read-only t)
    (setq buffer-read-only t)
    (should (eq t (fleet-edit-test--claim)))
    (should buffer-read-only)
    (should (get-text-property 24 'read-only))
    (should-error (insert "x") :type 'buffer-read-only)))

(ert-deftest fleet-edit-takes-all-back-when-a-foreign-hook-fails-r15 ()
  (dolist (hook '(before-change-functions after-change-functions))
    (fleet-edit-test--with-board
      (goto-char 29)
      (insert "x") (delete-region 29 30)
      (let ((calls 0) (list buffer-undo-list) (copy (copy-tree buffer-undo-list))
            (text (buffer-string)) (folds (progn (org-overview) (fleet-edit-test--visible)))
            (mark (copy-marker 30)) (heard nil))
        (set-buffer-modified-p nil)
        (add-hook hook (lambda (&rest _) (when (> (cl-incf calls) 1) (error "Foreign"))) nil t)
        (add-hook 'after-change-functions (lambda (&rest _) (setq heard t)) nil t)
        (let ((before before-change-functions) (after after-change-functions))
          (should (equal (should-error (fleet-edit-test--claim)) '(error "Foreign")))
          (should (equal before before-change-functions))
          (should (equal after after-change-functions)))
        (should heard)
        (should (equal (buffer-string) text))
        (should (equal (fleet-edit-test--visible) folds))
        (should (= (point) 29))
        (should (= mark 30))
        (should (eq list buffer-undo-list))
        (should (equal copy buffer-undo-list))
        (should-not (buffer-modified-p))))))

(ert-deftest fleet-edit-takes-all-back-when-a-hook-wants-to-ask-r14 ()
  (fleet-edit-test--with-board
    (add-hook 'before-change-functions (lambda (&rest _) (read-string "Really? ")) nil t)
    (should-error (fleet-edit-test--claim) :type 'inhibited-interaction)
    (should (equal (buffer-string) fleet-edit-test-board))))

(ert-deftest fleet-edit-carries-what-a-foreign-hook-changes-too-r16 ()
  (fleet-edit-test--with-board
    (goto-char (point-max)) (insert "last") (undo-boundary)
    (let ((once nil))
      (add-hook 'after-change-functions
                (lambda (&rest _)
                  (unless once
                    (setq once t)
                    (save-excursion (goto-char (point-min)) (insert "# hook\n"))))
                nil t)
      ;; The second edit does not find its place any more.
      (should (eq 'stale (fleet-edit-test--claim)))
      (should (equal (buffer-string) (concat fleet-edit-test-board "last")))
      (setq once nil)
      (should (eq t (fleet-edit-apply buffer 24 "* PENDING A" '((34 "" "[#A] ")))))
      (let ((last-command nil)) (undo))
      (should (equal (buffer-string)
                     (concat "# hook\n" (string-replace "G A" "G [#A] A" fleet-edit-test-board)))))))

;;;; Undo

(ert-deftest fleet-edit-is-not-in-the-persons-undo-r16 ()
  (fleet-edit-test--with-board
    (goto-char (fleet-edit-test--at "body b"))
    (insert "my ") (undo-boundary)
    (let ((list buffer-undo-list))
      (should (eq t (fleet-edit-test--claim)))
      (should (eq list buffer-undo-list)))
    (let ((last-command nil))
      (undo)
      (should (equal (buffer-string) fleet-edit-test-claimed)))))

(ert-deftest fleet-edit-does-not-break-up-what-is-being-typed-r16 ()
  (fleet-edit-test--with-board
    (let ((undo-auto--undoably-changed-buffers nil) (undo-auto--last-boundary-cause '(3)))
      (fleet-edit-test--claim)
      (should (equal undo-auto--last-boundary-cause '(3)))
      (should-not undo-auto--undoably-changed-buffers))))

(ert-deftest fleet-edit-is-recorded-with-boundaries-for-undo-tree-r16 ()
  (fleet-edit-test--with-board
    (setq-local buffer-undo-tree 'a-tree)
    (goto-char (point-max)) (insert "x")
    (fleet-edit-test--claim)
    (should-not (car buffer-undo-list))
    (let ((last-command nil))
      (undo)
      (should (equal (buffer-string) (concat fleet-edit-test-board "x"))))))

(ert-deftest fleet-edit-leaves-undo-off-where-it-is-off-r16 ()
  (fleet-edit-test--with-board
    (buffer-disable-undo)
    (should (eq t (fleet-edit-test--claim)))
    (should (eq t buffer-undo-list))))

;;;; Files

(defmacro fleet-edit-test--with-file (&rest body)
  "Run BODY in an Org buffer that visits a file with the board."
  (declare (indent 0) (debug t))
  `(let* ((directory (make-temp-file "fleet-edit" t))
          (file (expand-file-name "dispatch.org" directory))
          (create-lockfiles t) (make-backup-files nil) (auto-save-default nil)
          buffer)
     (unwind-protect
         (progn
           (write-region fleet-edit-test-board nil file nil 'quiet)
           (setq buffer (find-file-noselect file))
           (with-current-buffer buffer ,@body))
       (when buffer (fleet-edit-test--kill buffer))
       (delete-directory directory t))))

(defun fleet-edit-test--change-on-disk (file)
  "Let FILE be changed by somebody else."
  (write-region "* other\n" nil file nil 'quiet)
  (set-file-times file (time-add nil 60)))

(ert-deftest fleet-edit-does-not-ask-about-a-changed-file-r18 ()
  (dolist (edited '(nil t))
    (fleet-edit-test--with-file
      (when edited (goto-char (point-max)) (insert "mine\n"))
      (fleet-edit-test--change-on-disk file)
      (let ((asked nil) (first 0))
        (add-hook 'first-change-hook (lambda () (cl-incf first)) nil t)
        (cl-letf (((symbol-function 'ask-user-about-supersession-threat)
                   (lambda (_) (setq asked t))))
          (should (eq t (fleet-edit-test--claim))))
        (should-not asked)
        (should (= first (if edited 0 1))))
      (should (buffer-modified-p))
      ;; Saving must still see that the file is another one.
      (should-not (verify-visited-file-modtime)))))

(ert-deftest fleet-edit-does-not-ask-about-a-lock-r18 ()
  (fleet-edit-test--with-file
    (let ((lock (expand-file-name ".#dispatch.org" directory)))
      ;; Process 1 always lives; it is never this Emacs.
      (make-symbolic-link (format "somebody@%s.1" (system-name)) lock)
      (should (stringp (file-locked-p file)))
      (let ((asked nil))
        (cl-letf (((symbol-function 'ask-user-about-lock) (lambda (&rest _) (setq asked t) nil)))
          (should (eq t (fleet-edit-test--claim))))
        (should-not asked))
      (should (buffer-modified-p))
      (should (stringp (file-locked-p file))))))

(ert-deftest fleet-edit-locks-a-free-file-like-any-edit-r18 ()
  (fleet-edit-test--with-file
    (should (eq t (fleet-edit-test--claim)))
    (should (eq t (file-locked-p file)))))

(ert-deftest fleet-edit-that-fails-leaves-an-unmodified-buffer-unmodified-r18 ()
  (fleet-edit-test--with-file
    (fleet-edit-test--change-on-disk file)
    (should (eq 'stale (fleet-edit-apply buffer 24 "* PENDING A"
                                         '((26 "PENDING" "DONE") (33 "nowhere" "x")))))
    (should-not (buffer-modified-p))
    (should-not (verify-visited-file-modtime))))

;;;; When

(ert-deftest fleet-edit-waits-for-the-person-r14 ()
  (let ((this-command nil) (executing-kbd-macro nil))
    (should-not (fleet-edit-person-busy-p (current-buffer)))
    (let ((this-command 'forward-char)) (should (fleet-edit-person-busy-p (current-buffer))))
    (let ((executing-kbd-macro "abc")) (should (fleet-edit-person-busy-p (current-buffer))))
    (cl-letf (((symbol-function 'recursion-depth) (lambda () 1)))
      (should (fleet-edit-person-busy-p (current-buffer))))
    (cl-letf (((symbol-function 'active-minibuffer-window) #'selected-window))
      (should (fleet-edit-person-busy-p (current-buffer))))))

(provide 'fleet-edit-test)
;;; fleet-edit-test.el ends here
