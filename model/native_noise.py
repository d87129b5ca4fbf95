"""Keep TensorFlow's libraries quiet while they are loaded."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Silence descriptor 2, unless logging at INFO is on.

    TensorFlow's native code greets there before any setting of its own applies.
    """
    if logging.getLogger().isEnabledFor(logging.INFO):
        yield
        return
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
