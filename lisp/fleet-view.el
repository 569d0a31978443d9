;;; fleet-view.el --- Tasks, events and status to read  -*- lexical-binding: t -*-

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

;; What the reading commands show: one task whole, the journal, and how
;; the board is doing.

;;; Code:

(require 'help-mode)
(require 'fleet-task)

(declare-function fleet-call "fleet-board" (agent call &optional id))
(declare-function fleet-visit "fleet-list" (task))

;;;; One task

(define-button-type 'fleet-view-task
  'action (lambda (button) (fleet-visit (button-get button 'fleet-task)))
  'follow-link t
  'help-echo "Go to the heading on the board")

(defun fleet-view-task (task)
  "Show TASK, a whole one from `show', in the help buffer."
  (let ((name (plist-get task :name)))
    (help-setup-xref (list #'fleet-view--task-again name) nil)
    (with-help-window (help-buffer)
      (with-current-buffer standard-output
        (insert-text-button (fleet-task-line name) 'type 'fleet-view-task 'fleet-task name)
        (let ((title (fleet-task-title task)))
          (unless (member title (list "" name))
            (insert " " title)))
        (insert "\n\n")
        (fleet-view--facts task)
        (let ((body (string-trim-right (or (plist-get task :body) ""))))
          (unless (string-empty-p body)
            (insert "\n" (fleet-task-text body) "\n")))))))

(defun fleet-view--task-again (name)
  "Show the task NAME as it is now."
  (fleet-with-user-errors
    (fleet-view-task (plist-get (fleet-call nil `(:verb "show" :task ,name)) :task))))

(defun fleet-view--facts (task)
  "Insert what is known of TASK, a line for each fact."
  (let ((tags (fleet-task-tags task))
        (attempts (plist-get task :attempts)))
    (fleet-view--fact "State" (propertize (plist-get task :keyword) 'face (fleet-task-face task)))
    (fleet-view--fact "Not ready" (plist-get task :unready))
    (fleet-view--fact "Holder" (plist-get task :holder))
    (fleet-view--fact "Token" (plist-get task :token))
    (fleet-view--fact "Lease" (fleet-view--lease (plist-get task :lease_ms)))
    (fleet-view--fact "Priority" (plist-get task :priority))
    (fleet-view--fact "Tags" (and (not (string-empty-p tags)) tags))
    (fleet-view--fact "Deadline" (plist-get task :deadline))
    (fleet-view--fact "Scheduled" (plist-get task :scheduled))
    (fleet-view--fact "Attempts" (and attempts (> attempts 0) (number-to-string attempts)))
    (fleet-view--fact "Poison" (and (plist-get task :poison)
                                    "too many agents failed at it: M-x fleet-requeue"))
    (dolist (failure (plist-get task :failures))
      (fleet-view--fact "Failed" (fleet-view--failure failure)))
    (fleet-view--fact "Not before" (plist-get task :not_before))
    (fleet-view--fact "Result" (plist-get task :result))
    (let ((properties (plist-get task :properties)))
      (while properties
        (fleet-view--fact (symbol-name (car properties)) (cadr properties))
        (setq properties (cddr properties))))))

(defun fleet-view--fact (label value)
  "Insert a line with LABEL and VALUE unless VALUE is nil."
  (when value
    (insert (format "%-14s %s\n" (fleet-task-line label) (fleet-task-line value)))))

(defun fleet-view--lease (ms)
  "Say that MS milliseconds are left of a claim, if that is a number."
  (and ms (format "%s left" (format-seconds "%dd %hh %mm %z%ss" (/ ms 1000)))))

(defun fleet-view--failure (failure)
  "Say in one line when, with whom and how FAILURE, an attempt, ended."
  (let ((reason (plist-get failure :reason)))
    (concat (plist-get failure :at) " " (plist-get failure :agent) " " (plist-get failure :cause)
            (and reason (concat ": " reason)))))

;;;; The journal

(defun fleet-view-events (events)
  "Show EVENTS, as `log' answers them, in a buffer of their own."
  (let ((buffer (get-buffer-create "*Fleet log*")))
    (with-current-buffer buffer
      (special-mode)
      (setq truncate-lines t)
      (let ((inhibit-read-only t))
        (erase-buffer)
        (mapc (lambda (event) (insert (fleet-view-event event) "\n")) events)
        (when (bobp)
          (insert "Nothing has happened yet.\n"))))
    (pop-to-buffer buffer)
    (goto-char (point-max))
    (forward-line -1)))

(defun fleet-view-event (event)
  "Return EVENT in one line: number, time, who by which door, what, and its text."
  (let* ((change (plist-get event :change))
         (from (plist-get change :from))
         (to (plist-get change :to))
         (words (list (and (plist-get event :number) (format "%6d" (plist-get event :number)))
                      (plist-get event :at)
                      (plist-get event :by)
                      (format "(%s/%s)" (plist-get event :via) (plist-get event :auth))
                      (plist-get change :kind)
                      (plist-get change :task)
                      (and from to (format "%s -> %s" from to))
                      (or (plist-get change :result)
                          (plist-get change :reason)
                          (plist-get change :text)))))
    (mapconcat #'fleet-task-line (delq nil words) "  ")))

;;;; The board

(defun fleet-view-status (status)
  "Return STATUS, as `status' answers it, in a few lines for the echo area."
  (let ((counts (plist-get status :counts)) (tasks nil))
    (while counts
      (push (format "%d %s" (cadr counts) (substring (symbol-name (car counts)) 1)) tasks)
      (setq counts (cddr counts)))
    (string-join
     (append
      (list (format "%s: %s, %s; %d unapplied, %d unsaved"
                    (file-name-nondirectory (plist-get status :path))
                    (plist-get status :state)
                    (if tasks (string-join (nreverse tasks) ", ") "no tasks")
                    (plist-get status :unapplied)
                    (plist-get status :unsaved)))
      (and (plist-get status :detail) (list (plist-get status :detail)))
      (append (plist-get status :notices) nil))
     "\n")))

(provide 'fleet-view)
;;; fleet-view.el ends here
