;;; org-dump.el --- What org itself reads in some files  -*- lexical-binding: t; -*-

;; Usage: emacs --batch -Q -l org-dump.el FILE...
;; Prints one JSON object per file.  Offsets are in bytes, from 0.
;; The field `logged' is the text after an entry was added to the log of every heading.

(require 'org)
(require 'org-element)

(setq gc-cons-threshold (* 512 1024 1024)
      org-todo-keywords '((sequence "PENDING" "IN_PROGRESS" "|" "DONE" "FAILED" "SKIPPED"))
      org-resource-download-policy nil
      org-log-done 'time
      org-log-into-drawer t)

;; Adding to a log is quadratic in the size of the file: only boards are small enough.
(defconst org-dump-logged-size-max 10000)

(defun org-dump-offset (position)
  "Return the offset in bytes of POSITION."
  (1- (position-bytes position)))

(defun org-dump-text (text)
  "Return TEXT without properties, or null."
  (if text (substring-no-properties text) :null))

(defun org-dump-stamp (stamp)
  "Return the text of the time stamp object STAMP, or null."
  (org-dump-text (and stamp (org-element-property :raw-value stamp))))

(defun org-dump-entries (headline)
  "Return the properties in the drawer of HEADLINE."
  (let ((section (car (org-element-contents headline))))
    (when (eq (org-element-type section) 'section)
      (let ((drawer (seq-find (lambda (element) (eq (org-element-type element) 'property-drawer))
                              (seq-take (org-element-contents section) 2))))
        (mapcar (lambda (entry)
                  (vector (org-dump-text (org-element-property :key entry))
                          (org-dump-text (org-element-property :value entry))))
                (and drawer (org-element-contents drawer)))))))

(defun org-dump-headline (headline)
  "Return HEADLINE as an object for JSON."
  (let ((priority (org-element-property :priority headline))
        (type (org-element-property :todo-type headline)))
    (list :offset (org-dump-offset (org-element-property :begin headline))
          :level (org-element-property :level headline)
          :keyword (org-dump-text (org-element-property :todo-keyword headline))
          :kind (if type (symbol-name type) :null)
          :priority (if priority (char-to-string priority) :null)
          :commented (if (org-element-property :commentedp headline) t :false)
          :title (org-dump-text (org-element-property :raw-value headline))
          ;; An empty string between two colons is nobody's tag.
          :tags (vconcat (mapcar #'org-dump-text
                                 (remove "" (org-element-property :tags headline))))
          :closed (org-dump-stamp (org-element-property :closed headline))
          :deadline (org-dump-stamp (org-element-property :deadline headline))
          :scheduled (org-dump-stamp (org-element-property :scheduled headline))
          :properties (vconcat (org-dump-entries headline)))))

(defun org-dump-logged ()
  "Return the text with an entry in each log, and leave the buffer changed."
  (goto-char (point-max))
  (while (re-search-backward "^\\*+ " nil t)
    (save-excursion
      (goto-char (org-log-beginning t))
      (unless (bolp) (insert "\n"))
      (insert "- entry\n")))
  (buffer-substring-no-properties (point-min) (point-max)))

(defun org-dump-file (file)
  "Print what org reads in FILE."
  (with-temp-buffer
    (let ((coding-system-for-read 'utf-8-unix)
          (inhibit-message t))
      (insert-file-contents file)
      (org-mode)
      (princ
       (json-serialize
        (list :todo (vconcat (mapcar #'org-dump-text org-not-done-keywords))
              ;; Org keeps a second bar as if it were a keyword; no headline can carry it.
              :done (vconcat (mapcar #'org-dump-text (remove "|" org-done-keywords)))
              :filetags (vconcat (mapcar #'org-dump-text org-file-tags))
              :log_drawer (if org-log-into-drawer t :false)
              :log_done (if org-log-done t :false)
              :headlines
              (vconcat (org-element-map (org-element-parse-buffer 'element) 'headline
                         #'org-dump-headline))
              :logged (if (< (buffer-size) org-dump-logged-size-max) (org-dump-logged) :null))))
      (princ "\n"))))

(setq coding-system-for-write 'utf-8-unix)
(mapc #'org-dump-file command-line-args-left)
(setq command-line-args-left nil)

;;; org-dump.el ends here
