;;; fleet-module.el --- Find, check and load the native module  -*- lexical-binding: t -*-

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

;; The module is a shared library with its version in its file name, so
;; that an Emacs which runs an old one is never handed a new one under the
;; same name.  Nothing is loaded, built or asked for before the first use.


;;; Code:

;; The version stands in `fleet.el' too; a test compares them.
(defconst fleet-module-version "0.1.0"
  "Version of the native module that this Lisp needs.")

(declare-function fleet--mod-version "ext:fleet-module.so" ())

(defcustom fleet-module-directory nil
  "Directory of the native module, or nil for the one of the Lisp files.
The environment variable FLEET_MODULE, if set, names the module's file
and comes first."
  :type '(choice (const :tag "Beside the Lisp files" nil) directory)
  :group 'fleet
  :package-version '(fleet . "0.1.0"))

(defconst fleet-module--directory
  (file-name-directory (or load-file-name buffer-file-name default-directory))
  "Where this file was loaded from.")

(defun fleet-module-file ()
  "Return the absolute name of the file in which the module should be."
  (let ((named (getenv "FLEET_MODULE")))
    (expand-file-name
     (if (and named (not (string-empty-p named)))
         named
       (concat "fleet-module-" fleet-module-version module-file-suffix))
     (or fleet-module-directory fleet-module--directory))))

(defun fleet-module-load ()
  "Load the native module unless it is loaded.
Signal `fleet-config-error' if it is missing or of another version."
  (unless (fboundp 'fleet--mod-version)
    (let ((file (fleet-module-file)))
      (unless module-file-suffix
        (signal 'fleet-config-error '("this Emacs was built without dynamic modules")))
      (unless (file-readable-p file)
        (signal 'fleet-config-error
                (list (format "the native module is not at %s" file)
                      :hint "run `make build' where Fleet's sources are")))
      (module-load file)))
  (unless (equal (fleet--mod-version) fleet-module-version)
    (signal 'fleet-config-error
            (list (format "the loaded module is version %s, this Lisp needs %s"
                          (fleet--mod-version) fleet-module-version)
                  :hint "restart Emacs"))))

(provide 'fleet-module)
;;; fleet-module.el ends here
