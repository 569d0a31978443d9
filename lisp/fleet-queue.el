;;; fleet-queue.el --- Claim, finish and add tasks  -*- lexical-binding: t -*-

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

;; The verbs of the board.  Each is a function, for `emacsclient -e',
;; notebooks and other Lisp: strings in, the reply as a property list out,
;; refusals as error symbols under `fleet-error'.  And each is a command:
;; it asks for what it needs, with the task at point as the default, works
;; in your own name (`fleet-agent') unless a prefix argument makes it ask
;; for another agent's, tells the outcome in the echo area, and turns
;; refusals into a `user-error'.  The key :show is what makes the
;; difference.
;;
;; The autoloads name fleet.el, because that loads the owner of the board
;; as well.
;;
;; A function that was given its arguments asks nothing.  No rule of the
;; queue is in this file; PROTOCOL.md says what each verb does and which
;; fields its reply has.

;;; Code:

(eval-when-compile (require 'cl-lib))
(require 'crm)
(require 'fleet-list)
(require 'fleet-task)
(require 'fleet-view)

(declare-function fleet-call "fleet-board" (agent call &optional id))
(defvar fleet-agent)

;;;; Asking the person

(defvar fleet-queue--agent-history nil
  "The agents that were named in prompts.")

(defun fleet-queue--read-agent ()
  "Return the person's own agent name, or with a prefix argument another."
  (if current-prefix-arg
      (read-string (format-prompt "As agent" fleet-agent) nil
                   'fleet-queue--agent-history fleet-agent)
    fleet-agent))

(defun fleet-queue--read-task (prompt &rest states)
  "Return the task on the current row, or ask for one with PROMPT.
Tasks in STATES are offered first; the one at point is the default."
  (or (fleet-task-on-row)
      (fleet-with-user-errors
        (fleet-task-read prompt states (fleet-task-at-point)))
      (user-error "No task named")))

(defun fleet-queue--read-tags ()
  "Ask for tags of a new task; offer those on the board."
  (let ((tags (fleet-with-user-errors
                (mapcan (lambda (task) (append (plist-get task :tags) nil))
                        (fleet-task--all)))))
    (delete "" (completing-read-multiple "Tags (optional): " (delete-dups tags)))))

;;;; Asking the board

(defun fleet-queue--given (text)
  "Return TEXT, or nil if it is empty."
  (unless (equal text "") text))

(defun fleet-queue--ask (agent call id show)
  "Return the reply to CALL by AGENT, under request ID if that is non-nil.
AGENT defaults to `fleet-agent'.  If SHOW is non-nil, it is a function
that puts the reply into words; they are shown, and a refusal becomes a
`user-error'."
  (let ((agent (or (fleet-queue--given agent) fleet-agent))
        (call (fleet-queue--without-blanks call)))
    (if (not show)
        (fleet-call agent call id)
      (let ((reply (fleet-with-user-errors (fleet-call agent call id))))
        (fleet-list-refresh)
        (message "%s" (fleet-task-shown
                       (fleet-queue--with-remarks (funcall show reply) reply)))
        reply))))

(defun fleet-queue--without-blanks (call)
  "Return CALL without the keys whose value is nil or the empty string."
  (let ((kept nil))
    (while call
      (when (fleet-queue--given (cadr call))
        (setq kept (nconc kept (list (car call) (cadr call)))))
      (setq call (cddr call)))
    kept))

(defun fleet-queue--with-remarks (words reply)
  "Return WORDS and what else a person should know of REPLY."
  (let ((remarks
         (delq nil
               (list (and (plist-get reply :replayed) "answered before")
                     (and (plist-get reply :late) "late, but accepted")
                     (and (equal "missing" (plist-get reply :board))
                          "its heading is not on the board at the moment")
                     (and (plist-member reply :applied)
                          (not (plist-get reply :applied))
                          "the buffer follows")))))
    (string-join (cons (if remarks
                           (format "%s (%s)" words (string-join remarks ", "))
                         words)
                       (append (fleet-queue--halted reply) (plist-get reply :notices) nil))
                 "\n")))

(defun fleet-queue--halted (reply)
  "Return a list of the line that says that the fleet is halted, if REPLY says so."
  (let ((reason (plist-get reply :halt)))
    (when reason
      (list (if (equal reason "") "HALT" (concat "HALT: " reason))))))

(defun fleet-queue--outcome (reply)
  "Say in one line what became of the task of REPLY."
  (let ((task (plist-get reply :task)))
    (if task
        (format "%s is now %s" (fleet-task-headline task) (plist-get task :keyword))
      "Accepted")))

(defun fleet-queue--claimed (reply)
  "Say in one line what was claimed by REPLY."
  (let ((task (plist-get reply :task)))
    (format "Claimed %s for %s" (fleet-task-headline task) (plist-get task :holder))))

;;;; Holding a task

;;;###autoload (autoload 'fleet-claim "fleet" nil t)
(cl-defun fleet-claim (&optional task agent &key tags resume lease id show wait)
  "Make AGENT the holder of TASK and return the reply.
Without TASK, or with an empty one, that is the best task which is ready
for AGENT and has all TAGS.  With RESUME, a running claim of TASK by
AGENT is returned instead of refused.  LEASE is how many seconds the
claim lasts without a sign of life, 0 for ever.  The reply has the whole
:task and the :token of the claim.

AGENT defaults to `fleet-agent'; with a prefix argument, ask for it.
ID names the request: a repeat under the same ID returns the first reply.
With SHOW, as in interactive use, tell the outcome in the echo area.
To take a claim back, use `fleet-release', not undo.

There is no WAIT here as `fleet claim --wait' has it: Emacs would stand
still.  Claim again in a function of `fleet-event-functions'."
  (interactive
   (list (fleet-queue--read-task "Claim task" "pending")
         (fleet-queue--read-agent) :show t))
  (when wait
    (signal 'fleet-usage-error
            '("a claim that waits would make Emacs stand still" :reason "cannot-wait"
              :hint "claim again in a function of `fleet-event-functions'")))
  (fleet-queue--ask agent `(:verb "claim" :task ,task :tags ,tags :resume ,resume :lease_secs ,lease)
                    id (and show #'fleet-queue--claimed)))

;;;###autoload (autoload 'fleet-claim-next "fleet" nil t)
(defun fleet-claim-next (agent)
  "Claim the best task that is ready for AGENT.
With a prefix argument, ask for AGENT."
  (interactive (list (fleet-queue--read-agent)))
  (fleet-claim nil agent :show t))

;;;###autoload (autoload 'fleet-renew "fleet" nil t)
(cl-defun fleet-renew (task &optional agent &key token lease id show)
  "Tell that AGENT still works on TASK, and return the reply.
The lease of the claim begins anew; with LEASE it is that many seconds
long from now on, or with 0 for ever.  AGENT, TOKEN, ID and SHOW are as in
`fleet-done'."
  (interactive
   (list (fleet-queue--read-task "Renew task" "in-progress")
         (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent `(:verb "renew" :task ,task :token ,token :lease_secs ,lease)
                    id (and show #'fleet-queue--outcome)))

;;;###autoload (autoload 'fleet-done "fleet" nil t)
(cl-defun fleet-done (task &optional result agent &key token id show)
  "Close TASK as done with RESULT and return the reply.
AGENT, which defaults to `fleet-agent', must be its holder; TOKEN, that
of the claim, makes sure that it still is.  ID names the request.
With SHOW, as in interactive use, tell the outcome in the echo area."
  (interactive
   (list (fleet-queue--read-task "Done with task" "in-progress")
         (read-string "Result (optional): ")
         (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent `(:verb "done" :task ,task :token ,token :result ,result)
                    id (and show #'fleet-queue--outcome)))

;;;###autoload (autoload 'fleet-fail "fleet" nil t)
(cl-defun fleet-fail (task &optional reason agent &key token id show)
  "Report that an attempt at TASK failed for REASON; return the reply.
The task waits for its next attempt, or has failed for good.  AGENT,
TOKEN, ID and SHOW are as in `fleet-done'."
  (interactive
   (list (fleet-queue--read-task "Failed at task" "in-progress")
         (read-string "Reason (optional): ")
         (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent `(:verb "fail" :task ,task :token ,token :reason ,reason)
                    id (and show #'fleet-queue--outcome)))

;;;###autoload (autoload 'fleet-release "fleet" nil t)
(cl-defun fleet-release (task &optional reason agent &key token id show)
  "Give TASK back for REASON, without counting an attempt; return the reply.
AGENT, TOKEN, ID and SHOW are as in `fleet-done'."
  (interactive
   (list (fleet-queue--read-task "Release task" "in-progress")
         (read-string "Reason (optional): ")
         (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent `(:verb "release" :task ,task :token ,token :reason ,reason)
                    id (and show #'fleet-queue--outcome)))

;;;; Closing and opening

;;;###autoload (autoload 'fleet-skip "fleet" nil t)
(cl-defun fleet-skip (task &optional reason agent &key id show)
  "Close TASK, which nobody shall do, for REASON; return the reply.
AGENT, ID and SHOW are as in `fleet-done'."
  (interactive
   (list (fleet-queue--read-task "Skip task" "pending" "in-progress")
         (read-string "Reason (optional): ")
         (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent `(:verb "skip" :task ,task :reason ,reason)
                    id (and show #'fleet-queue--outcome)))

;;;###autoload (autoload 'fleet-requeue "fleet" nil t)
(cl-defun fleet-requeue (task &optional reason agent &key id show)
  "Open the closed TASK again for REASON; return the reply.
AGENT, ID and SHOW are as in `fleet-done'."
  (interactive
   (list (fleet-queue--read-task "Requeue task" "failed" "skipped" "done")
         (read-string "Reason (optional): ")
         (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent `(:verb "requeue" :task ,task :reason ,reason)
                    id (and show #'fleet-queue--outcome)))

;;;; Writing

;;;###autoload (autoload 'fleet-add "fleet" nil t)
(cl-defun fleet-add (title &key tags priority deadline scheduled body task blocked-by
                           agent id show)
  "Add a task called TITLE at the end of the board and return the reply.
TAGS is a list of strings; those that name agents assign the task.
PRIORITY is a letter, DEADLINE and SCHEDULED are dates such as
\"2026-04-15\" or \"2026-04-15 10:00\".  BODY is the text under the
heading, TASK its ID, BLOCKED-BY a list of tasks to be done before.
AGENT, ID and SHOW are as in `fleet-done'."
  (interactive
   (list (read-string "Title of the new task: ")
         :tags (fleet-queue--read-tags)
         :agent (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent
                    `(:verb "add" :title ,title :tags ,tags
                      :priority ,(if (characterp priority) (string priority) priority)
                      :deadline ,deadline :scheduled ,scheduled :body ,body
                      :task ,task :blocked_by ,blocked-by)
                    id
                    (and show
                         (lambda (reply)
                           (format "Added %s" (fleet-task-headline (plist-get reply :task)))))))

;;;###autoload (autoload 'fleet-note "fleet" nil t)
(cl-defun fleet-note (task text &optional agent &key token id show)
  "Add the progress line TEXT to the log of TASK and return the reply.
AGENT, TOKEN, ID and SHOW are as in `fleet-done'."
  (interactive
   (list (fleet-queue--read-task "Note on task" "in-progress")
         (read-string "Note: ")
         (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent `(:verb "note" :task ,task :token ,token :text ,text)
                    id
                    (and show
                         (lambda (_) (format "Noted on %s" task)))))

;;;###autoload (autoload 'fleet-append "fleet" nil t)
(cl-defun fleet-append (text &optional agent &key id show)
  "Append the status message TEXT to the board and return the reply.
AGENT, ID and SHOW are as in `fleet-done'."
  (interactive (list (read-string "Message: ") (fleet-queue--read-agent) :show t))
  (fleet-queue--ask agent `(:verb "append" :text ,text)
                    id (and show (lambda (_) "Appended"))))

;;;; Reading

;;;###autoload (autoload 'fleet-poll "fleet" nil t)
(cl-defun fleet-poll (&optional agent &key tags limit explain show)
  "Return the reply with the :tasks that are ready for AGENT, best first.
Without AGENT, those that are ready for anyone; interactively it is
`fleet-agent'.  Only tasks with all TAGS, and at most LIMIT of them.
With EXPLAIN every other open task follows, with :why AGENT does not get
it.  With SHOW, as in interactive use, list them in a buffer; with a
prefix argument, ask for AGENT and explain."
  (interactive (list (fleet-queue--read-agent)
                     :explain (and current-prefix-arg t) :show t))
  (fleet-queue--read (fleet-queue--given agent)
                     `(:verb "poll" :tags ,tags :limit ,limit :explain ,(and explain t))
                     (and show "*Fleet ready*")))

;;;###autoload (autoload 'fleet-list "fleet" nil t)
(cl-defun fleet-list (&key state tags holder limit show)
  "Return the reply with the :tasks of the board, in its order.
Only those in STATE (Fleet's word or the keyword), with all TAGS, held by
HOLDER, and at most LIMIT of them.  With SHOW, as in interactive use,
list them in a buffer; with a prefix argument, ask for HOLDER."
  (interactive (list :holder (and current-prefix-arg (fleet-queue--read-agent)) :show t))
  (fleet-queue--read nil
                     `(:verb "list" :state ,state :tags ,tags :holder ,holder :limit ,limit)
                     (and show "*Fleet tasks*")))

(defun fleet-queue--read (agent call buffer-name)
  "Return the reply to the reading CALL by AGENT.
List its tasks in the buffer BUFFER-NAME unless that is nil."
  (let ((call (fleet-queue--without-blanks call)))
    (if (not buffer-name)
        (fleet-call agent call)
      (let ((reply (fleet-with-user-errors (fleet-call agent call))))
        (fleet-list-display buffer-name agent call (plist-get reply :tasks))
        (when (plist-get reply :notices)
          (message "%s" (fleet-task-shown (string-join (plist-get reply :notices) "\n"))))
        reply))))

;;;###autoload (autoload 'fleet-show "fleet" nil t)
(cl-defun fleet-show (task &key show)
  "Return the reply with the whole :task TASK.
With SHOW, as in interactive use, show it in the help buffer."
  (interactive (list (fleet-queue--read-task "Show task") :show t))
  (let ((call `(:verb "show" :task ,task)))
    (if (not show)
        (fleet-call nil call)
      (let ((reply (fleet-with-user-errors (fleet-call nil call))))
        (fleet-view-task (plist-get reply :task))
        reply))))

;;;###autoload (autoload 'fleet-status "fleet" nil t)
(cl-defun fleet-status (&key show)
  "Return the reply with the :status of board, journal and daemon.
With SHOW, as in interactive use, tell it in the echo area."
  (interactive (list :show t))
  (let ((call '(:verb "status")))
    (if (not show)
        (fleet-call nil call)
      (let ((reply (fleet-with-user-errors (fleet-call nil call))))
        (message "%s" (fleet-task-shown
                       (string-join (append (fleet-queue--halted reply)
                                            (list (fleet-view-status (plist-get reply :status))))
                                    "\n")))
        reply))))

;;;; Stopping everything

;;;###autoload (autoload 'fleet-halt "fleet" nil t)
(cl-defun fleet-halt (&optional reason agent &key id show)
  "Stop the fleet for REASON and return the reply: nothing is claimed.
What is held can still be finished.  `fleet-resume' ends it.

Without AGENT, you do it as the person at this Emacs.  ID names the
request.  With SHOW, as in interactive use, tell the outcome in the echo
area."
  (interactive (list (read-string "Halt the fleet because (optional): ")
                     (and current-prefix-arg (fleet-queue--read-agent)) :show t))
  (fleet-queue--order agent `(:verb "halt" :reason ,reason) id
                      (and show "The fleet is halted; M-x fleet-resume ends it")))

;;;###autoload (autoload 'fleet-resume "fleet" nil t)
(cl-defun fleet-resume (&optional agent &key id show)
  "Let a halted fleet go on and return the reply.
No agent is started by this.  AGENT, ID and SHOW are as in `fleet-halt'."
  (interactive (list (and current-prefix-arg (fleet-queue--read-agent)) :show t))
  (fleet-queue--order agent '(:verb "resume") id (and show "The fleet goes on")))

(defun fleet-queue--order (agent call id words)
  "Return the reply to CALL by AGENT or, if that is nil, by the person.
ID names the request.  WORDS, if non-nil, tell the outcome."
  (let* ((agent (fleet-queue--given agent))
         (call (fleet-queue--without-blanks call))
         (reply (if words
                    (fleet-with-user-errors (fleet-call agent call id))
                  (fleet-call agent call id))))
    (force-mode-line-update t)
    (when words
      (fleet-list-refresh)
      (message "%s" words))
    reply))

;;;###autoload (autoload 'fleet-log "fleet" nil t)
(cl-defun fleet-log (&key after task by kinds since until limit show)
  "Return the reply with the :events of the journal, oldest first.
Only events after number AFTER, of TASK, BY an agent (also `human' and
`system'), of one of KINDS, from SINCE up to UNTIL (both in RFC 3339),
and the newest LIMIT of them.  With SHOW, as in interactive use, show
them in a buffer; with a prefix argument, ask for TASK."
  (interactive
   (list :task (and current-prefix-arg (fleet-queue--read-task "Log of task")) :show t))
  (let ((call (fleet-queue--without-blanks
               `(:verb "log" :after ,after :task ,task :agent ,by :kinds ,kinds
                      :since ,since :until ,until :limit ,limit))))
    (if (not show)
        (fleet-call nil call)
      (let ((reply (fleet-with-user-errors (fleet-call nil call))))
        (fleet-view-events (append (plist-get reply :events) nil))
        reply))))

(provide 'fleet-queue)
;;; fleet-queue.el ends here
