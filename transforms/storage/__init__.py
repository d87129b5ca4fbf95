"""Storage: where music and reports are, a disk or a bucket.

To add one: a module with a subclass of `Storage`, or of what `Bucket` needs of a client, and a
line in `storage_of`.
"""

from __future__ import annotations

import re

from genrebeam.transforms.storage.bucket import Bucket
from genrebeam.transforms.storage.local import Local
from genrebeam.transforms.storage.storage import ChangedMeanwhile, Found, Held, Storage

__all__ = [
    "SCHEMES",
    "ChangedMeanwhile",
    "Found",
    "Held",
    "Storage",
    "absolute",
    "is_inside",
    "path_of",
    "storage_of",
]

SCHEMES = ("gs", "s3")
_LOCAL, _BUCKET = Local(), Bucket()


def storage_of(path: str) -> Storage:
    """The storage that a path is in.

    Parameters
    ----------
    path : str
        Local, ``gs://...`` or ``s3://...``.
    """
    scheme, separator, _ = path.partition("://")
    return _BUCKET if separator and scheme in SCHEMES else _LOCAL


def absolute(path: str) -> str:
    """A path that means the same wherever it is read."""
    return storage_of(path).absolute(path)


def is_inside(path: str, folder: str) -> bool:
    """Whether a file is in a folder, as links lead now."""
    storage = storage_of(path)
    real, root = storage.real(path), storage.real(folder)
    return real == root or real.startswith(f"{root.rstrip('/')}/")


def path_of(shown: str) -> str:
    r"""The path that a report shows as `printable` text.

    Bytes that are no text are ``\udcxx`` there. A name may really have these characters; that is
    the file where it exists.
    """
    path = re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda found: chr(int(found[1], 16)), shown)
    return shown if path == shown or storage_of(shown).seems_there(shown) else path
