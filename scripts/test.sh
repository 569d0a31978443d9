#!/usr/bin/env bash
# test.sh [LEVEL…]: run the test levels in order of cost, all of them whatever fails, and close with a table.
#
#   unit    tables and properties inside the library
#   it      through the program, and live: daemon, emacsclient, pseudo-terminal
#   elisp   ERT without the module: tests with no tag
#   native  ERT with the module, under --module-assertions: tests tagged `native` or `live`
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/steps.sh

# ERT must not see the person's home, Emacs server or tmux.
sandbox=$(mktemp -d "${TMPDIR:-/tmp}/fleet.XXXXXX")
trap 'rm -rf "$sandbox"' EXIT

ert() {
    local selector=$1
    shift
    env -u TMUX -u DISPLAY -u ALTERNATE_EDITOR -u EMACS_SOCKET_NAME -u EMACS_SERVER_FILE -u XDG_RUNTIME_DIR \
        HOME="$sandbox" XDG_CONFIG_HOME="$sandbox/config" XDG_STATE_HOME="$sandbox/state" TMPDIR="$sandbox" \
        LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC \
        "$EMACS" -Q --batch "$@" --eval '(setq load-prefer-newer t)' -L lisp -L test-lisp -l test-lisp/run.el --eval "(fleet-test-run '$selector)"
}

level_unit() {
    $CARGO test $CARGO_FLAGS --release --lib
}

level_it() {
    $CARGO test $CARGO_FLAGS --release --test it
}

level_elisp() {
    ert '(not (or (tag native) (tag live)))'
}

level_native() {
    ert '(or (tag native) (tag live))' --module-assertions
}

[ $# -gt 0 ] || set -- unit it elisp native
for level in "$@"; do
    declare -F "level_$level" >/dev/null || { echo "test.sh: no level $level: unit, it, elisp, native" >&2; exit 2; }
done
for level in "$@"; do
    step "$level" "level_$level"
done
table
