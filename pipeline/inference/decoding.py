"""Decoding processes, for as long as they are needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from genrebeam.transforms.audio import pool
from genrebeam.transforms.genre.classify import end_loading


@contextlib.contextmanager
def decoding(processes: int | None = None) -> Iterator[None]:
    """Decoding processes for as long as the block runs, however it ends.

    Parameters
    ----------
    processes : int, optional
        Started now, so that they load while other things do; by default with the first task.
    """
    if processes is not None:
        pool.start(processes)
    try:
        yield
    finally:
        end_decoding()


def end_decoding() -> None:
    """End the processes now, and wait for what is being loaded."""
    pool.stop()
    end_loading()
