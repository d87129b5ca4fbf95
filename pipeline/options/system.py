"""What GenreBeam needs of the operating system; Linux and macOS have it all."""

from __future__ import annotations

import importlib
import multiprocessing
import os

from genrebeam.pipeline.options.errors import UsageError

# Modules of Python that only some systems have, and what they are for.
_MODULES = {
    "fcntl": "locks on files, so that two runs leave each other's copies alone",
    "resource": "limits of memory and time, so that a damaged file harms nothing else",
}
_START = "forkserver"


def check_system() -> None:
    """Check that this system can do what the safety of files rests on, and where we are.

    Raises
    ------
    UsageError
        If it cannot, as Windows; or if the current folder is gone.
    """
    needs = []
    for name, purpose in _MODULES.items():
        try:
            importlib.import_module(name)
        except ImportError:
            needs.append(f"{name} ({purpose})")
    if _START not in multiprocessing.get_all_start_methods():
        needs.append(f"{_START} (processes of their own for damaged files)")
    if needs:
        raise UsageError(f"this system's Python lacks {needs[0]}; on Windows, run GenreBeam in WSL")
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder is gone; change to another one") from error
