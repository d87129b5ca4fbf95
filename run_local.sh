#!/usr/bin/env bash
# Set up .venv once, then run a genrebeam command from any folder:
#   run_local.sh tag LIBRARY     tag a folder of music (see: run_local.sh tag --help)
#   run_local.sh test [ARGS]     run the test suite; ARGS go to pytest
#   run_local.sh COMMAND ...     any other genrebeam command
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv=$here/.venv

die() {
    printf 'run_local.sh: %s\n' "$1" >&2
    exit 2
}

find_python() {
    for python in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        if [ -n "$python" ] && "$python" -c \
            'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo "no python3")
    die "Python 3.11, 3.12 or 3.13 is needed, found $found; set PYTHON to one"
}

# set_up LOCK: make .venv hold what the lock file says; at once where it does already.
set_up() {
    lock=$here/requirements/$1.lock
    stamp=$venv/.installed-$1
    if [ -f "$stamp" ] && cmp -s "$lock" "$stamp" && [ -x "$venv/bin/genrebeam" ]; then
        return
    fi
    if ! [ -x "$venv/bin/python" ]; then
        python=$(find_python)
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            die "this Python has no venv; on Debian and Ubuntu: apt install python3-venv"
        echo "Setting up $venv (once, some minutes) ..." >&2
        "$python" -m venv "$venv"
    else
        echo "Bringing $venv up to date ..." >&2
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes -r "$lock" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --no-build-isolation --editable "$here" >&2
    cp "$lock" "$stamp"
}

if [ "${1:-}" = test ]; then
    shift
    set_up test
    cd "$here"
    "$venv/bin/python" -m ruff check .
    "$venv/bin/python" -m ruff format --check .
    exec "$venv/bin/python" -m pytest "$@"
fi

# The test lock holds the runtime's too, at the same versions.
if ! [ -f "$venv/.installed-test" ] || ! cmp -s "$here/requirements/test.lock" "$venv/.installed-test"; then
    set_up runtime
fi
exec "$venv/bin/genrebeam" "$@"
