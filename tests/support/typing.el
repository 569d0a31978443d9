;;; typing.el --- Write down what a person's commands did  -*- lexical-binding: t -*-

;;; Commentary:

;; After each command in the board's buffer, one record is added to a file: the
;; command, the rest of the line at point, and the text as the person made it,
;; that is, without what agents did to their own tasks.  Two runs of the same
;; keys must leave the same records, whatever agents did in one of them.

;;; Code:

(require 'fleet)

(defvar typing-file nil "Where the records go.")
(defvar typing-undone 0 "How many steps `undo' has taken.")
(defvar typing-bottom nil "Non-nil once there was nothing left to undo.")

;; Every ten seconds of wall time Emacs cuts the step that is being typed, which no two runs do at the same key;
;; and it forgets old steps by size, at a garbage collection.
(advice-add 'undo-auto--boundary-timer :override #'ignore)
(setq undo-limit 100000000
      undo-strong-limit 100000000
      undo-outer-limit nil
      save-silently t)

(defun typing-without-agents (text)
  "Return TEXT without what agents did: tasks AG-… as nobody's, none that they added."
  (with-temp-buffer
    (insert text)
    (goto-char (point-min))
    (let ((case-fold-search nil)
          (inhibit-modification-hooks t))
      (while (re-search-forward "^\\(\\*+ \\)\\(?:[A-Z_]+ \\)?\\(AG\\|ADDED\\)-" nil t)
        (let ((added (equal (match-string 2) "ADDED"))
              (start (match-beginning 0))
              (end nil))
          (replace-match "\\1\\2-")
          (setq end (copy-marker (if (re-search-forward "^\\*+ " nil 'move) (match-beginning 0) (point))))
          (if added
              (delete-region start end)
            (save-restriction
              (narrow-to-region start end)
              (flush-lines "^[ \t]*CLOSED: " start (point-max))
              (goto-char start)
              (while (re-search-forward "^[ \t]*:\\(?:PROPERTIES\\|LOGBOOK\\):\n\\(?:.*\n\\)*?[ \t]*:END:\n" nil t)
                (replace-match ""))))
          (goto-char end))))
    (buffer-string)))

(defun typing-record ()
  "Add a record of the last command, if it was one in the board."
  (when (and typing-file (eq (current-buffer) (fleet-board-buffer)))
    (let ((command this-command)
          (rest (replace-regexp-in-string
                 "\\`\\(\\*+ \\)[A-Z_]+ AG-" "\\1AG-"
                 (buffer-substring-no-properties (point) (line-end-position))))
          (text (typing-without-agents
                 (save-restriction
                   (widen)
                   (buffer-substring-no-properties (point-min) (point-max)))))
          (coding-system-for-write 'utf-8))
      (write-region (format "\f%s\nbefore: %s\n%s" command rest text) nil typing-file t 'quiet))))

(defun typing-undo (undo &rest arguments)
  "Count the steps of UNDO, called with ARGUMENTS, down to the first that fails."
  (unless typing-bottom
    (condition-case nil
        (progn (apply undo arguments)
               (setq typing-undone (1+ typing-undone)))
      ;; A planted bug fails in other ways, too.
      (error (setq typing-bottom t)))))

(defun typing-begin (file)
  "Write records into FILE from now on."
  (setq typing-file file)
  (add-hook 'post-command-hook #'typing-record)
  (advice-add 'undo :around #'typing-undo))

;;;; What R16 rejects

(defun typing-shift (list start old new &optional _text)
  "Shift each entry of the undo LIST by its place: what R16 rejects.
The edit replaced OLD characters at START by NEW ones."
  (let ((by (- new old)))
    (dolist (entry (and (consp list) list))
      (pcase entry
        (`(,(pred integerp) . ,(pred integerp))
         (when (>= (car entry) start) (setcar entry (+ by (car entry))))
         (when (>= (cdr entry) start) (setcdr entry (+ by (cdr entry)))))
        (`(,(pred stringp) . ,(pred integerp))
         (when (>= (abs (cdr entry)) start)
           (setcdr entry (* (if (< (cdr entry) 0) -1 1) (+ by (abs (cdr entry))))))))))
  list)

(defun typing-plant-shift ()
  "Let positions in the undo list be shifted instead of carried."
  (advice-add 'fleet-undo-rebase :override #'typing-shift))

(provide 'typing)
;;; typing.el ends here
