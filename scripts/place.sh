#!/usr/bin/env bash
# place.sh MODE DIRECTORY FILE…: put the files there, each by a temporary file and a rename.
# Writing into a module that an Emacs has mapped, or into a program that runs, would crash it or be refused;
# after a rename they keep the old file.
set -euo pipefail

mode=$1 directory=$2
shift 2
mkdir -p "$directory"
for file in "$@"; do
    name=$(basename "$file")
    temp=$(mktemp "$directory/.$name.XXXXXX")
    trap 'rm -f "$temp"' EXIT
    cp "$file" "$temp"
    chmod "$mode" "$temp"
    mv -f "$temp" "$directory/$name"
done
