#!/usr/bin/env bash
# Build the program, from the same library with another feature the Emacs module, and compile the Lisp.
# Both go into one target directory and use one profile: what they depend on is compiled once.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/steps.sh
: "${MODULE:?names the file to build: run make build}"

build_program() {
    $CARGO build $CARGO_FLAGS --release --bin fleet
}

build_module() {
    $CARGO rustc $CARGO_FLAGS --release --lib --crate-type cdylib --no-default-features --features module
    local built="$TARGET/release/libfleet.so" named
    # Unchanged: leave the installed file, and with it every Emacs that has it loaded, alone.
    if cmp -s "$built" "$MODULE"; then return; fi
    named=$(mktemp -d "$TARGET/module.XXXXXX")
    cp "$built" "$named/$(basename "$MODULE")"
    scripts/place.sh 644 "$(dirname "$MODULE")" "$named/$(basename "$MODULE")"
    rm -r "$named"
}

# Without native compilation the byte compiler makes the difference between a tenth of a millisecond and several.
build_lisp() {
    rm -f lisp/*.elc
    "$EMACS" -Q --batch -L lisp -f batch-byte-compile lisp/*.el
}

step program build_program && step module build_module && step lisp build_lisp
