"""The file types that a library is searched for."""

from __future__ import annotations

import os

# libsndfile decodes most of the first line, FFmpeg the second.
_BY_LIBSNDFILE = (
    *("mp3", "mp2", "flac", "ogg", "oga", "opus", "wav", "wave", "bwf", "aif", "aiff", "aifc"),
)
_BY_FFMPEG = (
    *("m4a", "m4b", "m4r", "m4p", "mp4", "aac", "wma", "ape", "wv", "mpc", "mpp", "spx", "dsf"),
    *("dff", "tta", "tak"),
)
# Listed so that a row says why they get no genre (see untaggable.py): all that FFmpeg plays.
_REFUSED = (
    *("w64", "rf64", "caf", "mka", "weba", "webm", "3gp", "3g2", "3ga", "ac3", "eac3", "ec3"),
    *("ac4", "dts", "dtshd", "mlp", "thd", "amr", "awb", "au", "snd", "voc", "ra", "shn", "oma"),
    *("aa3", "qoa", "sph", "nist", "latm", "loas", "adts", "gsm", "mp1", "mpa", "aax"),
)
FORMATS = frozenset(_BY_LIBSNDFILE + _BY_FFMPEG + _REFUSED)
# That lose nothing; m4a may or may not.
_UNCOMPRESSED = (
    *("wav", "wave", "bwf", "aif", "aiff", "aifc", "w64", "rf64", "dsf", "dff", "au", "snd"),
)
LOSSLESS = frozenset(("flac", "ape", "wv", "tta", "tak", "shn", "mlp", "thd", *_UNCOMPRESSED))


def format_of(path: str) -> str:
    """Lower-case extension of a path without the dot, or the empty string.

    Examples
    --------
    >>> format_of("/music/A.MP3")
    'mp3'
    """
    return os.path.splitext(path)[1][1:].lower()
