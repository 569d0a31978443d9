;;; fleet-mode-test.el --- Tests of the board's keys  -*- lexical-binding: t -*-

;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Code:

(require 'ert)
(require 'fleet-mode)
(require 'org)

(ert-deftest fleet-mode-hides-no-key-of-org-and-no-key-of-the-person ()
  (map-keymap
   (lambda (event binding)
     (unless (eq event 'menu-bar)
       (should (eq ?\C-c event))
       (map-keymap
        (lambda (second _)
          (should-not (and (characterp second) (memq (get-char-code-property second 'general-category) '(Ll Lu))))
          (should (eq ?\C-x second)))
        binding)))
   fleet-mode-map)
  (with-temp-buffer
    (org-mode)
    (should-not (key-binding (kbd "C-c C-x F")))
    (fleet-mode)
    (should (eq #'fleet-claim (key-binding (kbd "C-c C-x F c"))))
    (should (eq #'org-footnote-action (key-binding (kbd "C-c C-x f"))))))

(ert-deftest fleet-mode-keys-and-menus-name-commands ()
  (map-keymap (lambda (_ command) (should (commandp command))) fleet-command-map)
  (dolist (key '("c" "d" "f" "r" "s" "R" "a" "n" "l" "p" "?"))
    (should (commandp (lookup-key fleet-command-map key))))
  (dolist (map (list fleet-mode-map fleet-list-mode-map))
    (map-keymap
     (lambda (_ menu)
       (map-keymap
        (lambda (_ item)
          (pcase item
            (`(menu-item ,_ ,command . ,_)
             ;; The entry points are in another file.
             (should (or (commandp command) (eq command 'fleet-unserve))))))
        (pcase menu (`(menu-item ,_ ,sub . ,_) sub) (`(,_ . ,sub) sub) (sub sub))))
     (lookup-key map [menu-bar]))))

(ert-deftest fleet-mode-command-map-can-be-bound-by-name ()
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c f") 'fleet-command-map)
    (should (eq #'fleet-done (lookup-key map (kbd "C-c f d"))))))

(ert-deftest fleet-mode-line-is-trusted-and-shown ()
  (should (get 'fleet-mode-line 'risky-local-variable))
  (with-temp-buffer
    (fleet-mode)
    (setq-local fleet-mode-line ":3")
    (should (equal '(" Fleet" (:eval (fleet-mode--halt)) fleet-mode-line)
                   (cadr (assq 'fleet-mode minor-mode-alist))))))

(ert-deftest fleet-mode-changes-nothing-but-itself ()
  (with-temp-buffer
    (org-mode)
    (let ((before (buffer-local-variables)))
      (fleet-mode)
      (fleet-mode -1)
      (dolist (variable (buffer-local-variables))
        (unless (memq (car variable) '(fleet-mode local-minor-modes))
          (should (equal (cdr variable) (cdr (assq (car variable) before)))))))))

(provide 'fleet-mode-test)
;;; fleet-mode-test.el ends here
