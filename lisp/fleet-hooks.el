;;; fleet-hooks.el --- Other people's Lisp, called safely  -*- lexical-binding: t -*-

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

;; What Lisp authors hang on: `fleet-event-functions' hear of every event,
;; `fleet-claim-veto-functions' may refuse a claim, and Org's own hooks for
;; changes of state run after an agent's change as after a person's.
;;
;; Their code is not ours.  It runs between requests, never inside of one:
;; nothing of Fleet's is half done then, so that it may wait, edit the board
;; and use every verb.  What goes wrong in it is told and stops nothing.

;;; Code:

(require 'cl-lib)
(require 'seq)
(require 'fleet-watch)
(require 'fleet-edit)

(declare-function fleet--mod-is-open "ext:fleet-module.so" ())
(declare-function fleet--mod-durable "ext:fleet-module.so" ())
(declare-function fleet--mod-news "ext:fleet-module.so" (after limit))
(declare-function fleet--mod-notice "ext:fleet-module.so" (text))
(declare-function fleet--mod-next-question "ext:fleet-module.so" (ticket))
(declare-function fleet--mod-answer-question "ext:fleet-module.so" (question veto))
(declare-function fleet-board--process "fleet-board" (&optional now ticket))
(declare-function fleet-save-soon "fleet-save" ())

(defvar fleet-board--busy)
(defvar fleet-board-breath-seconds)
(defvar org-state)
(defvar org-last-state)

(defvar fleet-event-functions nil
  "Abnormal hook: functions that are called with every event of the board.
Each is called with one argument, the event as a property list:

`:number'   of the event in the journal; later ones are greater
`:at'       when, as a string (RFC 3339)
`:kind'     what happened, a string.  By agents: \"added\", \"claimed\",
            \"done\", \"failed\", \"released\", \"skipped\", \"requeued\",
            \"noted\", \"appended\", \"renewed\".  By a person's hand:
            \"edited\", \"removed\", \"returned\".  By whoever was asked to:
            \"archived\", \"halted\", \"resumed\".  By Fleet: \"opened\",
            \"saving\", \"expired\" (nobody heard of the agent)
`:task'     the task concerned, if there is one
`:by'       the agent, \"human\" or \"system\"
`:via'      the door: \"emacs\", \"socket\", \"offline\", or \"inside\" if
            nobody asked
`:auth'     what the name in `:by' rests on: \"label\", \"uid\" or \"key\"
`:request'  the id of the request, if there was one
`:from' `:to'  the keyword before and after; of \"edited\", the value
`:field'    of \"edited\": \"state\", \"title\", \"priority\", \"tags\",
            \"deadline\", \"scheduled\", or \"heading\" (it is new)
`:result' `:late' `:repeat'  of \"done\"; `:late' of \"failed\", too;
            `:repeat': the next dates of a task that comes again
`:reason'   of \"failed\", \"released\", \"skipped\", \"requeued\", \"halted\"
`:attempts' `:not_before' `:poison'  of \"failed\" and \"expired\";
            `:poison': the agents that failed, if they are too many
`:agent' `:token'  of \"expired\": whose claim it was
`:text'     of \"noted\" and \"appended\"
`:title' `:stamp' `:heading'  of \"claimed\"; `:heading' of \"added\", too
`:lease_secs'  of \"claimed\": how long it lasts; 0 is for ever
`:archived' of \"removed\", `:keyword' of \"returned\"

\"archived\", \"opened\" and \"saving\" have more; PROTOCOL.md lists the
fields of every kind.  A key whose value is unknown or false is absent.

Events come in the order of their numbers, each once in a session, after
they are durable and the replies to the requests behind them are gone.  A
session begins with `fleet-serve'.  Its first event is the first that
happened since an Emacs had the board before: what was done offline comes,
to functions that are there by then.  A function that is added later hears
of later events.

A function may wait, edit the board and call `fleet-claim' and all other
verbs; what it writes into the board counts as a person's edit.  It
must not ask: prompts, and `sit-for', signal an error (`sleep-for' and
`accept-process-output' do not).  An error, a quit or a throw is told once
in *Messages* and by `fleet-status', and the other functions are called
all the same.  While a function runs, Emacs does nothing else: start a
process, or a timer, for what takes long.  At most `fleet-event-batch-max'
events wait in memory; those behind them wait in the journal.  The current
buffer is a temporary one.  Only the hook's global value counts.")

(defvar fleet-claim-veto-functions nil
  "Abnormal hook: functions that may refuse a claim before it is decided.
Each is called with two property lists.  The first is the task as
`fleet-show' returns it, without `:line'.  The second is the claim:

`:agent'    who claims
`:via' `:auth'     through which door, as in `fleet-event-functions'
`:id'       the id of the request
`:named'    non-nil if the claim names the task; nil if it takes the best one

A function that returns nil has nothing against it.  A string is a veto
with its reason, any other value a veto.  So is an error: a check that fails
must not let work through.  The first veto counts.  A claim of a named task
is then refused with `fleet-conflict' and the reason \"vetoed\"; one of the
best task goes on to the next.  If the task is another by the time of the
decision, the functions are asked again.  A claim is given up after
VETO_ASKS_MAX vetoes (PROTOCOL.md), or as many questions about one task
that keeps changing.

`fleet-poll' is not filtered: it lists what this hook may refuse.  A
repeated request is answered as before, without asking.  A claim with
`--offline' cannot ask anyone.

While a function thinks, its claim waits, but others do not have to: it may
wait with `accept-process-output'.  It may call verbs too; a claim of its
own is put to the functions again, `fleet-veto-depth-max' deep.  What holds
for prompts, buffers and the global value in `fleet-event-functions' holds
here.")

(defcustom fleet-run-org-hooks t
  "Whether an agent's change of state runs Org's hooks for such changes.
These are `org-after-todo-state-change-hook' and `org-trigger-hook', which
packages such as Org Edna use.  They run a moment after the change, in the
board's buffer at the heading, as `org-todo' runs them.  What they change
counts as a person's edit.  They must not ask anything."
  :type 'boolean
  :group 'fleet
  :package-version '(fleet . "0.1.0"))

(defconst fleet-event-batch-max 100
  "How many events wait in memory for `fleet-event-functions'.")

(defconst fleet-event-stretch-seconds 0.05
  "After so long other people's functions are left for a moment.
Requests that came meanwhile are answered before the next function.")

(defconst fleet-event-last-seconds 1.0
  "For how long events are still handed out when the board is given back.")

(defconst fleet-veto-depth-max 8
  "How many claims may be made within each other by veto functions.")

(defconst fleet-org-changes-max 1000
  "How many changes of state wait for Org's hooks; older ones are let go.")

;;;; Calling

(defun fleet-hooks--call (function &rest arguments)
  "Call FUNCTION with ARGUMENTS; return a list of its value.
If it is left in any other way, return in words how."
  (let ((outcome "it was left by a throw")
        (inhibit-interaction t)
        (debug-on-error nil)
        (debug-on-quit nil)
        (debug-on-signal nil)
        (signal-hook-function nil))
    ;; A throw to somebody else's tag cannot be caught by name, but it can be
    ;; replaced by another throw while the stack unwinds.
    (catch 'fleet-hooks--out
      (unwind-protect
          (setq outcome (condition-case error
                            (let ((inhibit-quit nil))
                              (list (save-match-data (apply function arguments))))
                          (t (fleet-hooks--words error))))
        (throw 'fleet-hooks--out nil)))
    outcome))

(defun fleet-hooks--words (error)
  "Return ERROR, a condition, in one line of printable characters."
  (truncate-string-to-width
   (replace-regexp-in-string
    "[\u0000-\u001f\u007f-\u009f\u2028\u2029]+" " "
    (condition-case nil
        (let ((print-length 20) (print-level 5))
          ;; A refusal's other data is for programs.
          (if (and (memq 'fleet-error (get (car error) 'error-conditions))
                   (stringp (cadr error)))
              (cadr error)
            (error-message-string error)))
      (t "an error that cannot be printed")))
   500 nil nil t))

(defun fleet-hooks--name (function)
  "Return a short name of FUNCTION."
  (if (symbolp function)
      (symbol-name function)
    (fleet-hooks--short (let ((print-length 6) (print-level 3)) (prin1-to-string function)))))

(defun fleet-hooks--short (text)
  "Return the beginning of TEXT in one line."
  (truncate-string-to-width (replace-regexp-in-string "[\u0000-\u001f\u007f-\u009f\u2028\u2029]+" " " text) 80 nil nil t))

(defvar fleet-hooks--told nil
  "What was told already: (FUNCTION . WORDS).")

(defconst fleet-hooks--told-max 100
  "How many such warnings are remembered.")

(defun fleet-hooks--tell (hook function words)
  "Warn, once, that FUNCTION of HOOK was left for the reason in WORDS."
  (let ((what (cons function words)))
    (unless (member what fleet-hooks--told)
      (setq fleet-hooks--told (cons what (seq-take fleet-hooks--told fleet-hooks--told-max)))
      (let ((warning (format "%s in `%s' failed: %s" (fleet-hooks--name function) hook words))
            (inhibit-message t))
        (message "Warning (fleet): %s" warning)
        (ignore-errors (fleet--mod-notice warning))))))

(defmacro fleet-hooks--apart (&rest body)
  "Run BODY, which calls other people's code, where it does no harm.
What it changes on the board is no reason not to save the board: nobody
but that code can have changed it, since no command runs meanwhile."
  (declare (indent 0) (debug t))
  `(let ((dirty fleet-watch--person-dirty)
         (tick (and (buffer-live-p fleet-watch--buffer) (fleet-watch--tick-now))))
     (prog1 (save-match-data
              (with-temp-buffer
                ,@body))
       (fleet-hooks--take-in dirty tick))))

(defun fleet-hooks--take-in (dirty tick)
  "Take in what other people's code has changed on the board since TICK.
DIRTY says whether a person had unsaved edits then."
  (when (and tick
             (buffer-live-p fleet-watch--buffer)
             (/= tick (fleet-watch--tick-now)))
    (fleet-board--process)
    (setq fleet-watch--person-dirty dirty)
    (when (buffer-modified-p fleet-watch--buffer)
      (fleet-save-soon))))

;;;; Events

(defvar fleet-hooks--seen 0 "Number of the last event that was taken from the journal.")
(defvar fleet-hooks--events nil "Events that were taken and not yet handed out.")
(defvar fleet-hooks--org nil "Changes of state that wait for Org's hooks, newest first.")
(defvar fleet-hooks--timer nil "The timer that will call what waits.")
(defvar fleet-hooks--calling nil "Non-nil while functions are called.")

(defun fleet-hooks-begin (news-from)
  "Begin a session: event number NEWS-FROM is the first to be handed out."
  (setq fleet-hooks--seen (1- news-from)
        fleet-hooks--events nil
        fleet-hooks--org nil
        fleet-hooks--told nil))

(defun fleet-hooks-end ()
  "End the session; hand out what waits, for a limited time."
  (unless fleet-hooks--calling
    (let ((deadline (+ (float-time) fleet-event-last-seconds)))
      (while (and (fleet-hooks--waiting-p)
                  (< (float-time) deadline))
        (fleet-hooks--stretch))))
  (when (timerp fleet-hooks--timer)
    (cancel-timer fleet-hooks--timer))
  (setq fleet-hooks--timer nil
        fleet-hooks--events nil
        fleet-hooks--org nil))

(defun fleet-hooks--waiting-p ()
  "Return non-nil if there is something to hand out."
  (and (fboundp 'fleet--mod-is-open)
       (fleet--mod-is-open)
       (or (and fleet-hooks--org
                (not (fleet-edit-person-busy-p fleet-watch--buffer)))
           (if fleet-event-functions
               (or fleet-hooks--events
                   (> (fleet--mod-durable) fleet-hooks--seen))
             ;; Nobody listens: what happened until now is no news later.
             (setq fleet-hooks--events nil
                   fleet-hooks--seen (fleet--mod-durable))
             nil))))

(defun fleet-hooks-soon ()
  "See to it that what waits is handed out, after the replies are gone."
  (when (and (not (timerp fleet-hooks--timer))
             (not fleet-hooks--calling)
             (fleet-hooks--waiting-p))
    (setq fleet-hooks--timer
          (run-at-time fleet-board-breath-seconds nil #'fleet-hooks--hand-out))))

(defun fleet-hooks--hand-out ()
  "Hand out what waits, for a while; plan to go on if there is more."
  (setq fleet-hooks--timer nil)
  (unless (or fleet-board--busy fleet-hooks--calling)
    ;; Whoever has asked something meanwhile is answered first.
    (fleet-board--process)
    (when (fleet-hooks--waiting-p)
      (fleet-hooks--stretch)))
  (fleet-hooks-soon))

(defun fleet-hooks-flush ()
  "Call `fleet-event-functions' now with every event until now.
For notebooks and other Lisp that wants to see the effect before it
yields.  Return non-nil unless they are just being called."
  (unless (or fleet-board--busy fleet-hooks--calling)
    (let ((last (fleet--mod-durable)))
      (while (and (fleet-hooks--waiting-p)
                  (or fleet-hooks--org fleet-hooks--events (< fleet-hooks--seen last)))
        (fleet-hooks--stretch)))
    t))

(defun fleet-hooks--stretch ()
  "Call functions until nothing waits or `fleet-event-stretch-seconds' are over."
  (let ((fleet-hooks--calling t)
        (deadline (+ (float-time) fleet-event-stretch-seconds)))
    (fleet-hooks--apart
      (while (and (fleet-hooks--one)
                  (< (float-time) deadline))))))

(defun fleet-hooks--one ()
  "Hand out one piece; return non-nil if there was one."
  (when (fleet-hooks--waiting-p)
    (cond ((and fleet-hooks--org (not (fleet-edit-person-busy-p fleet-watch--buffer)))
           (let ((oldest (car (last fleet-hooks--org))))
             (setq fleet-hooks--org (delq oldest fleet-hooks--org))
             (fleet-hooks--run-org oldest)))
          (t
           (unless fleet-hooks--events
             (fleet-hooks--fetch))
           (let ((event (pop fleet-hooks--events)))
             (when event
               (fleet-hooks--announce event)))))
    t))

(defun fleet-hooks--fetch ()
  "Take the next events from the journal."
  (let ((news (json-parse-string (fleet--mod-news fleet-hooks--seen fleet-event-batch-max)
                                 :object-type 'plist :array-type 'list
                                 :null-object nil :false-object nil)))
    (cond ((eq :error (car-safe news))
           (setq fleet-hooks--seen (fleet--mod-durable))
           (fleet--mod-notice (format "events could not be read for `fleet-event-functions': %s"
                                      (cadr news))))
          (news
           (setq fleet-hooks--events news
                 fleet-hooks--seen (plist-get (car (last news)) :number)))
          (t
           (setq fleet-hooks--seen (fleet--mod-durable))))))

(defun fleet-hooks--announce (event)
  "Call every function with EVENT, as `fleet-log' has it."
  (let ((plist (append (list :number (plist-get event :number)
                             :at (plist-get event :at)
                             :by (plist-get event :by)
                             :via (plist-get event :via)
                             :auth (plist-get event :auth))
                       (when (plist-get event :request)
                         (list :request (plist-get (plist-get event :request) :id)))
                       (fleet-hooks--without-nil (plist-get event :change)))))
    (run-hook-wrapped 'fleet-event-functions
                      (lambda (function)
                        (let ((outcome (fleet-hooks--call function (copy-sequence plist))))
                          (when (stringp outcome)
                            (fleet-hooks--tell 'fleet-event-functions function outcome)))
                        nil))))

(defun fleet-hooks--without-nil (plist)
  "Return PLIST without the keys whose value is nil."
  (cl-loop for (key value) on plist by #'cddr
           when value nconc (list key value)))

;;;; Vetoes

(defvar fleet-hooks--depth 0 "How many questions to veto functions are open.")

(defun fleet-hooks-ask (ticket)
  "Put one open question to the veto functions; return non-nil if there was one.
While other questions are open, only that of the request TICKET."
  (let ((json (and (fleet--mod-is-open)
                   (or ticket (zerop fleet-hooks--depth))
                   (fleet--mod-next-question (unless (zerop fleet-hooks--depth) ticket)))))
    (when json
      (let* ((question (json-parse-string json :object-type 'plist :array-type 'list
                                          :null-object nil :false-object nil))
             (veto (if (>= fleet-hooks--depth fleet-veto-depth-max)
                       "veto functions make claims within each other without end"
                     (let ((fleet-hooks--depth (1+ fleet-hooks--depth)))
                       (fleet-hooks--apart (fleet-hooks--veto question))))))
        ;; A function may have given the board back.
        (when (fleet--mod-is-open)
          (fleet--mod-answer-question (plist-get question :question) veto))
        t))))

(defun fleet-hooks--veto (question)
  "Return the first veto against QUESTION as a string, or nil."
  (run-hook-wrapped 'fleet-claim-veto-functions
                    (lambda (function)
                      (fleet-hooks--veto-of function
                                            (copy-sequence (plist-get question :task))
                                            (copy-sequence (plist-get question :claim))))))

(defun fleet-hooks--veto-of (function task claim)
  "Return the veto of FUNCTION against CLAIM of TASK as a string, or nil."
  (pcase (fleet-hooks--call function task claim)
    ('(nil) nil)
    (`(,(and reason (pred stringp))) (fleet-hooks--sendable reason))
    (`(,_) (format "%s said no" (fleet-hooks--name function)))
    (words
     (fleet-hooks--tell 'fleet-claim-veto-functions function words)
     (fleet-hooks--sendable (format "%s failed: %s" (fleet-hooks--name function) words)))))

(defun fleet-hooks--sendable (text)
  "Return TEXT in characters that the module takes."
  (replace-regexp-in-string "[\xd800-\xdfff\x110000-\x3fffff]" "?" text))

;;;; Org's hooks

(defun fleet-hooks-changed (head from to)
  "Note that an agent's verb changed the heading at HEAD of the board.
Its keyword was FROM and is TO."
  (when (and fleet-run-org-hooks
             (with-current-buffer fleet-watch--buffer
               (or (bound-and-true-p org-after-todo-state-change-hook)
                   (bound-and-true-p org-trigger-hook))))
    (push (list (with-current-buffer fleet-watch--buffer (copy-marker head)) from to)
          fleet-hooks--org)
    (when (> (length fleet-hooks--org) fleet-org-changes-max)
      (setq fleet-hooks--org (butlast fleet-hooks--org))
      (fleet--mod-notice "more changes of state waited for Org's hooks than can be kept"))))

(defun fleet-hooks--run-org (change)
  "Run Org's hooks for CHANGE, a list (MARKER FROM TO), as `org-todo' does."
  (pcase-let ((`(,marker ,from ,to) change))
    (when (buffer-live-p (marker-buffer marker))
      (with-current-buffer (marker-buffer marker)
        (undo-boundary)
        (fleet-hooks--run-org-hook 'org-after-todo-state-change-hook marker from to)
        (fleet-hooks--run-org-hook 'org-trigger-hook marker from to
                                   (list :type 'todo-state-change :from from :to to
                                         :position (copy-marker marker)))
        (undo-boundary))
      (set-marker marker nil))))

(defun fleet-hooks--run-org-hook (hook marker from to &rest arguments)
  "Run HOOK with ARGUMENTS at MARKER, where FROM became TO."
  (run-hook-wrapped
   hook
   (lambda (function)
     (save-excursion
       (save-restriction
         (widen)
         (goto-char marker)
         (when (looking-at-p "\\*+ ")
           (let* ((org-state to)
                  (org-last-state from)
                  (outcome (apply #'fleet-hooks--call function arguments)))
             (when (stringp outcome)
               (fleet-hooks--tell hook function outcome))))))
     nil)))

(provide 'fleet-hooks)
;;; fleet-hooks.el ends here
