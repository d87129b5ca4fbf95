"""Load TensorFlow quietly and without its extras, and ONNX Runtime without its telemetry."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

# Keras loads wrappers for these where they are installed; nothing here needs them.
_EXTRAS = ("matplotlib", "sklearn")
_alone = threading.Lock()
# What descriptor 2 was, while it is silenced.
_kept: int | None = None


def import_tensorflow() -> Any:
    """Import TensorFlow without Keras' extras, which takes two thirds of the time."""
    with _alone, silenced():
        hidden: dict[str, Any] = {name: None for name in _EXTRAS if name not in sys.modules}
        sys.modules.update(hidden)
        try:
            import tensorflow
        finally:
            for name in hidden:
                del sys.modules[name]
    return tensorflow


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, and let it report nothing.

    From 1.29 on it has a network connection and a database of its own for telemetry, in Linux too.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # looked at when the library is loaded
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # if another program had loaded it before
    return onnxruntime


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Silence descriptor 2, unless logging at INFO is on.

    TensorFlow's native code writes there before its own settings apply.
    """
    if logging.getLogger().isEnabledFor(logging.INFO):
        yield
        return
    global _kept
    kept = _kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        _kept = None
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def say(line: str) -> None:
    """Print a line on stderr, though it may be silenced now."""
    with contextlib.suppress(OSError):  # nobody reads
        if _kept is None:
            print(line, file=sys.stderr)
        else:
            os.write(_kept, f"{line}\n".encode(errors="backslashreplace"))
