# Sourced by the other scripts: run named steps, time them, and close with a table of what they did.
# shellcheck shell=bash
#
#   step NAME COMMAND…    run it, show and count its output, remember the result; 1 if it failed
#   table                 print the steps of this process
#
# The sourcing script decides what a failed step means, so it must not `set -e`; inside a step it is set.
#
# Where FLEET_STEPS names a file, each step is also added to it, so that one run of several scripts can be summed up.

# make passes these; the defaults are for a script run by itself.
: "${CARGO:=cargo}" "${CARGO_FLAGS=--locked}" "${EMACS:=emacs}" "${TARGET:=target}"
LOGS=$TARGET/steps
ROWS=()
mkdir -p "$LOGS"

# Sums what cargo's and ERT's closing lines in the log FILE say: "PASSED FAILED SKIPPED".
counted() {
    awk '
        /^test result: / {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
                if ($i ~ /^ignored/) skipped += $(i - 1)
            }
        }
        /^Ran [0-9]+ tests?, / {
            for (i = 2; i <= NF; i++) {
                if ($i == "results" && $(i + 1) == "as") passed += $(i - 1)
                if ($i ~ /^unexpected/) failed += $(i - 1)
                if ($i ~ /^skipped/) skipped += $(i - 1)
            }
        }
        END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

step() {
    local name=$1 log="$LOGS/$1.log" result=ok began=$SECONDS counts
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    (set -e; "$@") 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || result=FAILED
    counts=$(counted "$log")
    local row="$name $result $counts $((SECONDS - began))"
    ROWS+=("$row")
    [ -z "${FLEET_STEPS:-}" ] || echo "$row" >>"$FLEET_STEPS"
    printf '== %s: %s, %s s\n' "$name" "$result" "$((SECONDS - began))"
    [ "$result" = ok ]
}

# Prints the rows on standard input as a table and then `N passed, N failed`; 1 if any step failed.
# A step that failed without a failed test to blame (it did not compile) counts as one failure.
rows_as_table() {
    awk '
        function dash(n) { return n ? n : "-" }
        BEGIN {
            form = "%-10s %-7s %7s %7s %8s %8s\n"
            printf "\n" form, "step", "result", "passed", "failed", "skipped", "seconds"
        }
        {
            printf form, $1, $2, dash($3), dash($4), dash($5), $6
            passed += $3; failed += $4
            if ($2 != "ok" && $4 == 0) failed++
        }
        END { printf "\n%d passed, %d failed\n", passed, failed; exit failed > 0 }'
}

table() {
    printf '%s\n' "${ROWS[@]}" | rows_as_table
}
