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

(defvar fleet-undo-test--endings nil "How the histories ended, for their own sake.")

(defun fleet-undo-test--wild (seed)
  "Play one history from SEED with `undo-only' and `undo-redo' in between.
Return nil, or what went wrong."
  (random (format "wild %d" seed))
  (fleet-undo-test--with-text "one two\nthree ABC four\nfive six SEVEN eight\n"
    (let ((past (list (fleet-undo-test--small))) (future nil) (kill-ring nil) (steps nil)
          (interprogram-cut-function nil))
      (catch 'end
        (dotimes (_ 40)
          (when (zerop (random 2))
            (fleet-undo-test--machine-anywhere)
            (push (list 'machine (buffer-string)) steps))
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
                         (push (fleet-undo-test--small) past)))))
              ;; History may be lost, but then nothing is changed any more.
              (user-error (push (cadr err) fleet-undo-test--endings)
                          (throw 'end nil))
              (error (throw 'end (list seed err steps))))
            (push (list action (buffer-string) (copy-tree buffer-undo-list)) steps)
            (unless (equal (fleet-undo-test--small) (car past))
              (throw 'end (list seed action (car past) steps)))))
        nil))))

(ert-deftest fleet-undo-wild-histories-never-corrupt-the-persons-text-r16 ()
  (let ((fleet-undo-test--endings nil))
    (should-not (car (fleet-undo-test--failures #'fleet-undo-test--wild)))
    ;; Losing history is the exception.
    (should (< (length fleet-undo-test--endings) (/ fleet-undo-test-runs 4)))))

(provide 'fleet-undo-test)
;;; fleet-undo-test.el ends here
