# Every step of the life of a checkout, from a bare Debian to an installed program. `make` lists them.

PROFILE := release
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
EMACS ?= emacs
CARGO ?= cargo
# The lock file decides what is built; `make CARGO_FLAGS=` lets cargo renew it.
CARGO_FLAGS ?= --locked

# Where `install` puts things; DESTDIR is for packagers.
PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)

TARGET := $(or $(CARGO_TARGET_DIR),target)
PROGRAM := $(TARGET)/$(PROFILE)/fleet
# Versioned: an Emacs that runs the old module keeps it, a new one asks for its own by name.
MODULE := lisp/fleet-module-$(VERSION).so

# rustup's tools come first: a distribution's own rustc may be too old, and a fresh rustup is not on PATH yet.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)
export EMACS CARGO CARGO_FLAGS PROGRAM MODULE TARGET PREFIX DESTDIR

.DEFAULT_GOAL := help
# cargo uses the cores already, and two of them only wait for each other.
.NOTPARALLEL:
.PHONY: help deps build demo test lint check bench install uninstall clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what is missing to build and test (Debian, Ubuntu)
	@scripts/deps.sh

build: deps ## build the program and the Emacs module, compile the Lisp
	@scripts/build.sh

demo: build ## show a board, an agent and a claim, in a sandbox
	@scripts/demo.sh

test: deps build ## run every test level
	@scripts/test.sh

lint: deps ## check formatting, clippy, documentation and Elisp
	@scripts/lint.sh

check: lint test ## lint and test: what CI runs

bench: build ## measure the board, here and from another host
	$(CARGO) bench $(CARGO_FLAGS) --bench board --bench remote

# With sudo, what the user has built is installed; root's cargo is not asked.
install: $(if $(SUDO_USER),$(PROGRAM) $(MODULE),build) ## install below PREFIX (~/.local; /usr/local for root)
	@scripts/install.sh install
	@echo "fleet $(VERSION) is in $(PREFIX)/bin; for Emacs:"
	@echo "  (add-to-list 'load-path \"$(PREFIX)/share/emacs/site-lisp/fleet\") (require 'fleet)"

$(PROGRAM) $(MODULE):
	@echo "$@ is missing: run make build first" >&2; exit 1

uninstall: ## remove what install put there
	@scripts/install.sh uninstall

clean: ## remove everything that was built
	$(CARGO) clean
	rm -f lisp/*.elc lisp/fleet-module-*.so lisp/.fleet-module-*.so
