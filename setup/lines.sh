# Sourced by the scripts beside it: one calm line per step, and the reason with the log's tail when a step fails.

log=${DROVER_HOME:-var}/log/setup.log

say() { printf '  %-11s %s\n' "$1" "$2"; }

fail() {
    printf '  %-11s %s\n' "$1" "$2" >&2
    exit 1
}

# run STEP COMMAND...: quiet, with its output in the log.
run() {
    local step=$1
    shift
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        printf '  %-11s failed: %s\n' "$step" "$*" >&2
        printf '  The end of %s:\n' "$log" >&2
        tail -n 15 "$log" | sed 's/^/    /' >&2
        exit 1
    fi
}
