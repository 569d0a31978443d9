#!/usr/bin/env bash
# install.sh install|uninstall: put what was built below $DESTDIR$PREFIX, or take away exactly that.
#
# What was put there is written down in PREFIX/share/fleet/installed, one path per line, relative to PREFIX, directories
# that did not exist before with a slash at their end. Uninstalling removes these files, and those directories if nothing
# else lies in them.
#
# Files are placed by rename (place.sh): an Emacs or a program that runs keeps the old ones. Modules of other versions
# stay until they are uninstalled, for an Emacs that has loaded older Lisp and not its module yet.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${PREFIX:?the directory to install below}" "${DESTDIR=}"

root=$DESTDIR$PREFIX
list=share/fleet/installed
lisp=share/emacs/site-lisp/fleet
# What this run puts there, what an earlier one did, and a directory for what is made on the way.
new=() before='' made=''

# Remembers the directory DIR and those above it, as far as they are ours to make.
remember_directories() {
    local dir=$1 found=()
    while [ "$dir" != . ] && [ ! -d "$root/$dir" ]; do
        found=("$dir/" "${found[@]}")
        dir=$(dirname "$dir")
    done
    new+=("${found[@]}")
}

# put MODE DIR FILE…: place the files in DIR, relative to PREFIX.
put() {
    local mode=$1 dir=$2 file
    shift 2
    remember_directories "$dir"
    scripts/place.sh "$mode" "$root/$dir" "$@"
    for file in "$@"; do new+=("$dir/$(basename "$file")"); done
}

# put_link TARGET DIR NAME: likewise, a symbolic link.
put_link() {
    local temp="$root/$2/.$3.$$"
    ln -s "$1" "$temp"
    mv -fT "$temp" "$root/$2/$3"
    new+=("$2/$3")
}

# The paths of an earlier installation.
listed() {
    [ ! -f "$root/$list" ] || cat "$root/$list"
}

# What an earlier version put there and this one does not.
remove_stale() {
    local path
    while IFS= read -r path; do
        case $path in
        '' | */ | "$list") ;;
        "$lisp"/fleet-module-*.so) new+=("$path") ;;
        *) printf '%s\n' "${new[@]}" | grep -qxF -- "$path" || rm -f -- "${root:?}/$path" ;;
        esac
    done
}

# Writes down what was put there; also when the installation fails half-way, so that it can be taken away.
write_list() {
    # Directories that an earlier installation made are still ours.
    { printf '%s\n' "${new[@]}"; grep "${1:-.}" <<<"$before" || true; } | sort -u >"$made/installed"
    scripts/place.sh 644 "$root/share/fleet" "$made/installed"
}

# The program without what the caller's environment and configuration say.
program() {
    env -i PATH="$PATH" HOME="$made" "$PROGRAM" "$@"
}

install() {
    : "${PROGRAM:?the program}" "${MODULE:?the module}"
    # Not in the target directory: with sudo, its owner could not remove what root puts there.
    made=$(mktemp -d)
    trap 'rm -rf "$made"' EXIT
    before=$(listed)
    remember_directories share/fleet
    new+=("$list")
    trap 'write_list; rm -rf "$made"' EXIT

    put 755 bin "$PROGRAM"
    put_link fleet bin fleet-append
    # Sources first: compiled files must not look older than they are.
    put 644 "$lisp" lisp/*.el
    put 644 "$lisp" lisp/*.elc "$MODULE"

    program completions bash >"$made/fleet"
    program completions zsh >"$made/_fleet"
    program completions fish >"$made/fleet.fish"
    put 644 share/bash-completion/completions "$made/fleet"
    put 644 share/zsh/site-functions "$made/_fleet"
    put 644 share/fish/vendor_completions.d "$made/fleet.fish"
    program man "$made/man" >/dev/null
    put 644 share/man/man1 "$made"/man/*.1
    sed "s|@BINDIR@|$PREFIX/bin|" share/systemd/fleet-daemon.service >"$made/fleet-daemon.service"
    put 644 share/systemd/user "$made/fleet-daemon.service"
    put 644 share/fleet/examples examples/*

    remove_stale <<<"$before"
    trap 'rm -rf "$made"' EXIT
    write_list '/$'
}

uninstall() {
    local path
    if [ ! -f "$root/$list" ]; then
        echo "uninstall: $root/$list does not exist: nothing was installed there" >&2
        return
    fi
    # Deepest first, so that a directory is empty when its turn comes; one that holds something else stays.
    listed | sort -r | while IFS= read -r path; do
        case $path in
        /* | .. | ../* | */../* | */..) echo "uninstall: $path is not below $root: left alone" >&2 ;;
        */) rmdir -- "$root/$path" 2>/dev/null || true ;;
        *) rm -f -- "${root:?}/$path" ;;
        esac
    done
}

case ${1:-} in
install | uninstall) "$1" ;;
*) echo "usage: install.sh install|uninstall" >&2; exit 2 ;;
esac
