#!/usr/bin/env bash
# The whole product in half a minute: an Emacs of its own serves a copy of examples/dispatch.org, three agents work
# on it, the Emacs is killed in the middle and started again, and nothing that was acknowledged is lost.
#
# Everything happens in a temporary directory and nothing of it is left. Fails if anything is not as it says.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly AGENTS=(timmy allegro ezra)
# How many reports are acknowledged before the kill, and how long that and an ending process may take.
readonly REPORTS_MIN=12 PATIENCE_SECS=30

program=$(realpath -m "${PROGRAM:-${TARGET:-${CARGO_TARGET_DIR:-target}}/release/fleet}")
[ -x "$program" ] || { echo "demo: $program is missing: run make build first" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/fleet-demo.XXXXXX")
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[m'; fi
shown=()

# Who was started for this demo carries its board in the environment, whoever its parent is by now.
ours() {
    local file pid
    for file in /proc/[0-9]*/environ; do
        pid=${file#/proc/} pid=${pid%/environ}
        if [ "$pid" != $$ ] && grep -qsazF "DISPATCH_FILE=$work/" "$file" 2>/dev/null; then echo "$pid"; fi
    done
}

cleanup() {
    local status=$? pid
    trap - EXIT
    for pid in $(ours); do kill -9 "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
    exit $status
}

step() {
    printf '\n%s%s%s\n' "$bold" "$1" "$plain"
}

fail() {
    printf '\ndemo: this does not hold: %s\n' "$1" >&2
    [ ! -e "$work/.fleet/dispatch.org/daemon.log" ] || tail -n 5 "$work/.fleet/dispatch.org/daemon.log" >&2
    exit 1
}

# expect WHAT COMMAND…: the command must succeed; what it proves is told at once and in the summary.
expect() {
    local what=$1
    shift
    "$@" || fail "$what"
    shown+=("$what")
    printf '  %s✓ %s%s\n' "$dim" "$what" "$plain"
}

has() { # has TEXT PATTERN
    grep -qE -- "$2" <<<"$1"
}

lacks() {
    ! has "$@"
}

# The words of a command as one would type them.
typed() {
    local word line=''
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=-]*) line+=" '$word'" ;;
            *) line+=" $word" ;;
        esac
    done
    printf '%s' "${line# }"
}

# run [!] COMMAND…: shows it and what it says, which is in $said afterwards. With `!`, it must be refused.
run() {
    local wanted=0 status=0
    if [ "$1" = '!' ]; then wanted=1; shift; fi
    printf '%s$ %s%s\n' "$dim" "$(typed "$@")" "$plain"
    # In the background, because only `wait` lets a signal through at once.
    "$@" >"$work/said" 2>&1 &
    wait $! || status=1
    said=$(cat "$work/said")
    [ -z "$said" ] || sed 's/^/  /' <<<"$said"
    [ "$status" = "$wanted" ] || fail "the command above $([ $wanted = 1 ] && echo 'is refused' || echo succeeds)"
}

journal_number() {
    fleet status --json | grep -oE '"number":[0-9]+' | head -n 1 | cut -d : -f 2
}

# until_true COMMAND…: waits for it, with a bound.
until_true() {
    local end=$((SECONDS + PATIENCE_SECS))
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "'$*' within $PATIENCE_SECS s"
        sleep 0.02
    done
}

# race NAME COMMAND…: one contender, whose fate goes into a file.
race() {
    local name=$1
    shift
    # emacsclient 28 exits with 1 when the form signals, fleet with 4 when another holds the task.
    if "$@" >"$work/race/$name.out" 2>&1; then echo won; else echo lost; fi >"$work/race/$name.fate"
}

# report AGENT: sends one numbered report after the other and keeps what was acknowledged, until there is nobody to ask.
report() {
    local n=0
    while n=$((n + 1)) && fleet append "report $n" --agent "$1" --request-id "$1-report-$n" >/dev/null 2>&1; do
        echo "$1: report $n" >>"$work/acknowledged"
    done
}

enough_reports() {
    [ -e "$work/acknowledged" ] && [ "$(wc -l <"$work/acknowledged")" -ge $REPORTS_MIN ]
}

