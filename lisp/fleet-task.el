;;; fleet-task.el --- Tasks by name: at point, in prompts, in words  -*- lexical-binding: t -*-

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

;; What the commands share: which task point is on, how a person chooses
;; one, and how tasks and refusals are put into words.  A task is called
;; by its ID, else its CUSTOM_ID, else a leading token such as TASK-001 in
;; its title, else by its title (R25).  Tasks are property lists, as
;; replies hold them.
;;
;; Nothing here changes a board.

;;; Code:

(require 'subr-x)
(require 'tabulated-list)

(declare-function fleet-call "fleet-board" (agent call &optional id))
(declare-function fleet-board-buffer "fleet-board" ())
(defvar org-complex-heading-regexp)

;;;; Faces

(defface fleet-pending '((t :inherit default))
  "Face for tasks that wait."
  :group 'fleet)

(defface fleet-in-progress '((t :inherit warning))
  "Face for tasks that somebody works on."
  :group 'fleet)

(defface fleet-done '((t :inherit success))
  "Face for tasks that are done."
  :group 'fleet)

(defface fleet-failed '((t :inherit error))
  "Face for tasks that failed."
  :group 'fleet)

(defface fleet-skipped '((t :inherit shadow))
  "Face for tasks that nobody shall do."
  :group 'fleet)

(defun fleet-task-face (task)
  "Return the face for the state of TASK."
  (pcase (plist-get task :state)
    ("pending" 'fleet-pending)
    ("in-progress" 'fleet-in-progress)
    ("done" 'fleet-done)
    ("failed" 'fleet-failed)
    ("skipped" 'fleet-skipped)
    (_ 'default)))

;;;; Refusals in words

(defun fleet-error-text (error)
  "Return the words of ERROR, a caught `fleet-error', for a person.
ERROR is (SYMBOL MESSAGE :reason REASON :hint HINT ...)."
  (pcase error
    (`(,_ ,(and message (pred stringp)) . ,details)
     (let ((hint (plist-get details :hint))
           (text (if (string-empty-p message)
                     message
                   (concat (upcase (substring message 0 1)) (substring message 1)))))
       (fleet-task-shown (if hint (format "%s (hint: %s)" text hint) text))))
    (_ (fleet-task-shown (error-message-string error)))))

(defmacro fleet-with-user-errors (&rest body)
  "Evaluate BODY; a `fleet-error' becomes a `user-error' with the same meaning.
For code that a person started; Lisp callers want the error itself."
  (declare (indent 0) (debug t))
  `(condition-case error
       (progn ,@body)
     (fleet-error (user-error "%s" (fleet-error-text error)))))

;;;; At point

(defconst fleet-task--token-regexp
  "\\`\\([A-Z][A-Z0-9_]*-[0-9]+\\)\\(?:[[:space:]:]\\|\\'\\)"
  "What matches a title that begins with a token; the token is group 1.")

(defconst fleet-task--planning-regexp "[ \t]*\\(?:CLOSED\\|DEADLINE\\|SCHEDULED\\):"
  "What the planning line under a heading begins with.")

(defun fleet-board-name-at-point ()
  "Return the name of the task around point on the board, or nil.
A heading without a keyword belongs to the task above it.  Elsewhere
than on the board that is served the result is nil."
  (let ((board (fleet-board-buffer)))
    (when (and board (eq board (or (buffer-base-buffer) (current-buffer))))
      (save-excursion
        (save-match-data
          (save-restriction
            (widen)
            (fleet-task--name-above)))))))

(defun fleet-task-at-point ()
  "Return the name of the task at point, or nil.
Point may be on the board, in a list of tasks, or in an agenda that
shows the board."
  (or (fleet-task-on-row)
      (fleet-task--in-agenda)
      (fleet-board-name-at-point)))

(defun fleet-task-on-row ()
  "Return the name of the task on the current row of a list of tasks, or nil."
  (and (derived-mode-p 'fleet-list-mode)
       (tabulated-list-get-id)))

(defun fleet-task--in-agenda ()
  "Return the name of the board's task on the current agenda line, or nil."
  (let ((heading (get-text-property (line-beginning-position) 'org-hd-marker)))
    (when (and (markerp heading) (marker-buffer heading))
      (with-current-buffer (marker-buffer heading)
        (save-excursion
          (save-restriction
            (widen)
            (goto-char heading)
            (fleet-board-name-at-point)))))))

(defun fleet-task-position (name)
  "Return where the heading of task NAME begins in this board buffer, or nil."
  (save-excursion
    (save-match-data
      (save-restriction
        (widen)
        (goto-char (point-min))
        (let ((found nil) (case-fold-search nil))
          (while (and (not found) (search-forward name nil t))
            (setq found (save-excursion
                          (and (equal name (fleet-task--name-above)) (point)))))
          found)))))

(defun fleet-task--name-above ()
  "Move to the heading of the innermost task around point; return its name.
If there is none, return nil and leave point anywhere.  The buffer is
widened."
  (let ((case-fold-search nil) (heading "^\\*+ ") (name nil))
    (end-of-line)
    (while (and heading (not name))
      (if (not (re-search-backward heading nil t))
          (setq heading nil)
        (let ((level (skip-chars-forward "*")))
          (beginning-of-line)
          (setq name (fleet-task--name-here)
                heading (and (> level 1) (format "^\\*\\{1,%d\\} " (1- level)))))))
    name))

(defun fleet-task--name-here ()
  "Return the name of the task whose heading begins at point, or nil."
  (when (and (stringp org-complex-heading-regexp)
             (looking-at org-complex-heading-regexp)
             (match-beginning 2))
    (let ((title (replace-regexp-in-string
                  "\\`COMMENT\\(?:[ \t]+\\|\\'\\)" ""
                  (string-trim (or (match-string-no-properties 4) ""))))
          (properties (fleet-task--properties)))
      (or (cdr (assoc "ID" properties))
          (cdr (assoc "CUSTOM_ID" properties))
          (and (string-match fleet-task--token-regexp title) (match-string 1 title))
          (and (not (string-empty-p title)) title)))))

(defun fleet-task--properties ()
  "Return the properties with a value under the heading at point: (KEY . VALUE)."
  (let ((case-fold-search t) (properties nil))
    (save-excursion
      (forward-line)
      (when (looking-at-p fleet-task--planning-regexp)
        (forward-line))
      (when (looking-at-p "[ \t]*:PROPERTIES:[ \t]*$")
        (while (and (zerop (forward-line))
                    (not (looking-at-p "[ \t]*:END:[ \t]*$"))
                    (looking-at "[ \t]*:\\([^ \t\n]+\\):\\(?:[ \t]+\\(.*\\)\\)?$"))
          (let ((value (string-trim (or (match-string-no-properties 2) ""))))
            (unless (string-empty-p value)
              (push (cons (upcase (match-string-no-properties 1)) value) properties))))))
    (nreverse properties)))

;;;; In words

(defun fleet-task-line (text)
  "Return TEXT, which may be nil, as one line without control characters."
  (replace-regexp-in-string "[\u0000-\u001f\u007f-\u009f\u2028\u2029]+" " " (or text "")))

(defun fleet-task-text (text)
  "Return TEXT without control characters but for line ends and tabs."
  (replace-regexp-in-string "[\u0000-\u0008\u000b-\u001f\u007f-\u009f]" "\N{REPLACEMENT CHARACTER}" text))

(defconst fleet-task-shown-chars-max 2000
  "How much is shown in the echo area, in characters.")

(defun fleet-task-shown (text)
  "Return TEXT for the echo area: printable, and not more than anybody reads."
  (let ((text (fleet-task-text text)))
    (if (> (length text) fleet-task-shown-chars-max)
        (concat (substring text 0 fleet-task-shown-chars-max) "…")
      text)))

(defun fleet-task-date (stamp)
  "Return the org time STAMP, which may be nil, without its brackets."
  (string-trim (fleet-task-line stamp) "[<[ ]+" "[]> ]+"))

(defun fleet-task-title (task)
  "Return the title of TASK without the name that it may begin with."
  (let ((name (plist-get task :name))
        (title (fleet-task-line (plist-get task :title))))
    (if (and (string-prefix-p name title) (not (string= name title)))
        (string-trim-left (substring title (length name)) "[ \t:]+")
      title)))

(defun fleet-task-tags (task)
  "Return the tags of TASK as `:one:two:', or the empty string."
  (let ((tags (append (plist-get task :tags) nil)))
    (if tags (format ":%s:" (string-join tags ":")) "")))

(defun fleet-task-headline (task)
  "Return name and title of TASK in one line, the name once."
  (let ((name (fleet-task-line (plist-get task :name)))
        (title (fleet-task-title task)))
    (if (member title (list "" name))
        name
      (concat name " " title))))

;;;; In prompts

(defvar fleet-task-history nil
  "The tasks that were chosen in prompts.")

(defun fleet-task-read (prompt &optional states default)
  "Ask with PROMPT for a task and return its name, or nil for empty input.
Tasks in one of STATES, a list of Fleet's words, are offered first.
DEFAULT is a name.  Names and exact titles that are not offered can be
typed as well."
  (let* ((tasks (fleet-task--preferring states (fleet-task--all)))
         (texts (fleet-task--texts tasks))
         (chosen (completing-read (format-prompt prompt default)
                                  (fleet-task-table texts)
                                  nil nil nil 'fleet-task-history
                                  (and default (fleet-task--text-of default texts))))
         (task (cdr (assoc chosen texts))))
    (cond (task (plist-get task :name))
          ((string-empty-p chosen) nil)
          (t chosen))))

(defun fleet-task--all ()
  "Return all tasks of the board, in its order."
  (append (plist-get (fleet-call nil '(:verb "list")) :tasks) nil))

(defun fleet-task--preferring (states tasks)
  "Return TASKS, those in one of STATES first, otherwise in the same order."
  (let ((preferred nil) (others nil))
    (dolist (task tasks)
      (if (member (plist-get task :state) states)
          (push task preferred)
        (push task others)))
    (nconc (nreverse preferred) (nreverse others))))

(defun fleet-task--texts (tasks)
  "Return what to offer for TASKS, as an alist from texts to tasks."
  (mapcar (lambda (task) (cons (fleet-task-headline task) task)) tasks))

(defun fleet-task--text-of (name texts)
  "Return the text that stands for the task NAME in TEXTS, or NAME."
  (let ((found nil))
    (while (and texts (not found))
      (when (equal name (plist-get (cdar texts) :name))
        (setq found (caar texts)))
      (setq texts (cdr texts)))
    (or found name)))

(defun fleet-task-table (texts)
  "Return a completion table for TEXTS, an alist from texts to tasks.
Its category is `fleet-task'."
  (let ((tasks (make-hash-table :test #'equal)))
    (pcase-dolist (`(,text . ,task) texts)
      (unless (gethash text tasks)
        (puthash text task tasks)))
    (let ((metadata
           `(metadata
             (category . fleet-task)
             (annotation-function
              . ,(lambda (text) (fleet-task--annotation (gethash text tasks))))
             (affixation-function
              . ,(lambda (offered) (fleet-task--affixes offered tasks)))
             (display-sort-function . identity)
             (cycle-sort-function . identity))))
      (lambda (string predicate action)
        (if (eq action 'metadata)
            metadata
          (complete-with-action action tasks string predicate))))))

(defun fleet-task--annotation (task)
  "Return the text after TASK in a prompt: state, holder, tags, deadline."
  (fleet-task--suffix task (list (plist-get task :keyword))))

(defun fleet-task--suffix (task &optional first)
  "Return the words FIRST and then holder, tags and deadline of TASK."
  (let* ((deadline (fleet-task-date (plist-get task :deadline)))
         (words (append first
                        (list (plist-get task :holder)
                              (plist-get task :unready)
                              (fleet-task-tags task)
                              (if (string-empty-p deadline) "" (concat "due " deadline)))))
         (shown (delete "" (delq nil words))))
    (if shown
        (propertize (concat "  " (string-join shown "  ")) 'face 'completions-annotations)
      "")))

(defun fleet-task--affixes (offered tasks)
  "Return (TEXT PREFIX SUFFIX) for each text OFFERED; TASKS maps texts to tasks."
  (let* ((keyword (lambda (text) (or (plist-get (gethash text tasks) :keyword) "")))
         (width (apply #'max 0 (mapcar (lambda (text) (length (funcall keyword text))) offered))))
    (mapcar (lambda (text)
              (let ((task (gethash text tasks)))
                (list text
                      (propertize (string-pad (funcall keyword text) (1+ width))
                                  'face (fleet-task-face task))
                      (fleet-task--suffix task))))
            offered)))

(provide 'fleet-task)
;;; fleet-task.el ends here
