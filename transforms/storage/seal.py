"""Seal: tell what this user's program has written from what came from elsewhere.

A report folder may come from anybody, and undo writes into files. A secret key in the user's own
folder seals what a run says it has changed; whoever does not know the key cannot say so.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import json
import os
import secrets
import stat
from typing import Any

from genrebeam.model import files
from genrebeam.transforms.storage.state import state_folder

_BYTES = 32


def seal(facts: dict[str, Any]) -> str:
    """The seal of facts; empty where this user has no folder for a key.

    Parameters
    ----------
    facts : dict
        What `json.dumps` takes.
    """
    key = _key(_key_file())
    return _sealed(facts, key) if key else ""


def why_unsealed() -> str | None:
    """Why nothing can be sealed, or None."""
    path = _key_file()
    return None if _key(path) else f"no key can be kept in {os.path.dirname(path)}"


def is_sealed(facts: dict[str, Any], found: str) -> bool:
    """Whether a seal fits facts, so that this user's program wrote them."""
    key = _key(_key_file())
    return key is not None and hmac.compare_digest(
        _sealed(facts, key).encode(), found.encode("utf-8", "replace")
    )


def _sealed(facts: dict[str, Any], key: bytes) -> str:
    plain = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, plain.encode("ascii"), hashlib.sha256).hexdigest()


def _key_file() -> str:
    return os.path.join(state_folder(), "key")


@functools.cache
def _key(path: str) -> bytes | None:
    if not os.path.isabs(path):  # no home
        return None
    with contextlib.suppress(OSError):
        if (key := _read(path)) is None:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _make(path)
            key = _read(path)
        return key
    return None


def _read(path: str) -> bytes | None:
    try:
        handle = files.open_own(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        facts = os.fstat(handle)
        # A key that others know or chose seals nothing.
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
            raise PermissionError(f"{path}: others may read it")
        key = os.read(handle, _BYTES + 1)
    finally:
        os.close(handle)
    if len(key) != _BYTES:
        raise OSError(f"{path}: not a key")
    return key


def _make(path: str) -> None:
    """Make a key, whole or not at all; of two processes one is first."""
    fresh = f"{path}.{secrets.token_hex(8)}"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.write(handle, secrets.token_bytes(_BYTES))
        os.fsync(handle)
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.close(handle)
        os.unlink(fresh)
