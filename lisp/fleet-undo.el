;;; fleet-undo.el --- Carry machine edits through a person's undo list  -*- lexical-binding: t -*-

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

;; The machine edits a buffer in which a person is working (R16).  Its
;; edits are not part of the person's undo history, so that C-/ undoes
;; what the person did and nothing else.  That leaves a history whose
;; positions were written for a text without the machine's edit.
;;
;; An undo list is a chain: the newest entry leads from the present text
;; to the one before it, the next entry to the one before that.  After a
;; machine edit the present has changed, so every entry must lead from a
;; text with the edit to an older text with the edit.  We therefore walk
;; from newest to oldest and keep the place that the edit would have had
;; in the text at that moment.  Shifting all positions by where the edit
;; lies now is wrong as soon as the history inserts or deletes before it.
;;
;; Conses are changed in place, because `pending-undo-list' and
;; `undo-equiv-table' hold tails of the same list.  The latter says that
;; two moments of the history have equal texts, and `undo-only' and
;; `undo-redo' jump between them; where the carried edit is not the same
;; at both ends of such a jump, the jump is forgotten rather than the
;; text damaged.
;;
;; This file never edits a buffer.

;;; Code:

(require 'cl-lib)
(eval-when-compile (require 'subr-x))

(defvar buffer-undo-tree)
(defvar undo-tree-mode)

(cl-defstruct (fleet-undo--edit (:constructor fleet-undo--edit-create) (:copier nil))
  "A machine edit on its way back through a history."
  (start 0 :documentation "Where it begins in the text of this moment.")
  (old 0 :documentation "How many characters it replaces.")
  (new 0 :documentation "By how many.")
  (text nil :documentation "The new characters, or nil if unknown.")
  (live t :documentation "Nil where the text of this moment does not have it.")
  (side nil :documentation "Forced answer of `fleet-undo--side'.")
  (ties nil :documentation "Sides taken, newest first: (KIND LENGTH . SIDE).")
  (head nil :documentation "First cell of the change group being walked.")
  (cell nil :documentation "Cell being walked.")
  (rebirth nil :documentation "Deletion entry and offset (ENTRY . OFFSET) that bring it back."))

(defsubst fleet-undo--end (edit)
  "Return the end of what EDIT replaces."
  (+ (fleet-undo--edit-start edit) (fleet-undo--edit-old edit)))

(defsubst fleet-undo--growth (edit)
  "Return by how many characters EDIT makes the text longer."
  (- (fleet-undo--edit-new edit) (fleet-undo--edit-old edit)))

(defun fleet-undo-recording-p ()
  "Return non-nil if machine edits must be recorded in this buffer as usual.
The undo-tree package takes the undo list apart into a tree of its
own, through which no edit can be carried."
  (or (bound-and-true-p buffer-undo-tree)
      (bound-and-true-p undo-tree-mode)))

(defun fleet-undo-rebase (list start old-length new-length &optional new-text)
  "Carry one machine edit back through the undo LIST and return LIST.
The edit replaced OLD-LENGTH characters at START by NEW-LENGTH other
ones in the text that LIST starts from, and was not recorded.  NEW-TEXT
is what it put there; with it more of the redo history survives.  LIST
is changed in place.  Where the edit and a change of the person overlap
partly, that change and all older ones are forgotten.  A LIST of t
\(undo is off) is left alone."
  (when (and (consp list) (or (> old-length 0) (> new-length 0)))
    (fleet-undo--end-region-undo list)
    (fleet-undo--walk list (fleet-undo--edit-create :start start :old old-length
                                                    :new new-length :text new-text)))
  list)

;;;; The walk

(defun fleet-undo--walk (list edit)
  "Carry EDIT through all of LIST, or drop what it can not pass."
  (let ((cell list) (jumps (fleet-undo--pending-jump list edit))
        (boundary nil) (previous nil))
    (setf (fleet-undo--edit-head edit) list)
    (while cell
      (setf (fleet-undo--edit-cell edit) cell)
      (fleet-undo--follow-jumps cell edit jumps)
      (cond
       ((null (car cell))
        (setq boundary cell)
        (setf (fleet-undo--edit-head edit) (cdr cell)))
       ((fleet-undo--saved-text-p cell edit)
        (when (fleet-undo--forget-saved-text cell previous)
          (setq cell previous)))
       ((fleet-undo--step cell edit)
        (fleet-undo--drop list boundary)
        (setq cell nil)))
      (setq previous cell
            cell (cdr cell)))))

(defun fleet-undo--step (cell edit)
  "Carry EDIT through the entry in CELL; return non-nil if that is impossible."
  (let ((entry (car cell)))
    (cond
     ((fleet-undo--combined-p entry)
      (fleet-undo--through-combined entry edit))
     ((not (fleet-undo--edit-live edit))
      (fleet-undo--maybe-revive cell edit)
      nil)
     ((integerp entry)
      (setcar cell (fleet-undo--moved entry edit nil))
      nil)
     (t
      (pcase entry
        (`(,(pred integerp) . ,(pred integerp)) (fleet-undo--through-insertion entry edit))
        (`(,(pred stringp) . ,(pred integerp)) (fleet-undo--through-deletion entry edit))
        (`(nil ,_ ,_ . ,range) (fleet-undo--move-range range edit) nil)
        (`(apply ,(pred integerp) . ,_) (fleet-undo--through-ranged-call entry edit))
        (`(apply . ,_) (fleet-undo--opaque-call-p entry)))))))

(defun fleet-undo--moved (position edit advance)
  "Return where EDIT puts POSITION; with ADVANCE, after text inserted at it."
  (let ((start (fleet-undo--edit-start edit)))
    (cond ((< position start) position)
          ((and (= position start)
                (not (and advance (zerop (fleet-undo--edit-old edit)))))
           position)
          ((>= position (fleet-undo--end edit)) (+ position (fleet-undo--growth edit)))
          (t start))))

(defun fleet-undo--move-range (range edit)
  "Let RANGE, a cons (BEG . END) in an undo entry, follow EDIT."
  (setcar range (fleet-undo--moved (car range) edit t))
  (setcdr range (max (car range) (fleet-undo--moved (cdr range) edit nil))))

(defun fleet-undo--shift-range (range edit)
  "Move RANGE, which lies after EDIT, by what EDIT adds."
  (cl-incf (car range) (fleet-undo--growth edit))
  (cl-incf (cdr range) (fleet-undo--growth edit)))

;;;; Insertions and deletions

(defun fleet-undo--through-insertion (range edit)
  "Carry EDIT through RANGE, text that the person inserted."
  (let* ((beg (car range)) (end (cdr range)) (length (- end beg)))
    (cond
     ((<= (fleet-undo--end edit) beg)
      (fleet-undo--note-tie edit beg length 'before)
      (fleet-undo--shift-range range edit)
      nil)
     ((>= (fleet-undo--edit-start edit) end)
      (fleet-undo--note-tie edit end length 'after)
      (cl-decf (fleet-undo--edit-start edit) length)
      nil)
     ((and (<= beg (fleet-undo--edit-start edit)) (<= (fleet-undo--end edit) end))
      (setcdr range (+ end (fleet-undo--growth edit)))
      (fleet-undo--absorb edit range beg length)
      nil)
     (t 'overlap))))

(defun fleet-undo--through-deletion (entry edit)
  "Carry EDIT through ENTRY, (TEXT . POSITION) of text that the person deleted."
  (let ((position (abs (cdr entry))) (length (length (car entry)))
        (start (fleet-undo--edit-start edit)))
    (cond
     ((or (< position start)
          (and (= position start)
               (or (> (fleet-undo--edit-old edit) 0)
                   (eq (fleet-undo--side edit length) 'after))))
      (cl-incf (fleet-undo--edit-start edit) length)
      nil)
     ((>= position (fleet-undo--end edit))
      (setcdr entry (* (if (< (cdr entry) 0) -1 1)
                       (+ position (fleet-undo--growth edit))))
      nil)
     (t 'overlap))))

(defun fleet-undo--note-tie (edit position length side)
  "Remember that EDIT, if it inserts at POSITION, lay on SIDE of LENGTH characters."
  (when (and (zerop (fleet-undo--edit-old edit))
             (= position (fleet-undo--edit-start edit))
             (not (fleet-undo--matching-tie edit 'deletion length)))
    (push `(insertion ,length . ,side) (fleet-undo--edit-ties edit))))

(defun fleet-undo--matching-tie (edit kind length)
  "Take the newest tie of EDIT if it has KIND and LENGTH; return it.
What an undo records mirrors what it undoes, so in a history the two
enclose what happened in between, like parentheses."
  (pcase (car (fleet-undo--edit-ties edit))
    (`(,(pred (eq kind)) ,(pred (eql length)) . ,_)
     (pop (fleet-undo--edit-ties edit)))))

(defun fleet-undo--side (edit length)
  "Return on which side EDIT lies of LENGTH characters deleted where it inserts.
If the deletion was undone later, the side that it had of what came
back.  Otherwise whole lines belong to what stands before them, as
`fleet-edit-apply' has it for markers, and other text follows what
comes back."
  (or (fleet-undo--edit-side edit)
      (cddr (fleet-undo--matching-tie edit 'insertion length))
      (let ((side (fleet-undo--usual-side edit)))
        (push `(deletion ,length . ,side) (fleet-undo--edit-ties edit))
        side)))

(defun fleet-undo--usual-side (edit)
  "Return on which side of a place EDIT lies of what comes back there."
  (if (string-suffix-p "\n" (or (fleet-undo--edit-text edit) "")) 'before 'after))

;;;; Edits inside the person's text

(defun fleet-undo--absorb (edit range beg length)
  "Note that undoing RANGE, LENGTH characters at BEG, takes EDIT away.
If those came back by an undo, then the deletion that was undone holds
the same text, and EDIT is carried on inside of it."
  (let ((twin (and (fleet-undo--edit-text edit)
                   (fleet-undo--undone-deletion edit range))))
    (setf (fleet-undo--edit-live edit) nil
          (fleet-undo--edit-rebirth edit)
          (and twin
               (stringp (car twin))
               (= (length (car twin)) length)
               (= (abs (cdr twin)) beg)
               (cons twin (- (fleet-undo--edit-start edit) beg))))))

(defun fleet-undo--undone-deletion (edit range)
  "Return the entry whose undoing recorded RANGE, which EDIT is at.
An undo records the entries of its group in the opposite order."
  (let* ((head (fleet-undo--edit-head edit))
         (older (gethash head undo-equiv-table)))
    (when (or (consp older) (eq older t))
      (let ((rank (cl-position range (fleet-undo--sized-entries head nil) :test #'eq))
            (group (fleet-undo--group-before (fleet-undo--edit-cell edit) older)))
        (and rank group
             (nth rank (nreverse (fleet-undo--sized-entries group older))))))))

(defun fleet-undo--group-before (cell older)
  "Return the last group that starts after CELL and ends before OLDER.
OLDER is a cell, or t for the end of the list."
  (let ((group nil))
    (while (and cell (not (eq cell older)))
      (when (and (null (car cell)) (cdr cell) (not (eq (cdr cell) older)))
        (setq group (cdr cell)))
      (setq cell (cdr cell)))
    (and (or cell (eq older t)) group)))

(defun fleet-undo--sized-entries (cell stop)
  "Return the insertions and deletions from CELL to before STOP or a boundary.
Combined changes count one by one."
  (let ((entries nil))
    (while (and (car cell) (not (eq cell stop)))
      (pcase (car cell)
        ((pred fleet-undo--combined-p)
         (setq entries (nconc (nreverse (cl-loop for nested on (nth 7 (car cell))
                                                 nconc (fleet-undo--sized-entry (car nested))))
                              entries)))
        (entry (setq entries (nconc (fleet-undo--sized-entry entry) entries))))
      (setq cell (cdr cell)))
    (nreverse entries)))

(defun fleet-undo--sized-entry (entry)
  "Return a list of ENTRY if it is an insertion or a deletion."
  (and (consp entry)
       (integerp (cdr entry))
       (or (integerp (car entry)) (stringp (car entry)))
       (list entry)))

(defun fleet-undo--maybe-revive (cell edit)
  "Put EDIT into the deleted text in CELL if that is where it comes back."
  (pcase (fleet-undo--edit-rebirth edit)
    ((and `(,entry . ,offset) (guard (eq entry (car cell))))
     (let ((text (car entry)))
       (setcar entry (concat (substring text 0 offset)
                             (fleet-undo--edit-text edit)
                             (substring text (+ offset (fleet-undo--edit-old edit)))))
       (fleet-undo--revive-markers (cdr cell) (length text) offset edit)
       (setf (fleet-undo--edit-start edit) (+ (abs (cdr entry)) offset)
             (fleet-undo--edit-live edit) t
             (fleet-undo--edit-rebirth edit) nil)))))

(defun fleet-undo--revive-markers (cell length offset edit)
  "Correct the marker adjustments from CELL on for EDIT at OFFSET.
They belong to a deleted text that had LENGTH characters; a marker is
put back relative to its start or, if it advances, to its end."
  (while (markerp (car-safe (car cell)))
    (let* ((adjustment (car cell))
           (advances (marker-insertion-type (car adjustment)))
           (inside (- (if advances length 0) (cdr adjustment)))
           (after (>= inside (+ offset (fleet-undo--edit-old edit)))))
      (cond ((and after (not advances))
             (cl-decf (cdr adjustment) (fleet-undo--growth edit)))
            ((and advances (not after))
             (cl-incf (cdr adjustment) (fleet-undo--growth edit)))))
    (setq cell (cdr cell))))

;;;; Entries that call functions

(defun fleet-undo--opaque-call-p (entry)
  "Return non-nil if ENTRY, (apply FUN . ARGS), may touch any text.
Emacs itself adds a call of `cdr' that only fills a place."
  (not (memq (cadr entry) '(cdr ignore))))

(defun fleet-undo--through-ranged-call (entry edit)
  "Carry EDIT through ENTRY, (apply DELTA BEG END FUN . ARGS).
Undoing it changes BEG to END, which gets DELTA characters longer."
  (pcase-let ((`(,delta ,_ ,end . ,_) (cdr entry)))
    (cond
     ((>= (fleet-undo--edit-start edit) end)
      (cl-incf (fleet-undo--edit-start edit) delta)
      nil)
     ;; What is before or inside would have to be told to the function.
     (t 'overlap))))

(defun fleet-undo--combined-p (entry)
  "Return non-nil if ENTRY was recorded by `combine-change-calls'."
  (and (eq (car-safe entry) 'apply)
       (integerp (cadr entry))
       (eq (nth 4 entry) 'undo--wrap-and-run-primitive-undo)))

(defun fleet-undo--through-combined (entry edit)
  "Carry EDIT through ENTRY, (apply DELTA BEG END FUN BEG END LIST)."
  (pcase-let* ((`(,delta ,beg ,end ,_ . ,args) (cdr entry))
               (growth (fleet-undo--growth edit))
               (lived (fleet-undo--edit-live edit))
               (place (and lived (fleet-undo--combined-place edit delta beg end))))
    (if (or (eq place 'overlap)
            (fleet-undo--walk-combined (nth 2 args) edit place))
        'overlap
      (when (eq place 'before)
        (setf (nth 2 entry) (+ beg growth)
              (nth 0 args) (+ beg growth)))
      (when (memq place '(before inside))
        (setf (nth 3 entry) (+ end growth)
              (nth 1 args) (+ end growth)))
      (cond ((and lived (not (fleet-undo--edit-live edit))) (cl-decf (nth 1 entry) growth))
            ((and (not lived) (fleet-undo--edit-live edit)) (cl-incf (nth 1 entry) growth)))
      nil)))

(defun fleet-undo--combined-place (edit delta beg end)
  "Return where EDIT lies: before, inside, after or in overlap of BEG to END.
DELTA is by how much undoing makes BEG to END longer; it finds the side
at which EDIT lay of the same text when that came back."
  (let ((start (fleet-undo--edit-start edit)) (tie nil)
        (place (fleet-undo--place-of edit beg end)))
    (when (and (zerop (fleet-undo--edit-old edit)) (memql start (list beg end)))
      (setq tie (fleet-undo--matching-tie edit 'combined (+ (- end beg) delta)))
      (when (= beg end)
        (setq place (if tie (cddr tie) (fleet-undo--usual-side edit))))
      (unless tie
        (push `(combined ,(- end beg) . ,place) (fleet-undo--edit-ties edit))))
    place))

(defun fleet-undo--place-of (edit beg end)
  "Return where EDIT lies: before, inside, after or in overlap of BEG to END."
  (cond ((<= (fleet-undo--end edit) beg) 'before)
        ((>= (fleet-undo--edit-start edit) end) 'after)
        ((and (<= beg (fleet-undo--edit-start edit)) (<= (fleet-undo--end edit) end)) 'inside)
        (t 'overlap)))

(defun fleet-undo--walk-combined (cell edit place)
  "Carry EDIT through the nested list CELL; return non-nil if impossible.
PLACE says where EDIT lies; what is outside must stay outside."
  (let ((failed nil) (ties (fleet-undo--edit-ties edit)) (side (fleet-undo--edit-side edit)))
    (when (memq place '(before after))
      (setf (fleet-undo--edit-side edit) place))
    (while (and cell (not failed))
      (setq failed (and (car cell) (fleet-undo--step cell edit))
            cell (cdr cell)))
    (setf (fleet-undo--edit-side edit) side)
    (when (memq place '(before after))
      (setf (fleet-undo--edit-ties edit) ties))
    failed))

;;;; The mark of a saved text

(defun fleet-undo--saved-text-p (cell edit)
  "Return non-nil if CELL says that this moment's text was saved, which EDIT ends."
  (and (fleet-undo--edit-live edit)
       (eq (car-safe (car cell)) t)))

(defun fleet-undo--forget-saved-text (cell previous)
  "Take CELL out of the list after PREVIOUS; return non-nil if that was possible.
The first cell of a group may be known to `pending-undo-list' and
`undo-equiv-table'; it stays, with a time at which no file was saved."
  (cond ((car previous)
         (setcdr previous (cdr cell))
         t)
        (t
         (setcdr (car cell) 1)
         nil)))

;;;; Other ways into the history

(defun fleet-undo--end-region-undo (list)
  "End an undo in the region if it is LIST that it goes through.
Its entries are copies that can not be carried along."
  (when (and undo-in-region
             (eq (undo--last-change-was-undo-p list) 'undo-in-region))
    (setq undo-in-region nil
          pending-undo-list t)))

(defun fleet-undo--snapshot (edit)
  "Return what EDIT is at this moment, nil if the text does not have it."
  (and (fleet-undo--edit-live edit)
       (list (fleet-undo--edit-start edit) (fleet-undo--edit-old edit))))

(defun fleet-undo--pending-jump (list edit)
  "Return a table of the jump that the next undo of LIST makes, given EDIT.
Keys are the cells jumped to, values lists of (ORIGIN . SNAPSHOT)."
  (let ((jumps (make-hash-table :test 'eq)))
    (when (and (consp pending-undo-list)
               (undo--last-change-was-undo-p list))
      (puthash pending-undo-list (list (cons nil (fleet-undo--snapshot edit))) jumps))
    jumps))

(defun fleet-undo--follow-jumps (cell edit jumps)
  "Compare EDIT at CELL with the JUMPS that end here; add one that starts here."
  (pcase-dolist (`(,origin . ,snapshot) (gethash cell jumps))
    (unless (equal snapshot (fleet-undo--snapshot edit))
      (if origin
          (remhash origin undo-equiv-table)
        (setq pending-undo-list t))))
  (let ((target (gethash cell undo-equiv-table)))
    (when (consp target)
      (push (cons cell (fleet-undo--snapshot edit)) (gethash target jumps)))))

(defun fleet-undo--drop (list boundary)
  "Forget all of LIST that is older than the cell BOUNDARY, or all if that is nil.
Whoever still holds one of those cells finds an empty history in it."
  (let ((gone (make-hash-table :test 'eq)) (cells nil))
    (cl-loop for cell on (if boundary (cdr boundary) list)
             do (puthash cell t gone) (push cell cells))
    (when (gethash pending-undo-list gone)
      (setq pending-undo-list t))
    (cl-loop for cell on list until (gethash cell gone)
             when (gethash (gethash cell undo-equiv-table) gone)
             do (puthash cell t undo-equiv-table))
    (dolist (cell cells)
      (setcar cell nil)
      (setcdr cell nil))
    (when boundary
      (setcdr boundary nil))))

(provide 'fleet-undo)
;;; fleet-undo.el ends here