all_reports_on_board() {
    local line
    while read -r line; do
        # The number of the event follows the text.
        [ "$(grep -cF -- " $line (#" "$DISPATCH_FILE")" = 1 ] || { echo "  not once on the board: $line" >&2; return 1; }
    done <"$work/acknowledged"
}

# A world of its own, in which `fleet` is what was built and no Emacs or agent of the person's is known.
unset FLEET_AGENT BEZALEL_HOST ALTERNATE_EDITOR EMACS_SERVER_FILE
mkdir "$work/home" "$work/race" "$work/tmp"
export HOME=$work/home TMPDIR=$work/tmp LC_ALL=C.UTF-8
export PATH=${program%/*}:$PATH
export FLEET_EMACS=$work/emacs-without-compiler FLEET_LISP=$PWD/lisp
export DISPATCH_FILE=$work/dispatch.org EMACS_SOCKET=$work/emacs EMACS_SOCKET_NAME=$work/emacs
cp examples/dispatch.org "$DISPATCH_FILE"
# Emacs's native compiler runs in processes of its own, which would outlive the kill by a minute.
cat >"$FLEET_EMACS" <<END
#!/bin/sh
exec '${EMACS:-emacs}' --eval '(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil)' "\$@"
END
chmod +x "$FLEET_EMACS"

step 'A board is an org file; an Emacs in the background serves it.'
run grep -E '^\*+ ' "$DISPATCH_FILE"
run fleet daemon start
first_pid=${said##* }

step 'Agents ask what is ready for them. The tags of a task say whose it is; TASK-011 waits for TASK-010.'
run fleet poll --agent timmy
run fleet poll --agent ezra
expect 'a task whose blocker is open is not offered' lacks "$said" TASK-011

step 'Three agents want TASK-010 at the same moment, each through the program and through emacsclient.'
for agent in "${AGENTS[@]}"; do
    printf '%s$ fleet claim TASK-010 --agent %s &%s\n' "$dim" "$agent" "$plain"
    race "$agent-fleet" fleet claim TASK-010 --agent "$agent" &
    form="(fleet-claim \"TASK-010\" \"$agent\")"
    printf "%s\$ emacsclient -e '%s' &%s\n" "$dim" "$form" "$plain"
    race "$agent-emacsclient" emacsclient -e "$form" &
done
wait
for fate in "$work"/race/*.fate; do
    name=${fate##*/}
    printf '  %-22s%s\n' "${name%.fate}" "$(cat "$fate")"
done
winners=$(grep -l won "$work"/race/*.fate || true)
expect 'exactly one of six claims at the same moment won' test "$(wc -w <<<"$winners")" = 1
winner=${winners##*/} winner=${winner%%-*}
run fleet show TASK-010
expect "the board says who: $winner" has "$said" "holder +$winner"

step "The winner notes progress and finishes. TASK-011 is free now, and ezra takes it."
run fleet note TASK-010 'both images are built' --agent "$winner"
run fleet done TASK-010 --agent "$winner" --result 'images 2.4.0-rc1'
run fleet claim --next --agent ezra
expect 'the next task for ezra is the one that was blocked' has "$said" TASK-011

step 'From Emacs the same verbs are functions. timmy fails: the task waits for its next attempt.'
run emacsclient -e '(fleet-claim "TASK-001" "timmy")'
run ! fleet done TASK-001 --agent allegro
run fleet fail TASK-001 --agent timmy --reason 'staging is down'
expect 'a failed task waits before it is tried again' has "$(fleet list)" 'TASK-001 .*\(backoff\)'

step 'All three send reports without a pause. In the middle of that, Emacs is killed: no goodbye, no save.'
for agent in "${AGENTS[@]}"; do
    report "$agent" &
done
until_true enough_reports
run fleet done TASK-011 --agent ezra --result 'published'
before=$(journal_number)
run kill -9 "$first_pid"
wait
printf '  %s reports and the end of TASK-011 were acknowledged; the journal was at %s or later\n' \
    "$(wc -l <"$work/acknowledged")" "$before"
run ! fleet status

step 'Emacs is started again.'
run fleet daemon start
run fleet status
after=$(journal_number)
expect "the journal lost nothing: $before before, $after after" test "$after" -ge "$before"
run fleet list
expect 'work acknowledged a moment before the kill is there' has "$said" 'DONE +TASK-011'

step 'An agent that never heard the answer repeats its request with the same id.'
run fleet append 'report 1' --agent timmy --request-id timmy-report-1
expect 'a repeated request is not carried out twice' test "$(journal_number)" = "$after"

step 'The daemon is stopped. What all of this did to the file:'
run fleet daemon stop
expect 'the board shows every acknowledged report exactly once' all_reports_on_board
printf '%s$ diff -u examples/dispatch.org %s%s\n' "$dim" "$DISPATCH_FILE" "$plain"
diff -u --label before --label after examples/dispatch.org "$DISPATCH_FILE" | sed 's/^/  /' || true
expect 'the board shows the finished work' grep -q '^\*\* DONE TASK-011' "$DISPATCH_FILE"
expect 'no process is left' test -z "$(ours)"

step 'Shown:'
printf '  ✓ %s\n' "${shown[@]}"
printf '\nNext: README.md; or try it on this board: DISPATCH_FILE=my.org fleet daemon start --create\n'
