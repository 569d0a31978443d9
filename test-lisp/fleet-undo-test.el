;;; fleet-undo-test.el --- Tests for fleet-undo  -*- lexical-binding: t -*-

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

;; R16.  A person and the machine take turns in a buffer; then the person
;; undoes and redoes everything, with the machine still at work.  The
;; number of random histories is 600, or FLEET_TEST_RUNS.

;;; Code:

(require 'ert)
(require 'benchmark)
(require 'cl-lib)
(require 'fleet-undo)

(defconst fleet-undo-test-runs
  (string-to-number (or (getenv "FLEET_TEST_RUNS") "600"))
  "How many random histories a property is tried on.")

(defvar fleet-undo-test--rebase #'fleet-undo-rebase
  "What makes the undo list right after a machine edit.")

;;;; The person and the machine

(defun fleet-undo-test--naive (list start old-length new-length &rest _)
  "Shift all positions of LIST by where the edit lies now, which is wrong.
START, OLD-LENGTH and NEW-LENGTH are as in `fleet-undo-rebase'."
  (cl-flet ((moved (p) (cond ((<= p start) p)
                             ((>= p (+ start old-length)) (+ p (- new-length old-length)))
                             (t start))))
    (dolist (entry list list)
      (pcase entry
        (`(,(and beg (pred integerp)) . ,(and end (pred integerp)))
         (setcar entry (moved beg))
         (setcdr entry (moved end)))
        (`(,(pred stringp) . ,position)
         (setcdr entry (* (if (< position 0) -1 1) (moved (abs position)))))))))

(defun fleet-undo-test--machine (start end text)
  "Replace START to END by TEXT as the machine does it."
  (let ((person buffer-undo-list))
    (save-excursion
      (let ((buffer-undo-list t))
        (goto-char end)
        (insert-before-markers text)
        (delete-region start end)))
    (setq buffer-undo-list
          (funcall fleet-undo-test--rebase person start (- end start) (length text) text))))

(defun fleet-undo-test--command (command &rest arguments)
  "Call COMMAND with ARGUMENTS as the command loop does it."
  (setq this-command (if (symbolp command) command 'fleet-undo-test))
  (let ((inhibit-message t))
    (apply command arguments))
  (undo-boundary)
  (setq last-command this-command
        this-command nil))

(defmacro fleet-undo-test--with-text (text &rest body)
  "Run BODY in a buffer that holds TEXT and has no history."
  (declare (indent 1) (debug t))
  `(with-temp-buffer
     (insert ,text)
     (setq buffer-undo-list nil)
     (let ((last-command nil) (this-command nil) (pending-undo-list nil) (undo-in-region nil))
       ,@body)))

(defun fleet-undo-test--letters (count)
  "Return COUNT random small letters."
  (apply #'string (cl-loop repeat count collect (+ ?a (random 26)))))

;;;; Both keep to their own lines

(defun fleet-undo-test--lines (who)
  "Return every second line of the buffer: WHO is 0 for the machine, 1 for the person."
  (cl-loop for line in (split-string (buffer-string) "\n") for i from 0
           when (= who (mod i 2)) collect line))

(defun fleet-undo-test--line (number)
  "Return start and end of line NUMBER, counted from 0."
  (save-excursion
    (goto-char (point-min))
    (forward-line number)
    (cons (point) (line-end-position))))

(defun fleet-undo-test--person-types (number)
  "Change something in line NUMBER, in the middle of it."
  (pcase-let* ((`(,beg . ,end) (fleet-undo-test--line number))
               (place (+ beg 1 (random (max 1 (- end beg 1))))))
    (goto-char place)
    (if (and (zerop (random 3)) (> (- end place) 2))
        (delete-region place (+ place 1 (random 2)))
      (insert (fleet-undo-test--letters (1+ (random 6)))))))

(defun fleet-undo-test--own-lines (seed)
  "Play one history from SEED; return nil, or what went wrong."
  (random (format "own lines %d" seed))
  (fleet-undo-test--with-text
      (mapconcat (lambda (i) (if (cl-evenp i) (format "M%d" i) (format "person %d text" i)))
                 (number-sequence 0 7) "\n")
    (let ((states (list (fleet-undo-test--lines 1)))
          (machine (fleet-undo-test--lines 0))
          (undone nil))
      (cl-flet ((machine-turn (odds)
                  (when (zerop (random odds))
                    (let* ((i (random 4)) (line (fleet-undo-test--line (* 2 i)))
                           (text (concat "M" (fleet-undo-test--letters (random 9)))))
                      (fleet-undo-test--machine (car line) (cdr line) text)
                      (setf (nth i machine) text))))
                (right-p () (and (equal (fleet-undo-test--lines 1) (car states))
                                 (equal (fleet-undo-test--lines 0) machine))))
        (dotimes (_ 20)
          (machine-turn 2)
          (fleet-undo-test--command
           (lambda () (fleet-undo-test--person-types (1+ (* 2 (random 4))))))
          (push (fleet-undo-test--lines 1) states))
        (condition-case err
            (catch 'wrong
              (while (cdr states)
                (machine-turn 3)
                (push (pop states) undone)
                (fleet-undo-test--command 'undo 1)
                (unless (right-p) (throw 'wrong (list seed 'undo (length states)))))
              (while undone
                (machine-turn 3)
                (push (pop undone) states)
                (fleet-undo-test--command 'undo-redo 1)
                (unless (right-p) (throw 'wrong (list seed 'redo (length states))))))
          (error (list seed err)))))))

(defun fleet-undo-test--failures (play)
  "Return what went wrong when PLAY was called with every seed."
  (delq nil (cl-loop for seed below fleet-undo-test-runs collect (funcall play seed))))

(ert-deftest fleet-undo-random-histories-undo-and-redo-exactly-r16 ()
  (should-not (fleet-undo-test--failures #'fleet-undo-test--own-lines)))

(ert-deftest fleet-undo-harness-sees-that-a-plain-shift-corrupts-r16 ()
  (let ((fleet-undo-test--rebase #'fleet-undo-test--naive)
        (fleet-undo-test-runs 100))
    (should (> (length (fleet-undo-test--failures #'fleet-undo-test--own-lines)) 50))))

;;;; The person does anything, the machine writes capitals

(defun fleet-undo-test--small ()
  "Return the text without what the machine wrote."
  (let ((case-fold-search nil))
    (replace-regexp-in-string "[A-Z]+" "" (buffer-string))))

(defun fleet-undo-test--machine-anywhere ()
  "Insert capitals somewhere, or replace some of those that are there."
  (let ((case-fold-search nil)
        (text (upcase (fleet-undo-test--letters (1+ (random 5))))))
    (goto-char (+ (point-min) (random (1+ (buffer-size)))))
    (if (and (zerop (random 2)) (re-search-forward "[A-Z]+" nil t))
        (fleet-undo-test--machine (match-beginning 0) (match-end 0)
                                  (if (zerop (random 3)) "" text))
      (fleet-undo-test--machine (point) (point) text))))

(defun fleet-undo-test--anything ()
  "Change the text in one of the ways that commands do."
  (let* ((beg (+ (point-min) (random (1+ (buffer-size)))))
         (end (min (point-max) (+ beg (random 12)))))
    (goto-char beg)
    (pcase (random 6)
      (0 (delete-region beg end) (insert "\n" (fleet-undo-test--letters 3)))
      (1 (kill-region beg end))
      (2 (when kill-ring (yank)))
      (3 (put-text-property beg end 'fleet-test (random 9)) (insert "pp"))
      (4 (combine-change-calls beg end
           (delete-region beg end) (goto-char beg) (insert (fleet-undo-test--letters 4))))
      (_ (insert (fleet-undo-test--letters (1+ (random 9))) (if (zerop (random 3)) "\n" ""))))
    (goto-char (+ (point-min) (random (1+ (buffer-size)))))))

(defvar fleet-undo-test--drops 0 "How often history had to be dropped.")

(defun fleet-undo-test--wild (seed)
  "Play one history from SEED with `undo-only' and `undo-redo' in between.
Return nil, or what went wrong."
  (random (format "wild %d" seed))
  (fleet-undo-test--with-text "one two\nthree ABC four\nfive six SEVEN eight\n"
    (let* ((past (list (fleet-undo-test--small))) (ever past) (future nil)
           (drops fleet-undo-test--drops) (kill-ring nil) (interprogram-cut-function nil))
      (catch 'end
        (dotimes (_ 40)
          (when (zerop (random 2))
            (fleet-undo-test--machine-anywhere))
          (let ((action (pcase (random 7)
                          ((or 0 1 2) (and (cdr past) 'undo-only))
                          (3 (and future (eq last-command 'undo) 'undo-redo)))))
            (condition-case err
                (pcase action
                  ('undo-only (fleet-undo-test--command 'undo-only 1) (push (pop past) future))
                  ('undo-redo (fleet-undo-test--command 'undo-redo 1) (push (pop future) past))
                  (_ (let ((before (buffer-string)))
                       (fleet-undo-test--command #'fleet-undo-test--anything)
                       (unless (equal before (buffer-string))
                         (setq future nil)
                         (push (fleet-undo-test--small) past)
                         (push (fleet-undo-test--small) ever)))))
              (user-error (throw 'end (and (= drops fleet-undo-test--drops) (list seed err))))
              (error (throw 'end (list seed err))))
            (cond
             ((equal (fleet-undo-test--small) (car past)))
             ;; Where history was lost, undoing ends somewhere in it.
             ((and (> fleet-undo-test--drops drops) (member (fleet-undo-test--small) ever))
              (throw 'end nil))
             (t (throw 'end (list seed action (car past) (buffer-string)))))))
        nil))))

(ert-deftest fleet-undo-wild-histories-never-corrupt-the-persons-text-r16 ()
  (let* ((fleet-undo-test--drops 0)
         (drop (symbol-function 'fleet-undo--drop)))
    (cl-letf (((symbol-function 'fleet-undo--drop)
               (lambda (&rest arguments)
                 (cl-incf fleet-undo-test--drops)
                 (apply drop arguments))))
      (should-not (car (fleet-undo-test--failures #'fleet-undo-test--wild))))))

;;;; One entry of each kind

(defun fleet-undo-test--rebased (list start old-length new-length &optional text)
  "Return a copy of LIST after an edit at START; the rest as in `fleet-undo-rebase'."
  (let ((pending-undo-list nil) (undo-in-region nil))
    (fleet-undo-rebase (copy-tree list) start old-length new-length text)))

(ert-deftest fleet-undo-insertions-shift-shrink-the-edit-or-enclose-it-r16 ()
  (should (equal (fleet-undo-test--rebased '((10 . 15)) 3 2 5) '((13 . 18))))
  (should (equal (fleet-undo-test--rebased '((10 . 15)) 20 2 5) '((10 . 15))))
  (should (equal (fleet-undo-test--rebased '((10 . 15)) 11 2 5) '((10 . 18))))
  ;; The edit was at 5 before the newest insertion, so the older one moves.
  (should (equal (fleet-undo-test--rebased '((1 . 5) nil (6 . 8)) 9 0 3)
                 '((1 . 5) nil (9 . 11)))))

(ert-deftest fleet-undo-deletions-keep-their-sign-r16 ()
  (should (equal (fleet-undo-test--rebased '(("abc" . 10)) 3 0 2) '(("abc" . 12))))
  (should (equal (fleet-undo-test--rebased '(("abc" . -10)) 3 0 2) '(("abc" . -12))))
  (should (equal (fleet-undo-test--rebased '(("abc" . 3) nil (8 . 9)) 7 1 3)
                 '(("abc" . 3) nil (8 . 9))))
  (should (equal (fleet-undo-test--rebased '(("abc" . 3) nil (12 . 14)) 7 1 3)
                 '(("abc" . 3) nil (14 . 16)))))

(ert-deftest fleet-undo-properties-positions-and-saves-follow-r16 ()
  (should (equal (fleet-undo-test--rebased '((nil face bold 5 . 9)) 6 0 2)
                 '((nil face bold 5 . 11))))
  (should (equal (fleet-undo-test--rebased '((nil face bold 5 . 9)) 5 0 2)
                 '((nil face bold 7 . 11))))
  (should (equal (fleet-undo-test--rebased '(8) 3 0 2) '(10)))
  (should (equal (fleet-undo-test--rebased '((5 . 6) (t 1 2 3 4) nil (2 . 3)) 9 0 1)
                 '((5 . 6) nil (2 . 3))))
  (should (equal (fleet-undo-test--rebased '(nil (t 1 2 3 4) nil (2 . 3)) 9 0 1)
                 '(nil (t . 1) nil (2 . 3)))))

(ert-deftest fleet-undo-partial-overlap-drops-its-group-and-all-older-r16 ()
  (should (equal (fleet-undo-test--rebased '((20 . 22) nil (5 . 9) (2 . 3) nil (1 . 2)) 7 4 1)
                 '((17 . 19) nil)))
  (should (equal (fleet-undo-test--rebased '((5 . 9) nil (1 . 2)) 7 4 1) '(nil)))
  (should (equal (fleet-undo-test--rebased '((20 . 22) nil ("xy" . 5)) 3 4 1)
                 '((17 . 19) nil))))

(ert-deftest fleet-undo-calls-of-unknown-functions-are-not-passed-r16 ()
  (should (equal (fleet-undo-test--rebased '((9 . 10) nil (apply foo 5) nil (1 . 2)) 20 0 1)
                 '((9 . 10) nil)))
  (should (equal (fleet-undo-test--rebased '((apply 2 5 9 foo 5 9) nil (12 . 13)) 11 0 1)
                 '((apply 2 5 9 foo 5 9) nil (12 . 13))))
  (should (equal (fleet-undo-test--rebased '((apply 2 5 9 foo 5 9) nil (30 . 31)) 11 0 1)
                 '((apply 2 5 9 foo 5 9) nil (31 . 32))))
  (should (equal (fleet-undo-test--rebased '((apply 2 5 9 foo 5 9) nil (30 . 31)) 2 0 1) '(nil)))
  (should (equal (fleet-undo-test--rebased '((apply cdr nil) nil (30 . 31)) 2 0 1)
                 '((apply cdr nil) nil (31 . 32)))))

(ert-deftest fleet-undo-leaves-a-buffer-without-undo-alone-r16 ()
  (should (eq t (fleet-undo-rebase t 1 0 1)))
  (should-not (fleet-undo-rebase nil 1 0 1)))

(ert-deftest fleet-undo-knows-undo-tree-r16 ()
  (with-temp-buffer
    (should-not (fleet-undo-recording-p))
    (set (make-local-variable 'buffer-undo-tree) 'a-tree)
    (should (fleet-undo-recording-p))))

;;;; Whole stories

(ert-deftest fleet-undo-changes-the-same-conses-r16 ()
  (fleet-undo-test--with-text "a\nb\nc\n"
    (goto-char 3) (fleet-undo-test--command #'insert "xx")
    (goto-char (point-max)) (fleet-undo-test--command #'insert "yy")
    (let ((list buffer-undo-list) (tail (nthcdr 2 buffer-undo-list)))
      (fleet-undo-test--machine 1 2 "MACHINE")
      (should (eq list buffer-undo-list))
      (should (eq tail (nthcdr 2 buffer-undo-list))))))

(ert-deftest fleet-undo-a-run-of-undos-goes-on-after-the-machine-r16 ()
  (fleet-undo-test--with-text "M\nperson\n"
    (dolist (word '("one " "two " "three "))
      (goto-char 3)
      (fleet-undo-test--command #'insert word))
    (fleet-undo-test--command 'undo 1)
    (fleet-undo-test--machine 1 2 "MACHINE")
    (fleet-undo-test--command 'undo 1)
    (fleet-undo-test--machine 1 8 "X\nY")
    (fleet-undo-test--command 'undo 1)
    (should (equal (buffer-string) "X\nY\nperson\n"))
    (should-error (fleet-undo-test--command 'undo 1) :type 'user-error)))

(ert-deftest fleet-undo-of-a-kill-keeps-what-the-machine-wrote-in-what-came-back-r16 ()
  (fleet-undo-test--with-text "head\nmachine\ntail\n"
    (goto-char (point-max)) (fleet-undo-test--command #'insert "late")
    (fleet-undo-test--command #'delete-region 1 14)
    (fleet-undo-test--command 'undo 1)
    (fleet-undo-test--machine 6 13 "M")
    (fleet-undo-test--command 'undo 1)
    (should (equal (buffer-string) "head\nM\ntail\n"))
    (fleet-undo-test--command 'undo-redo 1)
    (should (equal (buffer-string) "head\nM\ntail\nlate"))
    (fleet-undo-test--command 'undo-redo 1)
    (should (equal (buffer-string) "tail\nlate"))
    (fleet-undo-test--command 'undo 1)
    (should (equal (buffer-string) "head\nM\ntail\nlate"))))

(ert-deftest fleet-undo-of-an-enclosing-insertion-takes-machine-text-too-r16 ()
  (fleet-undo-test--with-text "before\nafter\n"
    (goto-char 8)
    (fleet-undo-test--command #'insert "* PENDING new\nbody\n")
    (fleet-undo-test--machine 10 17 "DONE")
    (fleet-undo-test--command 'undo 1)
    (should (equal (buffer-string) "before\nafter\n"))
    (fleet-undo-test--command 'undo-redo 1)
    (should (equal (buffer-string) "before\n* DONE new\nbody\nafter\n"))))

(ert-deftest fleet-undo-of-a-kill-comes-back-below-lines-added-at-its-place-r16 ()
  (fleet-undo-test--with-text "* A\n* B\nb\n* C\n"
    (fleet-undo-test--command #'delete-region 5 11)
    (fleet-undo-test--machine 5 5 "a note\n")
    (fleet-undo-test--command 'undo 1)
    (should (equal (buffer-string) "* A\na note\n* B\nb\n* C\n"))))

(ert-deftest fleet-undo-markers-of-killed-text-come-back-to-their-place-r16 ()
  (fleet-undo-test--with-text "M\none two three\n"
    (let ((marker (copy-marker 7)))
      (fleet-undo-test--command #'delete-region 3 11)
      (fleet-undo-test--machine 1 2 "MACHINE")
      (fleet-undo-test--command 'undo 1)
      (should (= marker 13))
      (should (looking-at-p "one")))))

(ert-deftest fleet-undo-in-the-region-is-ended-r16 ()
  (fleet-undo-test--with-text "M\none\ntwo\n"
    (goto-char 3) (fleet-undo-test--command #'insert "xx")
    (goto-char 4) (fleet-undo-test--command #'insert "yy")
    (let ((transient-mark-mode t))
      (goto-char 3) (push-mark 9 t t)
      (fleet-undo-test--command 'undo 1)
      (should undo-in-region)
      (fleet-undo-test--machine 1 2 "MACHINE")
      (should-not undo-in-region)
      (should-error (fleet-undo-test--command 'undo 1) :type 'user-error)
      (should (equal (buffer-string) "MACHINE\nxxone\ntwo\n")))))

(ert-deftest fleet-undo-of-another-buffer-goes-on-r16 ()
  (fleet-undo-test--with-text "other\n"
    (fleet-undo-test--command #'insert "a")
    (fleet-undo-test--command #'insert "b")
    (fleet-undo-test--command 'undo 1)
    (let ((pending pending-undo-list) (there (current-buffer)))
      (with-temp-buffer
        (setq buffer-undo-list (list '(5 . 9) nil (cons 1 2)))
        (setq buffer-undo-list (fleet-undo-rebase buffer-undo-list 7 4 1)))
      (should (eq pending pending-undo-list))
      (with-current-buffer there
        (fleet-undo-test--command 'undo 1)
        (should (equal (buffer-string) "other\n"))))))

(ert-deftest fleet-undo-combined-changes-follow-r16 ()
  (fleet-undo-test--with-text "M\none\ntwo\nlast\n"
    (fleet-undo-test--command
     (lambda () (combine-change-calls 3 10 (goto-char 3) (insert ";") (goto-char 8) (insert ";"))))
    (goto-char (point-max)) (fleet-undo-test--command #'insert "x")
    (fleet-undo-test--machine 1 2 "MACHINE")
    (fleet-undo-test--machine 17 18 "LAST")
    (fleet-undo-test--command 'undo 2)
    (should (equal (buffer-string) "MACHINE\none\ntwLAST\nlast\n"))
    (fleet-undo-test--command 'undo-redo 1)
    (should (equal (buffer-string) "MACHINE\n;one\n;twLAST\nlast\nx"))))

(provide 'fleet-undo-test)
;;; fleet-undo-test.el ends here
