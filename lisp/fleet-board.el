;;; fleet-board.el --- The served board and its buffer  -*- lexical-binding: t -*-

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

;; `fleet-serve' makes this Emacs the owner of a board.  From then on
;; requests, whether from Lisp, from emacsclient or from the module's socket, are
;; taken on the main thread by one function, `fleet-board--process': look at
;; what the person changed, decide, make it durable, edit the buffer,
;; answer.  Nothing in it waits for anything but the disk.
;;
;; Edits go into the buffer only between the person's commands (R14).


;;; Code:

(require 'cl-lib)
(require 'org)
(require 'fleet-module)
(require 'fleet-watch)
(require 'fleet-edit)
(require 'fleet-save)
(require 'fleet-hooks)
(require 'fleet-trust)
(require 'fleet-rescue)
(require 'fleet-wake)

(declare-function fleet--mod-open "ext:fleet-module.so" (path socket pipe))
(declare-function fleet--mod-close "ext:fleet-module.so" ())
(declare-function fleet--mod-is-open "ext:fleet-module.so" ())
(declare-function fleet--mod-submit "ext:fleet-module.so" (request))
(declare-function fleet--mod-decide "ext:fleet-module.so" (vetoes))
(declare-function fleet--mod-answer "ext:fleet-module.so" ())
(declare-function fleet--mod-take-reply "ext:fleet-module.so" (ticket))
(declare-function fleet--mod-next-edit "ext:fleet-module.so" ())
(declare-function fleet--mod-confirm "ext:fleet-module.so" ())
(declare-function fleet--mod-pending "ext:fleet-module.so" ())
(declare-function fleet--mod-replaced "ext:fleet-module.so" (text))
(declare-function fleet--mod-settle "ext:fleet-module.so" (all))
(declare-function fleet--mod-adopt-file "ext:fleet-module.so" ())
(declare-function fleet--mod-notice "ext:fleet-module.so" (text))
(declare-function fleet--mod-resolve "ext:fleet-module.so" ())
(declare-function fleet--mod-char-count "ext:fleet-module.so" ())
(declare-function fleet--mod-set-visited "ext:fleet-module.so" (places))
(declare-function fleet--mod-last-panic "ext:fleet-module.so" ())
(declare-function fleet-list-refresh "fleet-list" ())
(declare-function fleet-mode "fleet-mode" (&optional arg))

(defvar fleet-mode)
(defvar fleet-mode-line)

(defconst fleet-board-apply-seconds 0.05
  "How long edits may go into the buffer at a stretch (R14).
What is left follows after `fleet-board-breath-seconds'.")

(defconst fleet-board-breath-seconds 0.01
  "How long to let go of Emacs before the edits that are left follow.
A timer that is always due keeps Emacs from its subprocesses and from
emacsclient, though not from the keyboard.")

(defconst fleet-board-look-seconds 1
  "How often the board is looked after, whatever else happens.
The leases of claims are timed by this: time counts only between two
looks that are near to each other (R7).")

(defconst fleet-board-last-stretches 200
  "How many such stretches are granted when the board is given back.
What is left then is in the journal, and the next owner does it.")

(defconst fleet-board-stale-tries 3
  "How often an edit is planned anew when the text was not as expected.")

(defconst fleet-board-socket-bytes 107
  "Longest name of a Unix socket, in bytes (R22; sun_path of unix(7)).")

(defvar fleet-board-changed-hook '(fleet-list-refresh)
  "Hook run up to once a second after agents changed the board.
Nobody waits for it, and no command is running.")

(defvar fleet-board-replaced-hook nil
  "Hook run after the text of the board was replaced as a whole.")

(defvar fleet-board--path nil "The real name of the served board's file.")
(defvar fleet-board--pipe nil "The pipe process that the module rings.")
(defvar fleet-board--timer nil "The timer that looks after the board every second.")
(defvar fleet-board--soon nil "The timer that will process what waits.")
(defvar fleet-board--busy nil "Non-nil while requests are processed.")
(defvar fleet-board--panic nil "What the module said when it gave the board up.")
(defvar fleet-board--changed nil "Non-nil if edits of ours were not announced yet.")

;;;; Requests

(defun fleet-call (agent call &optional id)
  "Carry out CALL for AGENT and return the reply as a plist.
CALL is a plist such as (:verb \"claim\" :task \"TASK-001\"); PROTOCOL.md
lists them.  ID names the request, so that a repeat is recognised.  A
refusal is signalled as one of the children of `fleet-error'."
  (let ((reply (fleet-board--parse
                (fleet-request-json (fleet-board--request agent call id)))))
    (unless (plist-get reply :ok)
      (fleet-board--signal (plist-get reply :error)))
    reply))

(defun fleet-request-json (request)
  "Carry out the JSON REQUEST and return the reply as JSON."
  (unless (fleet-board--open-p)
    (signal 'fleet-unreachable
            '("no board is served in this Emacs" :reason "no-board" :hint "M-x fleet-serve")))
  (when fleet-board--busy
    ;; A change hook of somebody else's calls us in the middle of an edit.
    (signal 'fleet-error '("the board is just being edited" :reason "busy"
                           :hint "call it from a timer instead")))
  (or (fleet-board--answer-to request)
      ;; A panic took the request along.  It has an id: asking again is no risk.
      (and (fleet-board--open-p) (fleet-board--answer-to request))
      (signal 'fleet-unreachable
              '("the board was given up before the request was answered"
                :reason "no-reply" :hint "repeat it with the same request id"))))

(defun fleet-board--answer-to (request)
  "Return the reply to the JSON REQUEST, or nil if there is none."
  (let ((ticket (fleet--mod-submit request)))
    ;; A person's own command may edit at once; inside a prompt nothing may.
    (fleet-board--process (zerop (recursion-depth)) ticket)
    (and (fleet--mod-is-open) (fleet--mod-take-reply ticket))))

(defun fleet-board--request (agent call id)
  "Return the JSON of CALL for AGENT under ID."
  (let ((call (cl-loop for (key value) on call by #'cddr
                       when value
                       nconc (list key (if (consp value) (vconcat value) value)))))
    (decode-coding-string
     (json-serialize `(:v 1 :id ,(or id (fleet-board--fresh-id))
                          ,@(and agent `(:agent ,agent)) :call ,call))
     'utf-8)))

(defvar fleet-board--count 0 "Requests made so far.")

(defun fleet-board--fresh-id ()
  "Return an id that no other request has."
  (cl-incf fleet-board--count)
  (substring (secure-hash 'sha256 (format "%s %s %s %s %s" (emacs-pid) (float-time)
                                          fleet-board--count (random) (user-uid)))
             0 32))

(defun fleet-board--parse (json)
  "Return the JSON text as plists and lists."
  (json-parse-string json :object-type 'plist :array-type 'list
                     :null-object nil :false-object nil))

(defun fleet-board--signal (failure)
  "Signal the error of a reply, the plist FAILURE."
  (let ((symbol (pcase (plist-get failure :code)
                  ("usage" 'fleet-usage-error)
                  ("not-found" 'fleet-not-found)
                  ("conflict" 'fleet-conflict)
                  ("halt" 'fleet-halted)
                  ("unreachable" 'fleet-unreachable)
                  ("denied" 'fleet-denied)
                  ("corrupt" 'fleet-corrupt)
                  ("config" 'fleet-config-error)
                  (_ 'fleet-error))))
    (signal symbol (cons (plist-get failure :message) failure))))

;;;; The one loop

(defmacro fleet-board--quietly (&rest body)
  "Run BODY so that nothing in it prompts, debugs, or is broken off.
An error is kept for `fleet-status' and BODY's value is nil then."
  (declare (indent 0) (debug t))
  `(let ((inhibit-quit t)
         (inhibit-interaction t)
         (debug-on-error nil)
         (debug-on-quit nil)
         (debug-on-signal nil)
         (signal-hook-function nil)
         (inhibit-message t))
     (condition-case error
         (progn ,@body)
       ((error quit) (fleet-board--trouble error) nil))))

(defun fleet-board--trouble (error)
  "Keep ERROR, a condition, for `fleet-status'."
  (let ((panic (and (fboundp 'fleet--mod-last-panic) (fleet--mod-last-panic))))
    (when panic
      (setq fleet-board--panic panic))
    (ignore-errors
      (fleet--mod-notice (concat (error-message-string error) (and panic ": ") panic)))))

(defun fleet-board--revive ()
  "Take the board over again if a panic has made the module give it up.
What it had in memory cannot be trusted then.  The journal can, and the
buffer is still the person's."
  (when (and fleet-board--path (not (fleet--mod-is-open)))
    (let* ((pipe (fleet-board--make-pipe))
           (reply (fleet-board--parse
                   (fleet--mod-open fleet-board--path
                                    (fleet-board--socket fleet-board--path) pipe))))
      (if (not (plist-get reply :ok))
          (delete-process pipe)
        (when (process-live-p fleet-board--pipe)
          (delete-process fleet-board--pipe))
        (setq fleet-board--pipe pipe
              fleet-watch--same '(0 . 0))
        (fleet--mod-notice
         (format "the module panicked, and the board was opened again: %s"
                 (or fleet-board--panic "nobody knows why")))
        (setq fleet-board--panic nil)))))

(defun fleet-board--open-p ()
  "Return non-nil if a board is served, taking it over again if need be."
  (when (and fleet-board--path (not fleet-board--busy))
    (fleet-board--quietly
      (fleet-board--revive)))
  (and (fboundp 'fleet--mod-is-open) (fleet--mod-is-open)))

(defun fleet-board--process (&optional now ticket)
  "Take every request that waits.
Edits go into the buffer if no person is busy in it, or with NOW anyway.
TICKET is the request that the caller waits for, if it is one."
  (unless fleet-board--busy
    (fleet-board--take now)
    (when fleet-claim-veto-functions
      (while (fleet-hooks-ask ticket)
        (fleet-board--take now)))
    (fleet-wake-waiters now)
    (fleet-board--quietly
      (fleet-hooks-soon))))

(defun fleet-board--take (now)
  "Decide, apply and answer what waits, but for claims that may be vetoed.
NOW is as in `fleet-board--process'."
  (let ((fleet-board--busy t)
        (more nil))
    (fleet-board--quietly
      (fleet-board--revive)
      (fleet-board--look)
      (fleet--mod-decide (and fleet-claim-veto-functions t))
      (when (or now (not (fleet-edit-person-busy-p fleet-watch--buffer)))
        (setq more (fleet-board--apply))))
    (fleet-board--quietly
      (fleet--mod-answer)
      (fleet-board--afterwards more))
    (when fleet-board--panic
      ;; Whoever was not answered asks again at once.
      (fleet-board--quietly
        (fleet-board--revive)))))

(defun fleet-board--look ()
  "Make sure that the engine knows the text that the person sees."
  (fleet-board--ensure-buffer)
  (fleet-watch-arm)
  (fleet-board--follow-file)
  (fleet-watch-sync)
  (fleet--mod-set-visited (fleet-watch-visitors)))

(defun fleet-board--apply ()
  "Put what was decided into the buffer, for a limited time.
Return non-nil if that was too short, and going on is worth it."
  (let ((deadline (+ (float-time) fleet-board-apply-seconds))
        (tries 0)
        (late nil)
        edit)
    (unless (fleet-watch-changed-p)
      (while (and (not late)
                  (< tries fleet-board-stale-tries)
                  (setq edit (fleet--mod-next-edit)))
        (if (eq t (fleet-edit-apply fleet-watch--buffer
                                    (aref edit 0) (aref edit 1) (aref edit 2)))
            (progn
              (fleet--mod-confirm)
              (setq fleet-board--changed t)
              (fleet-board--settled-p)
              (when (aref edit 3)
                (fleet-hooks-changed (aref edit 0) (car (aref edit 3)) (cdr (aref edit 3)))))
          (cl-incf tries)
          (fleet-watch-sync-all))
        (setq late (> (float-time) deadline))))
    late))

(defun fleet-board--settled-p ()
  "After an edit of ours, note that the engine knows the buffer's text.
If a change hook of somebody else's changed more, read everything again."
  (with-current-buffer fleet-watch--buffer
    (if (= (fleet--mod-char-count) (buffer-size))
        (fleet-watch-settled)
      (fleet-watch-sync-all))))

(defun fleet-board--afterwards (more)
  "Plan what is still to be done: a save, and with MORE further edits.
Edits that cannot be made now, because their heading is missing or a
person is at work, wait for a command or the next second."
  (when (buffer-modified-p fleet-watch--buffer)
    (fleet-save-soon))
  (when more
    (fleet-board--process-soon)))

(defun fleet-board--process-soon ()
  "Process what waits as soon as no command is running."
  (unless (timerp fleet-board--soon)
    (setq fleet-board--soon
          (run-at-time fleet-board-breath-seconds nil
                       (lambda ()
                         (setq fleet-board--soon nil)
                         (unless (fleet-edit-person-busy-p fleet-watch--buffer)
                           (fleet-board--process)))))))

(defun fleet-board--rung (_process _bytes)
  "The module has requests from its socket."
  (fleet-board--process))

;;;; Looking after the board

(defun fleet-board--every-second ()
  "See unreported edits, settle those that rest, apply what waits (R11, R13)."
  (unless fleet-board--busy
    (fleet-board--process)
    (unless (fleet-edit-person-busy-p fleet-watch--buffer)
      (fleet-board--quietly
        (let ((trouble (fleet--mod-settle nil)))
          (when (stringp trouble)
            (fleet--mod-notice trouble)))
        (when (or (> (fleet--mod-pending) 0) (eq 0 (fleet-wake-ms)))
          (fleet-board--process)))
      (when fleet-board--changed
        (setq fleet-board--changed nil)
        (fleet-board--quietly
          (run-hooks 'fleet-board-changed-hook)))
      (fleet-board--quietly
        (fleet-hooks-soon)))))

(defun fleet-board--post-command ()
  "After a command that changed the board, let the engine know."
  (when (and (not fleet-board--busy) (fleet-watch-changed-p))
    (let ((fleet-board--busy t))
      (fleet-board--quietly
        (fleet-watch-arm)
        (fleet-watch-sync))))
  (when (and fleet-watch--buffer (not fleet-board--busy)
             (> (fleet--mod-pending) 0))
    (fleet-board--process-soon)))

(defun fleet-board--follow-file ()
  "Read the file again if it was changed on disk and the person changed nothing."
  (with-current-buffer fleet-watch--buffer
    (when (and (not fleet-watch--person-dirty)
               (not (fleet-save-file-missing))
               (not (verify-visited-file-modtime (current-buffer))))
      (let ((inhibit-read-only t))
        (fleet-trust-nothing
          (revert-buffer t t t))))))

(defun fleet-board--reverted ()
  "The text was replaced by the file's (in `after-revert-hook')."
  (when (and (fleet-watch--board-p) (eq (current-buffer) fleet-watch--buffer))
    (fleet-board--text-replaced)
    (unless fleet-board--busy
      (fleet-board--process-soon))))

(defun fleet-board--text-replaced ()
  "Hold the new text of the board against the journal (R19)."
  (let ((trouble (or (fleet--mod-adopt-file)
                     (fleet--mod-replaced
                      (with-current-buffer fleet-watch--buffer
                        (save-restriction
                          (widen)
                          (buffer-substring-no-properties (point-min) (point-max))))))))
    (fleet-watch-settled)
    (setq fleet-watch--person-dirty nil)
    (fleet-save-resume)
    (when trouble
      (fleet--mod-notice trouble))
    (run-hooks 'fleet-board-replaced-hook)))

;;;; The buffer

(defun fleet-board-buffer ()
  "Return the base buffer of the served board, or nil."
  (and (buffer-live-p fleet-watch--buffer) fleet-watch--buffer))

(defun fleet-board-person-dirty-p ()
  "Return non-nil if the board has edits of a person that are not saved."
  (and (fleet-board-buffer)
       fleet-watch--person-dirty
       (buffer-modified-p fleet-watch--buffer)))

(defun fleet-board--ensure-buffer ()
  "See to it that a buffer shows the board, and that it is still the board's.
A buffer that was killed is made again; one that was saved under another
name is let go (R18)."
  (when (and (fleet-board-buffer)
             (not (equal fleet-board--path
                         (with-current-buffer fleet-watch--buffer
                           (and buffer-file-name (file-truename buffer-file-name))))))
    (fleet-board--detach))
  (unless (fleet-board-buffer)
    (fleet-board--attach (fleet-trust-visit fleet-board--path))
    (fleet-board--text-replaced))
  (with-current-buffer fleet-watch--buffer
    (unless (bound-and-true-p fleet-mode)
      (fleet-board--furnish))))

(defun fleet-board--attach (buffer)
  "Make BUFFER the one that shows the board."
  (setq fleet-watch--buffer buffer
        fleet-watch--same nil
        fleet-watch--person-dirty (buffer-modified-p buffer))
  (with-current-buffer buffer
    (setq fleet-watch--tick (fleet-watch--tick-now))
    (fleet-board--furnish)))

(defun fleet-board--furnish ()
  "Give the current buffer what a board needs and a change of mode takes away."
  (fleet-trust-org-mode)
  (add-hook 'write-file-functions #'fleet-save--by-person nil t)
  (fleet-save-ask-for fleet-watch--person-dirty)
  (fleet-mode 1))

(defun fleet-board--detach ()
  "Let the board's buffer be an ordinary one."
  (when (fleet-board-buffer)
    (with-current-buffer fleet-watch--buffer
      (remove-hook 'write-file-functions #'fleet-save--by-person t)
      (kill-local-variable 'buffer-save-without-query)
      (when (bound-and-true-p fleet-mode)
        (fleet-mode -1))))
  (setq fleet-watch--buffer nil
        fleet-watch--same nil
        fleet-watch--person-dirty nil))

(defun fleet-board--killed ()
  "The board's buffer is being killed: its unsaved text goes with it (R18)."
  (when (eq (current-buffer) fleet-watch--buffer)
    (fleet-board--detach)
    (fleet-board--process-soon)))

;;;; Serving

(defun fleet-serve (file)
  "Serve the board FILE in this Emacs: agents work on its buffer from now on.
Return a plist with `:path' and `:socket'.  Serving the same board again
is harmless; a second board is refused."
  (interactive (list (read-file-name "Serve board: " nil nil t nil
                                     (lambda (name) (string-suffix-p ".org" name)))))
  (fleet-module-load)
  (let ((file (fleet-board--checked-name file)))
    (if (and (fleet--mod-is-open) (equal (file-truename file) fleet-board--path))
        (list :path fleet-board--path)
      (fleet-board--open file))))

(defun fleet-board--checked-name (file)
  "Return the absolute name of the board FILE; refuse what cannot be one."
  (let ((file (expand-file-name file)))
    (when (file-remote-p file)
      (signal 'fleet-config-error
              (list (format "%s is a remote file" file)
                    :hint "serve it in an Emacs on its own host")))
    file))

(defun fleet-board--open (file)
  "Take FILE over and show it."
  (let* ((path (file-truename file))
         (pipe (fleet-board--make-pipe))
         (rescued (fleet-rescue-keep-auto-save path))
         (reply (fleet-board--parse
                 (fleet--mod-open path (fleet-board--socket path) pipe))))
    (unless (plist-get reply :ok)
      (delete-process pipe)
      (fleet-board--signal (plist-get reply :error)))
    (setq fleet-board--pipe pipe
          fleet-board--path path
          fleet-save--file path)
    (fleet-hooks-begin (plist-get reply :news_from))
    (condition-case error
        (progn
          (fleet-board--attach (fleet-trust-visit path))
          (fleet-board--arm)
          (when rescued
            (fleet--mod-notice
             (format "an auto-save file was newer than the board; it is kept as %s: M-x fleet-rescue"
                     rescued)))
          (setq fleet-watch--same '(0 . 0))
          (fleet-board--process))
      ((error quit)
       (fleet-unserve)
       (signal (car error) (cdr error))))
    (list :path path :socket (plist-get reply :socket))))

(defun fleet-board--make-pipe ()
  "Return the pipe process through which the module's threads wake Emacs."
  ;; Adaptive buffering would delay each wake-up by up to 20 ms.
  (let ((process-adaptive-read-buffering nil))
    (make-pipe-process :name "fleet" :buffer nil :noquery t
                       :coding 'no-conversion :filter #'fleet-board--rung)))

(defun fleet-board--state-directory (path)
  "Return the directory of the journal of the board PATH."
  (expand-file-name (concat ".fleet/" (file-name-nondirectory path) "/")
                    (file-name-directory path)))

(defun fleet-board--socket (path)
  "Return where to listen for the board PATH: beside its journal if that fits.
Clients find it through the owner file."
  (let ((near (expand-file-name "socket" (fleet-board--state-directory path))))
    (if (<= (string-bytes near) fleet-board-socket-bytes)
        near
      (let ((runtime (getenv "XDG_RUNTIME_DIR")))
        (expand-file-name
         (format "%s.socket" (substring (secure-hash 'sha256 path) 0 16))
         (if (and runtime (not (string-empty-p runtime)))
             (expand-file-name "fleet" runtime)
           (format "/tmp/fleet-%d" (user-uid))))))))

(defun fleet-board--arm ()
  "Start looking after the board."
  (fleet-watch-arm)
  (add-hook 'post-command-hook #'fleet-board--post-command)
  (add-hook 'after-revert-hook #'fleet-board--reverted)
  (add-hook 'kill-buffer-hook #'fleet-board--killed)
  (add-hook 'kill-emacs-hook #'fleet-board--emacs-ends)
  (add-variable-watcher 'fleet-watch--person-dirty #'fleet-save--person-dirty-changes)
  (setq fleet-board--timer (run-with-timer fleet-board-look-seconds fleet-board-look-seconds
                                          #'fleet-board--every-second)))

(defun fleet-board--emacs-ends ()
  "Give the board back as well as that goes, and never keep Emacs from ending."
  ;; In a signal handler as like as not: no time for other people's code.
  (let ((fleet-hooks--calling t))
    (ignore-errors (fleet-unserve))))

(defun fleet-unserve ()
  "Give the board back: nothing of Fleet is left in this Emacs.
The board is saved unless it has unsaved edits of a person.  Return
non-nil if a board was served."
  (interactive)
  (fleet-watch-disarm)
  (remove-hook 'post-command-hook #'fleet-board--post-command)
  (remove-hook 'after-revert-hook #'fleet-board--reverted)
  (remove-hook 'kill-buffer-hook #'fleet-board--killed)
  (remove-hook 'kill-emacs-hook #'fleet-board--emacs-ends)
  (remove-variable-watcher 'fleet-watch--person-dirty #'fleet-save--person-dirty-changes)
  (dolist (timer (list fleet-board--timer fleet-board--soon))
    (when (timerp timer)
      (cancel-timer timer)))
  (fleet-save-cancel)
  (fleet-wake-cancel)
  (when (and (fboundp 'fleet--mod-is-open) (fleet--mod-is-open))
    (when (fleet-board-buffer)
      (fleet-board--quietly
        (fleet-watch-sync)
        (let ((stretches fleet-board-last-stretches))
          (while (and (fleet-board--apply)
                      (> (cl-decf stretches) 0))))
        (fleet-save-now)))
    (fleet-hooks-end)
    (fleet--mod-close))
  (when (process-live-p fleet-board--pipe)
    (delete-process fleet-board--pipe))
  (fleet-board--detach)
  (prog1 (and fleet-board--path t)
    (setq fleet-board--pipe nil fleet-board--timer nil fleet-board--soon nil
          fleet-board--path nil fleet-save--file nil)))

;;;; What only a person can say

(defun fleet-resolve ()
  "Accept the board's text as it is, after it undid much work at once.
Return non-nil if there was such a conflict."
  (interactive)
  (let ((result (fleet--mod-resolve)))
    (when (stringp result)
      (signal 'fleet-error (list result)))
    (fleet-board--process (zerop (recursion-depth)))
    (when (called-interactively-p 'interactive)
      (message (if result "The board is accepted as it is" "There is no conflict")))
    result))

(provide 'fleet-board)
;;; fleet-board.el ends here
