#!/usr/bin/env bash
# Sets up .venv once, then runs a genrebeam command, from any folder:
#
#   run_local.sh tag LIBRARY     tag a folder of music (see run_local.sh tag --help)
#   run_local.sh undo REPORT     restore the files that the latest run changed
#   run_local.sh test [ARGS]     run the test suite; ARGS go to pytest
#   run_local.sh --help          all commands
set -eu

script=${BASH_SOURCE[0]}
while [ -L "$script" ]; do # called through a link: use the checkout it points to
    target=$(readlink -- "$script")
    case $target in /*) script=$target ;; *) script=$(dirname -- "$script")/$target ;; esac
done
here=$(CDPATH='' cd -- "$(dirname -- "$script")" && pwd -P)
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

# requirements/base.lock is what tagging needs. train.lock, pages.lock and watch.lock hold that and an extra, and
# test.lock holds everything.
#
# The stamp of a finished set-up holds the lock file's content and the path of the checkout. If
# either changes, the virtual environment is no longer valid.
stamp_of() {
    printf '%s\n' "$here"
    cat "$here/requirements/$1.lock"
}

is_set_up() {
    [ -x "$venv/bin/genrebeam" ] && stamp_of "$1" 2>/dev/null | cmp -s - "$venv/.installed-$1"
}

is_ready() { # the test lock contains all others, with the same versions
    is_set_up "$1" || is_set_up test
}

# set_up LOCK: install what the lock file says into .venv.
set_up() {
    if [ -d "$venv" ] && ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$venv" # its set-up was cut off, or it was moved
    fi
    if [ -d "$venv" ]; then
        echo "Bringing $venv up to date ..." >&2
    else
        python=$(find_python)
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            die "this Python has no venv; on Debian and Ubuntu: apt install python3-venv"
        echo "Setting up $venv (once, some minutes) ..." >&2
        "$python" -m venv "$venv"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes -r "$here/requirements/$1.lock" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall \
        --no-deps --no-build-isolation --editable "$here" >&2
    if [ "$1" != base ] && [ "$1" != watch ]; then
        # librosa compiles code at its first use (15 s for each process) and keeps it.
        "$venv/bin/python" -c 'import librosa; librosa.feature.melspectrogram' >&2
    fi
    stamp_of "$1" >"$venv/.installed-$1"
}

# One set-up at a time: a second call waits for the first.
set_up_alone() {
    guard=$here/.venv.guard
    until mkdir "$guard" 2>/dev/null; do
        owner=$(cat "$guard/owner" 2>/dev/null || true)
        if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
            rm -rf "$guard" # its owner died
        else
            sleep 1
        fi
    done
    echo "$$" >"$guard/owner"
    trap 'rm -rf "$guard"' EXIT
    trap 'exit 3' INT TERM
    is_set_up "$1" || set_up "$1"
    rm -rf "$guard"
    trap - EXIT INT TERM
}

if [ $# -eq 0 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$here/run_local.sh" >&2
    exit 2
fi

if [ "$1" = test ]; then
    shift
    is_set_up test || set_up_alone test
    cd "$here"
    "$venv/bin/python" -m ruff check .
    "$venv/bin/python" -m ruff format --check .
    "$venv/bin/python" -m mypy
    # A worker for each CPU; the tests of a file stay together. ARGS may say "-n 0".
    exec "$venv/bin/python" -m pytest --numprocesses=auto --maxprocesses=8 --dist=loadfile "$@"
fi

is_ready base || set_up_alone base
export _GENREBEAM_SCRIPT="$here/run_local.sh"
if [ "$1" = with ]; then # genrebeam found that a command needs an extra, and handed it back
    extra=$2
    shift 2
    printf 'This command needs more libraries: adding "%s".\n' "$extra" >&2
    if is_ready "$extra"; then
        unset _GENREBEAM_SCRIPT # it is there, yet not found: the message says what is missing
    else
        set_up_alone "$extra"
    fi
fi
exec "$venv/bin/genrebeam" "$@"
