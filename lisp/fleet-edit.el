;;; fleet-edit.el --- Machine edits in a person's buffer  -*- lexical-binding: t -*-

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

;; The only place where the machine writes into a live buffer.  The
;; person who looks at that buffer sees the text change and nothing
;; else: point, mark, region, windows, narrowing, folding, read-only
;; state and undo history stay theirs, and nothing asks a question (R14,
;; R15, R16, R18).
;;
;; Most of it follows from choosing the right primitive.  Everything that
;; must move with the text is a marker (marks, window points and starts,
;; restrictions, agenda lines, other programs' places), so an insertion
;; only has to decide on which side of it the markers at that very place
;; end up.  Whole lines belong to what stands before them, hence markers
;; there move on with the text that follows; other insertions leave them.
;;
;; Change hooks stay on: Org's cache, folding and fontification depend on
;; them.  This file decides nothing about tasks and never saves a file.

;;; Code:

(require 'cl-lib)
(eval-when-compile (require 'subr-x))
(require 'outline)
(require 'fleet-undo)

(defvar undo-auto--undoably-changed-buffers)
(defvar undo-auto-current-boundary-timer)

(defvar fleet-edit-in-progress nil
  "Non-nil while the machine edits a buffer.
Change hooks look at it to tell the machine's edits from the person's.")

(define-error 'fleet-edit-mismatch "Text to be edited is not what was expected")

;;;; When

(defconst fleet-edit-search-seconds 60
  "How long an incremental search may keep edits waiting without a key.
Then it is taken for one that was left open and forgotten.")

(defun fleet-edit-person-busy-p (buffer)
  "Return non-nil if edits of BUFFER must wait, because a person is at work (R14).
That is: a command is running, a prompt or a recursive edit is open, a
keyboard macro is being executed, or BUFFER is being searched: Isearch
remembers places as numbers between its keys."
  ;; What `this-command' is, seen in Emacs 28.2 from an emacsclient request,
  ;; a timer and a process filter alike: nil while the command loop waits for
  ;; a key (also in the middle of a key sequence, after a prefix argument,
  ;; in isearch, and always in a daemon without frames); the command's symbol
  ;; while that command waits in `sit-for', `sleep-for' or the like; and nil
  ;; again in a minibuffer, whose command loop is a new one: there only the
  ;; recursion depth tells.  A person's own fleet command sees itself.
  (or this-command
      (> (recursion-depth) 0)
      (active-minibuffer-window)
      executing-kbd-macro
      (fleet-edit--searched-p buffer)))

(defun fleet-edit--searched-p (buffer)
  "Return non-nil if a person is just searching BUFFER or its indirect buffers."
  (and (bound-and-true-p isearch--current-buffer)
       (buffer-live-p buffer)
       (with-current-buffer buffer
         (cl-some (lambda (relative) (buffer-local-value 'isearch-mode relative))
                  (fleet-edit--family)))
       (time-less-p (or (current-idle-time) 0) fleet-edit-search-seconds)))

;;;; What

(defun fleet-edit-apply (buffer head headline edits)
  "Change one heading of BUFFER by EDITS; return t, or `stale' if it is not there.
HEAD is the position of the heading's first star and HEADLINE its whole
line, empty for text before the first heading.  EDITS are lists
\(POS OLD NEW): the text at POS is OLD and becomes NEW.  They are done in
this order, so a POS counts in the text that the edits before it left.

All of them are done or none: if the headline or some OLD is not found
the result is `stale', and an error from a change hook is signalled once
the text is what it was."
  (with-current-buffer (or (buffer-base-buffer (get-buffer buffer)) buffer)
    (save-match-data
      (save-restriction
        (widen)
        (condition-case nil
            (progn
              (fleet-edit--check-heading head headline)
              (fleet-edit--check-text (or (car edits) '(1 "" "")))
              (fleet-edit--perform edits)
              t)
          (fleet-edit-mismatch 'stale))))))

(defun fleet-edit--check-heading (head headline)
  "Signal a mismatch unless HEADLINE is the whole line at HEAD, and a heading.
An empty one stands for the text before the first heading."
  (unless (if (string-empty-p headline)
              (= head (point-min))
            (and (string-prefix-p "*" headline)
                 (fleet-edit--text-at-p head headline)
                 (memq (char-before head) '(nil ?\n))
                 (memq (char-after (+ head (length headline))) '(nil ?\n))))
    (signal 'fleet-edit-mismatch (list head headline))))

(defun fleet-edit--check-text (edit)
  "Signal a mismatch unless the text that EDIT replaces is there."
  (pcase-let ((`(,position ,old ,_) edit))
    (unless (fleet-edit--text-at-p position old)
      (signal 'fleet-edit-mismatch (list position old)))))

(defun fleet-edit--text-at-p (position text)
  "Return non-nil if TEXT stands at POSITION of the widened buffer."
  (let ((end (+ position (length text))))
    (and (<= (point-min) position end (point-max))
         (let ((case-fold-search nil))
           (string= text (buffer-substring-no-properties position end))))))

(defun fleet-edit--narrowed (edit)
  "Return EDIT, a list (POS OLD NEW), without what OLD and NEW share."
  (pcase-let* ((`(,position ,old ,new) edit)
               (prefix (fleet-edit--shared-prefix old new))
               (suffix (fleet-edit--shared-prefix
                        (reverse (substring old prefix)) (reverse (substring new prefix))))
               (less-old (substring old prefix (- (length old) suffix)))
               (less-new (substring new prefix (- (length new) suffix)))
               (slide (fleet-edit--slide (substring old 0 prefix) less-old less-new)))
    (list (+ position (- prefix slide)) less-old (fleet-edit--rotated less-new slide))))

(defun fleet-edit--shared-prefix (a b)
  "Return how many characters A and B have in common at their start."
  (let ((difference (compare-strings a nil nil b nil nil)))
    (if (eq difference t) (length a) (1- (abs difference)))))

(defun fleet-edit--slide (before old new)
  "Return how far back after BEFORE to insert NEW so that it is whole lines.
Inserting \"b\\na\" after \"a\" is inserting \"a\\nb\" lines one character earlier.
Zero unless OLD is empty and that can be had."
  (let ((size (length new)) (slide 0))
    (when (and (string-empty-p old) (not (string-suffix-p "\n" new)))
      (while (and (< slide (length before))
                  (< slide size)
                  (/= ?\n (aref new (- size slide 1)))
                  (= (aref before (- (length before) slide 1))
                     (aref new (- size slide 1))))
        (cl-incf slide)))
    (if (and (< 0 slide size) (= ?\n (aref new (- size slide 1)))) slide 0)))

(defun fleet-edit--rotated (text count)
  "Return TEXT with its last COUNT characters moved to its front."
  (let ((cut (- (length text) count)))
    (concat (substring text cut) (substring text 0 cut))))

;;;; All or nothing

(defun fleet-edit--perform (edits)
  "Do all EDITS in the current buffer, which is widened, or none of them."
  (let ((interrupted quit-flag))
    (let ((inhibit-quit t)
          (inhibit-interaction t)
          (select-active-regions nil)
          (deactivate-mark nil)
          (this-command this-command)
          (last-command last-command)
          (fleet-edit-in-progress t))
      (fleet-edit--account (fleet-edit--record edits))
      (unless interrupted
        ;; A C-g that came in meanwhile was not meant for this.
        (setq quit-flag nil)))))

(defun fleet-edit--record (edits)
  "Do all EDITS or none; return (CHANGES . RECORDED).
CHANGES are lists (START OLD-LENGTH NEW-LENGTH [NEW]), oldest first;
RECORDED is the undo list of the same."
  (let ((was-modified (buffer-modified-p))
        (hooks (fleet-edit--change-hooks))
        (point (point))
        ;; The person's list is out of the way.  What happens instead, be it
        ;; done by us or by a change hook, is recorded in this one.
        (buffer-undo-list nil)
        (undo-auto--undoably-changed-buffers nil)
        (undo-auto-current-boundary-timer t)
        (done nil)
        (changes nil))
    (fleet-edit--avoid-questions)
    (unwind-protect
        (dolist (edit edits (setq done t))
          (fleet-edit--check-text edit)
          (setq changes (nconc changes (fleet-edit--change (fleet-edit--narrowed edit)))))
      (unless done
        (fleet-edit--take-back buffer-undo-list hooks)
        (fleet-edit--restore-modified was-modified)
        (goto-char point)))
    (cons changes buffer-undo-list)))

(defun fleet-edit--change (edit)
  "Do EDIT and return the changes that this made, oldest first."
  (pcase-let* ((`(,start ,old ,new) edit)
               (end (+ start (length old)))
               (advance (or (< start end) (fleet-edit--lines-p start new)))
               (overlays (fleet-edit--invisible-overlays start end))
               (repairs (append (fleet-edit--fold-repairs overlays start end new)
                                (fleet-edit--point-repairs start end new)))
               (before (fleet-edit--start-record overlays)))
    (save-excursion
      (unless (string-empty-p new)
        (fleet-edit--insert end new advance))
      (when (< start end)
        (let ((inhibit-read-only t))
          (delete-region start end))))
    (mapc #'funcall repairs)
    (fleet-edit--changes-since before start old new)))

(defun fleet-edit--start-record (overlays)
  "Start a new group of the undo list and return its first cell.
If the group is undone, OVERLAYS get their present places again."
  (let ((places (mapcar (lambda (overlay)
                          (list overlay (overlay-start overlay) (overlay-end overlay)))
                        overlays)))
    (push nil buffer-undo-list)
    (push (list 'apply #'mapc (apply-partially #'apply #'move-overlay) places)
          buffer-undo-list)))

(defun fleet-edit--lines-p (position text)
  "Return non-nil if TEXT, inserted at POSITION, makes whole lines."
  (and (string-suffix-p "\n" text)
       (memq (char-before position) '(nil ?\n))))

(defun fleet-edit--insert (position text advance)
  "Insert TEXT at POSITION; with ADVANCE, markers there end up after it."
  (goto-char position)
  (let ((inhibit-read-only t))
    (if advance
        (insert-before-markers text)
      (insert text))))

(defun fleet-edit--take-back (recorded hooks)
  "Undo all that is RECORDED and put the change HOOKS back.
Emacs removes all change hooks when one of them fails.  They are put
back before each step, so that the others hear of it, and may fail
again, after the text was changed."
  (let ((buffer-undo-list t))
    (while recorded
      (fleet-edit--set-change-hooks hooks)
      (let ((step (list (pop recorded))))
        (while (markerp (car-safe (car recorded)))
          (setq step (nconc step (list (pop recorded)))))
        (ignore-errors (primitive-undo 1 step))))
    (fleet-edit--set-change-hooks hooks)))

(defun fleet-edit--change-hooks ()
  "Return the change hooks of the current buffer: (SYMBOL LOCAL-P VALUE DEFAULT)."
  (mapcar (lambda (hook)
            (list hook (local-variable-p hook) (symbol-value hook) (default-value hook)))
          '(before-change-functions after-change-functions)))

(defun fleet-edit--set-change-hooks (hooks)
  "Set the change hooks of the current buffer to HOOKS."
  (pcase-dolist (`(,hook ,local ,value ,default) hooks)
    (set-default hook default)
    (when local
      (set (make-local-variable hook) value))))

;;;; Without questions

(defun fleet-edit--avoid-questions ()
  "See to it that the first change of an unmodified buffer asks nothing.
Emacs would ask if the file was changed on disk or is locked by somebody
else.  A buffer that is already modified is not asked about; the file's
modification time stays what it is, so that saving still notices."
  (when (and buffer-file-name
             (not (buffer-modified-p))
             (or (not (verify-visited-file-modtime))
                 (stringp (file-locked-p buffer-file-truename))))
    (run-hooks 'first-change-hook)
    (fleet-edit--restore-modified t)))

(defun fleet-edit--restore-modified (modified)
  "Set the buffer's modified flag to MODIFIED, without touching any lock."
  (unless (eq (and modified t) (and (buffer-modified-p) t))
    ;; No text is changed here: it only keeps Emacs from looking at the lock.
    (let ((inhibit-modification-hooks t))
      (restore-buffer-modified-p modified))))

;;;; Points and folds

(defun fleet-edit--family ()
  "Return the current buffer and its indirect buffers."
  (let ((base (current-buffer)))
    (cl-remove-if-not (lambda (buffer)
                        (or (eq buffer base) (eq (buffer-base-buffer buffer) base)))
                      (buffer-list))))

(defun fleet-edit--point-repairs (start end new)
  "Return functions that keep points inside of START to END, which becomes NEW.
Elsewhere points are kept by Emacs."
  (let ((functions nil))
    (cl-flet ((kept (position) (+ start (min (- position start) (length new)))))
      (when (< (1+ start) end)
        (dolist (buffer (fleet-edit--family))
          (dolist (window (get-buffer-window-list buffer t t))
            (let ((point (window-point window)))
              (when (< start point end)
                (push (lambda () (set-window-point window (kept point))) functions)))))
        (let ((point (point)))
          (when (< start point end)
            (push (lambda () (goto-char (kept point))) functions)))))
    functions))

(defun fleet-edit--invisible-overlays (start end)
  "Return the overlays that hide text and touch START to END or lie just above.
An overlay that is empty hides nothing."
  (cl-loop
   for buffer in (fleet-edit--family)
   nconc (with-current-buffer buffer
           (save-restriction
             (widen)
             (cl-remove-if-not
              (lambda (overlay)
                (and (overlay-get overlay 'invisible)
                     (< (overlay-start overlay) (overlay-end overlay))))
              (overlays-in (max (point-min) (- start 3)) (min (point-max) (1+ end))))))))

(defun fleet-edit--fold-repairs (overlays start end new)
  "Return functions that keep the folds OVERLAYS when START to END becomes NEW.
A fold begins at the end of a headline or of a drawer's first line and
ends at the end of a line.  Lines that are put at its very beginning
or below its end would show."
  (delq nil (mapcar (lambda (overlay) (fleet-edit--fold-repair overlay start end new))
                    overlays)))

(defun fleet-edit--fold-repair (overlay start end new)
  "Return a function that keeps the fold OVERLAY right, or nil if it stays so.
START to END becomes NEW."
  (let ((from (overlay-start overlay)) (to (overlay-end overlay))
        (newline (cl-position ?\n new)))
    (cond
     ((and newline (= from end))
      ;; The first line is the headline's, the others belong under it.
      (lambda () (move-overlay overlay (+ start newline) (overlay-end overlay))))
     ((and newline (= start end) (fleet-edit--below-fold-p overlay start)
           (not (string-match-p "^\\*+ " new)))
      (lambda () (move-overlay overlay from (+ to (length new)))))
     ((= start end to)
      (lambda () (move-overlay overlay (overlay-start overlay) to))))))

(defun fleet-edit--below-fold-p (overlay position)
  "Return non-nil if OVERLAY hides a subtree to whose end POSITION belongs."
  (and (eq (overlay-get overlay 'invisible) 'outline)
       (<= (overlay-end overlay) position)
       (cl-loop for place from (overlay-end overlay) below position
                always (eq (char-after place) ?\n))))

;;;; The person's undo list

(defun fleet-edit--changes-since (before start old new)
  "Return the changes recorded since BEFORE, oldest first.
If they are no more than NEW for OLD at START, it is that one change;
what a change hook added makes every record count by itself."
  (let* ((recorded (cl-loop for cell on buffer-undo-list until (eq cell before)
                            when (fleet-edit--sized (car cell)) collect it into sizes
                            finally return (nreverse sizes)))
         (end (+ start (length old)))
         (expected (delq nil
                         (list (and (not (string-empty-p new)) (list end 0 (length new)))
                               (and (not (string-empty-p old)) (list start (length old) 0))))))
    (if (equal recorded expected)
        (list (list start (length old) (length new) new))
      recorded)))

(defun fleet-edit--sized (entry)
  "Return the undo ENTRY as a change (START OLD-LENGTH NEW-LENGTH), or nil."
  (pcase entry
    (`(,(and beg (pred integerp)) . ,(and end (pred integerp))) (list beg 0 (- end beg)))
    (`(,(and text (pred stringp)) . ,(and position (pred integerp)))
     (list (abs position) (length text) 0))))

(defun fleet-edit--account (record)
  "Make the person's undo list right for RECORD, (CHANGES . RECORDED)."
  (pcase-let ((`(,changes . ,recorded) record))
    (cond ((eq buffer-undo-list t))
          ((fleet-undo-recording-p)
           (fleet-edit--add-recorded (cl-remove 'apply recorded :key #'car-safe)))
          (t
           (dolist (change changes)
             (setq buffer-undo-list
                   (apply #'fleet-undo-rebase buffer-undo-list change)))))))

(defun fleet-edit--add-recorded (recorded)
  "Add what was RECORDED to the person's undo list, as a step of its own."
  (let ((step (delq nil recorded)))
    (when step
      (when (car buffer-undo-list)
        (push nil buffer-undo-list))
      (setq buffer-undo-list (cons nil (nconc step buffer-undo-list))))))

(provide 'fleet-edit)
;;; fleet-edit.el ends here
