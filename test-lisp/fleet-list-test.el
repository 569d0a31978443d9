;;; fleet-list-test.el --- Tests of lists of tasks  -*- lexical-binding: t -*-

;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Code:

(require 'ert)
(require 'fleet-fake-board)
(require 'fleet-list)
(require 'fleet-queue)

(defmacro fleet-list-test-showing (answer &rest body)
  "Evaluate BODY in a shown list of the tasks from the function ANSWER."
  (declare (indent 1) (debug t))
  `(fleet-fake-answering ,answer
     (save-window-excursion
       (unwind-protect
           (progn
             (fleet-list :show t)
             ,@body)
         (kill-buffer "*Fleet tasks*")))))

(defun fleet-list-test-goto (name)
  "Move point to the row of the task NAME."
  (goto-char (point-min))
  (while (not (equal name (tabulated-list-get-id)))
    (should (zerop (forward-line)))
    (should-not (eobp))))

(ert-deftest fleet-list-keeps-every-point-on-its-task ()
  (let ((names '("T-1" "T-2" "T-3" "T-4")))
    (fleet-list-test-showing (lambda (&rest _) (funcall (apply #'fleet-fake-tasks names)))
      (let ((other (split-window)))
        (fleet-list-test-goto "T-3")
        (forward-char 5)
        (let ((column (current-column)))
          (set-window-point other (save-excursion (fleet-list-test-goto "T-2") (point)))
          (setq names '("T-4" "T-0" "T-3" "T-2"))
          (revert-buffer)
          (should (equal "T-3" (tabulated-list-get-id)))
          (should (= column (current-column)))
          (should (equal "T-2" (save-excursion
                                 (goto-char (window-point other))
                                 (tabulated-list-get-id)))))))))

(ert-deftest fleet-list-stays-in-place-when-the-task-is-gone ()
  (let ((names '("T-1" "T-2" "T-3")))
    (fleet-list-test-showing (lambda (&rest _) (funcall (apply #'fleet-fake-tasks names)))
      (fleet-list-test-goto "T-2")
      (setq names '("T-1" "T-3"))
      (revert-buffer)
      (should (equal "T-3" (tabulated-list-get-id)))
      (setq names '("T-1"))
      (revert-buffer)
      (should (equal "T-1" (tabulated-list-get-id)))
      (setq names nil)
      (revert-buffer)
      (should (bobp)))))

(ert-deftest fleet-list-shows-rows-in-board-order-and-sorts-blanks-last ()
  (fleet-list-test-showing
      (fleet-fake-tasks "T-2"
                        (fleet-fake-task "T-1" :deadline "<2026-05-01 Fri>" :holder "bee")
                        (fleet-fake-task "T-3" :deadline "<2026-04-15 Wed>" :title "T-3 two\nlines\t"
                                         :tags '("x") :unready "blocked"))
    (let ((rows (lambda ()
                  (save-excursion
                    (goto-char (point-min))
                    (cl-loop until (eobp) collect (tabulated-list-get-id) do (forward-line))))))
      (should (equal '("T-2" "T-1" "T-3") (funcall rows)))
      (setq tabulated-list-sort-key '("Deadline"))
      (tabulated-list-print)
      (should (equal '("T-3" "T-1" "T-2") (funcall rows)))
      (goto-char (point-min))
      (should (looking-at-p " *PENDING +T-3 +two lines +2026-04-15 Wed +:x: (blocked)$")))))

(ert-deftest fleet-list-asks-again-as-it-was-asked ()
  (fleet-list-test-showing (fleet-fake-tasks "T-1")
    (unwind-protect
        (progn
          (fleet-poll "bee" :tags '("x") :show t)
          (revert-buffer)
          (should (equal '("bee" (:verb "poll" :tags ("x")) nil) (car fleet-fake-calls)))
          (should (equal (car fleet-fake-calls) (cadr fleet-fake-calls)))
          (should (equal " 1 for bee" (fleet-list--summary))))
      (kill-buffer "*Fleet ready*"))))

(ert-deftest fleet-list-commands-act-on-the-row-and-refresh ()
  (let ((state "pending"))
    (fleet-list-test-showing
        (lambda (_ call)
          (pcase (plist-get call :verb)
            ("claim"
             (setq state "in-progress")
             (list :ok t :applied t :task (fleet-fake-task "T-2" :holder "alex")))
            (_ (funcall (fleet-fake-tasks "T-1" (fleet-fake-task "T-2" :keyword state) "T-3")))))
      (fleet-list-test-goto "T-2")
      (call-interactively (lookup-key fleet-list-mode-map "c"))
      (should (member '("alex" (:verb "claim" :task "T-2") nil) fleet-fake-calls))
      (should (equal "T-2" (tabulated-list-get-id)))
      (should (equal "in-progress" (aref (tabulated-list-get-entry) 0))))))

(ert-deftest fleet-list-failing-refresh-keeps-the-rows ()
  (let ((fail nil))
    (fleet-list-test-showing
        (lambda (&rest _)
          (if fail
              (signal 'fleet-error '("no board"))
            (funcall (fleet-fake-tasks "T-1"))))
      (setq fail t)
      (should-error (revert-buffer) :type 'user-error)
      (fleet-list-refresh)
      (should (equal "T-1" (progn (goto-char (point-min)) (tabulated-list-get-id)))))))

(ert-deftest fleet-visit-goes-to-the-heading-also-outside-a-narrowing ()
  (fleet-fake-with-board "#+TODO: PENDING | DONE\n* PENDING T-1 a\nafter T-2\n<!>* PENDING T-2 b\n"
    (let ((heading (point)))
      (narrow-to-region (point-min) (+ 3 (point-min)))
      (save-window-excursion
        (fleet-visit "T-2")
        (should (eq board (current-buffer)))
        (should (= heading (point)))
        (should-error (fleet-visit "T-9") :type 'user-error)))))

(ert-deftest fleet-visit-without-a-board-says-so ()
  (fleet-fake-answering #'ignore
    (should-error (fleet-visit "T-1") :type 'user-error)))

(provide 'fleet-list-test)
;;; fleet-list-test.el ends here
