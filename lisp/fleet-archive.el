;;; fleet-archive.el --- Move closed tasks to the archive  -*- lexical-binding: t -*-

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

;; The verb `archive', as a function and as a command: closed tasks leave
;; the board for the file where Org would put them.  Which may go, what
;; stands there and what survives a crash is decided by the engine;
;; PROTOCOL.md says how.  `org-archive-subtree' by hand is fine as well.

;;; Code:

(eval-when-compile (require 'cl-lib))
(require 'fleet-queue)

(defconst fleet-archive-days-default 30
  "Days for which a task must be closed to be offered to the archive.")

;;;###autoload (autoload 'fleet-archive "fleet" nil t)
(cl-defun fleet-archive (&optional tasks agent &key older-than dry-run id show)
  "Move TASKS, a name or a list of names, to the archive; return the reply.
Each must be closed, with nothing open below it, and all go or none.
Without TASKS, all go that were closed more than OLDER-THAN days ago; the
default is `fleet-archive-days-default'.  The reply has the :tasks, as they
were.  With DRY-RUN they stay, and the reply says which would go.

AGENT defaults to `fleet-agent'; ID names the request: a repeat under the
same ID archives nothing more.  With SHOW, as in interactive use, tell the
outcome in the echo area.  Interactively, that is one task, the one at
point by default; with a prefix argument, ask for OLDER-THAN instead.
To take it back, move the heading from the archive to the board."
  (interactive
   (if current-prefix-arg
       (list nil nil :older-than
             (read-number "Archive what was closed more than so many days ago: "
                          fleet-archive-days-default)
             :show t)
     (list (fleet-queue--read-task "Archive task" "done" "failed" "skipped") nil :show t)))
  (fleet-queue--ask agent
                    `(:verb "archive" :tasks ,(ensure-list tasks)
                      :older_than_secs ,(and older-than (round (* older-than 86400)))
                      :dry_run ,(and dry-run t))
                    id (and show #'fleet-archive--told)))

(defun fleet-archive--told (reply)
  "Say in one line what became of the tasks of REPLY."
  (let ((tasks (append (plist-get reply :tasks) nil)))
    (pcase (length tasks)
      (0 "There is nothing to archive")
      (1 (format "Archived %s" (fleet-task-headline (car tasks))))
      (count (format "Archived %d tasks" count)))))

(provide 'fleet-archive)
;;; fleet-archive.el ends here
