"""The file types that a library is searched for."""

from __future__ import annotations

import os

# libsndfile decodes most of the first line, FFmpeg the second.
_BY_LIBSNDFILE = ("mp3", "flac", "ogg", "oga", "opus", "wav", "aif", "aiff")
_BY_FFMPEG = ("m4a", "aac", "wma", "ape", "wv", "mpc", "spx", "dsf", "dff", "tta")
# Listed so that a row says why they get no genre (see untaggable.py).
_REFUSED = ("w64", "rf64", "caf", "mka", "weba", "webm")
FORMATS = frozenset(_BY_LIBSNDFILE + _BY_FFMPEG + _REFUSED)
# That lose nothing; m4a may or may not.
_UNCOMPRESSED = ("wav", "aif", "aiff", "w64", "rf64", "dsf", "dff")
LOSSLESS = frozenset(("flac", "ape", "wv", "tta", *_UNCOMPRESSED))


def format_of(path: str) -> str:
    """Lower-case extension of a path without the dot, or the empty string.

    Examples
    --------
    >>> format_of("/music/A.MP3")
    'mp3'
    """
    return os.path.splitext(path)[1][1:].lower()
