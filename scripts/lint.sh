#!/usr/bin/env bash
# Formatting, clippy, documentation and Elisp. Any warning is a failure.
# In the release profile, because build scripts and macros are then shared with the build.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/steps.sh

clippy_program() {
    $CARGO clippy $CARGO_FLAGS --release --all-targets -- -D warnings
}

clippy_module() {
    $CARGO clippy $CARGO_FLAGS --release --lib --no-default-features --features module -- -D warnings
}

docs() {
    RUSTDOCFLAGS='-D warnings' $CARGO doc $CARGO_FLAGS --release --no-deps --document-private-items --features module
}

# Byte compiler, checkdoc and package-lint; the rules are in the Lisp file.
elisp() {
    [ -f test-lisp/fleet-lint.el ] || { echo 'test-lisp/fleet-lint.el is missing: no Elisp was checked' >&2; return 1; }
    "$EMACS" -Q --batch -L lisp -L test-lisp -l test-lisp/fleet-lint.el -f fleet-lint-batch
}

failed=0
step fmt $CARGO fmt --check || failed=1
step clippy clippy_program || failed=1
step clippymod clippy_module || failed=1
step docs docs || failed=1
step elisplint elisp || failed=1
exit $failed
