;;; fleet-task-test.el --- Tests of names, prompts and words  -*- lexical-binding: t -*-

;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Code:

(require 'ert)
(require 'fleet-fake-board)
(require 'fleet-task)

(defconst fleet-task-test-keywords
  "#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)\n"
  "How a test board begins.")

(defun fleet-task-test-name (text)
  "Return the name at point on a board with TEXT; point must stay."
  (fleet-fake-with-board (concat fleet-task-test-keywords text)
    (let ((before (point)))
      (prog1 (fleet-board-name-at-point)
        (should (= before (point)))))))

;;;; At point

(ert-deftest fleet-task-name-is-id-else-custom-id-else-token-else-title ()
  (pcase-dolist
      (`(,name ,text)
       '(("real-id"
          "* PENDING T-1 Ti<!>tle :tag:\n:PROPERTIES:\n:CUSTOM_ID: c\n:ID:  real-id \n:END:\n")
         ("c" "* PENDING T-1 Title\nDEADLINE: <2026-04-15 Wed>\n:PROPERTIES:\n:custom_id: c\n:END:\nbo<!>dy")
         ("TASK-001" "* PENDING [#A] TASK-001 Ti<!>tle :timmy:allegro:\n")
         ("TASK-001" "* PENDING TASK-001: Title\n<!>")
         ("A_B2-7" "* DONE A_B2-7<!>\n")
         ("Fix the payment webhook" "* IN_PROGRESS Fix the payment webhook      :timmy:\n  text<!>\n")
         ("Task-001 is no token" "* PENDING Task-001 is no token<!>\n")
         ("A-B-1 neither" "* PENDING A-B-1 neither<!>\n")
         ("empty drawer" "* PENDING empty drawer\n:PROPERTIES:\n:ID:\n:END:\n<!>")))
    (ert-info ((format "board: %s" text))
      (should (equal name (fleet-task-test-name text))))))

(ert-deftest fleet-task-name-looks-at-the-task-around-point ()
  (let ((board "* PENDING T-1 a\n** notes\ntext\n*** deeper\n%s\n** PENDING T-2 b\n| x | %s |\n* Plain\n%s\n"))
    (should (equal "T-1" (fleet-task-test-name (format board "<!>" "" ""))))
    (should (equal "T-2" (fleet-task-test-name (format board "" "<!>" ""))))
    (should-not (fleet-task-test-name (format board "" "" "<!>")))
    (should-not (fleet-task-test-name (concat "<!>preamble\n" (format board "" "" ""))))
    (should-not (fleet-task-test-name "* PENDING <!>\n"))))

(ert-deftest fleet-task-name-ignores-narrowing-and-knows-indirect-buffers ()
  (fleet-fake-with-board
      (concat fleet-task-test-keywords
              "* PENDING T-1 a\n:PROPERTIES:\n:ID: x\n:END:\nbody <!>here\n")
    (narrow-to-region (1- (point)) (1+ (point)))
    (should (equal "x" (fleet-board-name-at-point)))
    (should (= 2 (- (point-max) (point-min))))
    (with-current-buffer (make-indirect-buffer board " *fleet indirect*" t)
      (should (equal "x" (fleet-board-name-at-point))))))

(ert-deftest fleet-task-name-is-nil-off-the-board ()
  (fleet-fake-with-board (concat fleet-task-test-keywords "* PENDING T-1 a<!>\n")
    (with-temp-buffer
      (insert "* PENDING T-1 a")
      (org-mode)
      (should-not (fleet-board-name-at-point)))
    (cl-letf (((symbol-function 'fleet-board-buffer) #'ignore))
      (should-not (fleet-board-name-at-point)))))

(ert-deftest fleet-task-at-point-works-in-an-agenda ()
  (fleet-fake-with-board (concat fleet-task-test-keywords "<!>* PENDING T-1 a\n")
    (let ((heading (point-marker)))
      (with-temp-buffer
        (insert (propertize "  T-1 a" 'org-hd-marker heading))
        (should (equal "T-1" (fleet-task-at-point)))))))

(ert-deftest fleet-task-position-is-the-heading-and-not-a-mention ()
  (fleet-fake-with-board
      (concat fleet-task-test-keywords
              "* PENDING after T-2\n:PROPERTIES:\n:BLOCKED_BY: T-2\n:END:\n<!>* PENDING T-2 b\n* PENDING By title\n")
    (should (= (point) (fleet-task-position "T-2")))
    (narrow-to-region (point-min) (1+ (point-min)))
    (should (fleet-task-position "By title"))
    (should-not (fleet-task-position "title"))
    (should-not (fleet-task-position "T-3"))))

;;;; In words

(ert-deftest fleet-task-headline-says-the-name-once-and-is-one-line ()
  (should (equal "T-1 Deploy it" (fleet-task-headline '(:name "T-1" :title "T-1: Deploy\nit"))))
  (should (equal "Fix it" (fleet-task-headline '(:name "Fix it" :title "Fix it"))))
  (should (equal "0197 Fix" (fleet-task-headline '(:name "0197" :title "Fix")))))

(ert-deftest fleet-task-refusals-read-as-sentences-with-the-way-out ()
  (should (equal (should-error
                  (fleet-with-user-errors
                    (signal 'fleet-conflict '("task `T' is held, 100%" :reason "held" :hint "wait")))
                  :type 'user-error)
                 '(user-error "Task `T' is held, 100% (hint: wait)")))
  (should-error (fleet-with-user-errors (signal 'wrong-type-argument nil))
                :type 'wrong-type-argument))

;;;; In prompts

(ert-deftest fleet-task-table-has-category-annotation-and-alignment ()
  (let* ((task (fleet-fake-task "T-1" :keyword "IN_PROGRESS" :holder "bee"
                                :tags '("a" "b") :deadline "<2026-04-15 Wed>"))
         (table (fleet-task-table (fleet-task--texts (list task (fleet-fake-task "T-2")))))
         (metadata (completion-metadata "" table nil))
         (get (lambda (key) (completion-metadata-get metadata key))))
    (should (eq 'fleet-task (funcall get 'category)))
    (should (equal '("T-1 Title of T-1") (all-completions "T-1" table)))
    (should (equal "  IN_PROGRESS  bee  :a:b:  due 2026-04-15 Wed"
                   (substring-no-properties
                    (funcall (funcall get 'annotation-function) "T-1 Title of T-1"))))
    (should (equal '(("T-1 Title of T-1" "IN_PROGRESS " "  bee  :a:b:  due 2026-04-15 Wed")
                     ("T-2 Title of T-2" "PENDING     " ""))
                   (mapcar (lambda (triple) (mapcar #'substring-no-properties triple))
                           (funcall (funcall get 'affixation-function)
                                    '("T-1 Title of T-1" "T-2 Title of T-2")))))))

(ert-deftest fleet-task-prompt-offers-fitting-states-first-and-returns-names ()
  (let (offered default)
    (fleet-fake-answering (fleet-fake-tasks "T-1" (fleet-fake-task "T-2" :state "done") "T-3")
      (cl-letf (((symbol-function 'completing-read)
                 (lambda (_ table _p _m _i _h def)
                   (setq offered (all-completions "" table) default def)
                   "T-3 Title of T-3")))
        (should (equal "T-3" (fleet-task-read "Task" '("done") "T-1")))
        (should (equal "T-1 Title of T-1" default))
        (should (equal "T-2 Title of T-2" (car offered))))
      (cl-letf (((symbol-function 'completing-read) (lambda (&rest _) "An exact title")))
        (should (equal "An exact title" (fleet-task-read "Task"))))
      (cl-letf (((symbol-function 'completing-read) (lambda (&rest _) "")))
        (should-not (fleet-task-read "Task"))))))

(provide 'fleet-task-test)
;;; fleet-task-test.el ends here
