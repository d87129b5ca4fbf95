"""Errors of reading and writing tags."""

from __future__ import annotations

import struct

from transforms.records import Refusal, TrackError

# What mutagen raises on damaged files, beside its own `MutagenError`.
DAMAGE = (
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
)


class TagReadError(TrackError):
    """A file whose tags cannot be read."""


class TagWriteError(TrackError):
    """A file whose genre cannot be written; it is as it was before."""


class NoTagField(Refusal):
    """A container that has no place for a genre."""
