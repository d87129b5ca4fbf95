"""Remote: objects in Google Cloud Storage, under the same promises as local files.

An object appears whole or not at all, so that no copy beside it is needed: the changed one is
uploaded on the condition that the object is still the one that was read (its generation).
Its content type and metadata stay. Beam makes the client, so that its options and
credentials count.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from transforms.fields import TagWriteError
from transforms.formats import format_of
from transforms.patch import make_patch
from transforms.records import Track

_SCHEME = "gs://"
# What an upload would reset.
_KEPT = (
    "metadata",
    "cache_control",
    "content_disposition",
    "content_language",
    "custom_time",
    "storage_class",
)


def is_remote(path: str) -> bool:
    """Whether a path names an object or a folder in a bucket."""
    return path.startswith(_SCHEME)


@functools.lru_cache(maxsize=1)
def _client() -> Any:
    from apache_beam.io.gcp.gcsio import GcsIO

    return GcsIO().client


@dataclass(frozen=True)
class RemoteObject:
    """An object as it was at one time.

    Parameters
    ----------
    uri : str
    blob : google.cloud.storage.Blob
        With its properties, some of which change as it is used.
    generation : int
        Of the content.
    """

    uri: str
    blob: Any
    generation: int

    @staticmethod
    def find(uri: str) -> RemoteObject:
        """The object as it is now.

        Raises
        ------
        FileNotFoundError
        """
        bucket, _, name = uri.removeprefix(_SCHEME).partition("/")
        blob = _client().bucket(bucket).get_blob(name)
        if blob is None:
            raise FileNotFoundError(2, "No such object", uri)
        return RemoteObject(uri, blob, blob.generation)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.blob.size

    @property
    def mtime_ns(self) -> int:
        """When it was last written, in ns; the storage counts milliseconds."""
        return round(self.blob.updated.timestamp() * 1000) * 1_000_000

    def download(self, path: str) -> None:
        """Fetch the content of this very generation."""
        with open(path, "wb") as stream:
            self.blob.download_to_file(stream, if_generation_match=self.generation)

    def replace(self, path: str) -> RemoteObject:
        """Upload another content, if nobody else has in the meantime.

        Raises
        ------
        TagWriteError
            If the object is no longer the one that was found.
        """
        from google.api_core.exceptions import PreconditionFailed

        new = self.blob.bucket.blob(self.blob.name)
        for name in _KEPT:
            value = getattr(self.blob, name)
            if value:
                setattr(new, name, value)
        try:
            new.upload_from_filename(
                path,
                content_type=self.blob.content_type,
                if_generation_match=self.generation,
            )
        except PreconditionFailed as error:
            raise TagWriteError(self.uri, "changed while it was being tagged") from error
        return RemoteObject.find(self.uri)


def walk_objects(root: str, formats: Collection[str]) -> Iterator[Track]:
    """List the music below a folder of a bucket, or one object.

    Parameters
    ----------
    root : str
        ``gs://bucket`` or ``gs://bucket/folder``.
    formats : collection of str

    Yields
    ------
    Track
        Hidden names and unknown types are left out.
    """
    bucket, _, prefix = root.removeprefix(_SCHEME).partition("/")
    folder = prefix.rstrip("/")
    for blob in _client().list_blobs(bucket, prefix=folder):
        inside = not folder or blob.name == folder or blob.name.startswith(f"{folder}/")
        hidden = any(part.startswith(".") for part in blob.name[len(folder) :].split("/"))
        if inside and not hidden and format_of(blob.name) in formats:
            found = RemoteObject(f"{_SCHEME}{bucket}/{blob.name}", blob, blob.generation)
            yield Track(found.uri, format_of(blob.name), found.size, found.mtime_ns)


@contextlib.contextmanager
def localised(path: str) -> Iterator[str]:
    """A local file with the content of `path`: itself, or a copy while the block runs.

    Parameters
    ----------
    path : str
        Local or remote.

    Yields
    ------
    str
    """
    if not is_remote(path):
        yield path
        return
    with downloaded(RemoteObject.find(path)) as copy:
        yield copy


@contextlib.contextmanager
def downloaded(found: RemoteObject) -> Iterator[str]:
    """A local copy of an object, gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="genrebeam-") as folder:
        copy = os.path.join(folder, f"object.{format_of(found.uri)}")
        found.download(copy)
        yield copy


def beside(copy: str) -> str:
    """A second path in the folder of a local copy, gone with it."""
    folder, name = os.path.split(copy)
    return os.path.join(folder, f"changed {name}")


def rewrite_object(
    track: Track,
    change: Callable[[str], None],
    *,
    is_done: Callable[[], bool],
    journal: Callable[[dict[str, Any]], None],
    notes: dict[str, Any],
) -> Track:
    """Change an object; the counterpart of `transforms.rewrite.rewrite`.

    Parameters
    ----------
    track : Track
        As it was listed and read.
    change : callable
        Changes the local copy whose path it is given.
    is_done : callable
        Whether an object that is no longer as it was read has become what it was to be.
    journal : callable
        Called with what is about to change, before it does.
    notes : dict
        Further facts for the journal.

    Returns
    -------
    Track
        With the size and time of the object as it is now.

    Raises
    ------
    TagWriteError, OSError
        The object is as it was before.
    """
    before = RemoteObject.find(track.uri)
    if (before.size, before.mtime_ns) != (track.size_bytes, track.mtime_ns):
        if is_done():
            return track.as_written(before.size, before.mtime_ns)
        raise TagWriteError(track.uri, "changed while it was being heard")
    if before.blob.content_encoding:
        encoding = before.blob.content_encoding
        raise TagWriteError(track.uri, f"is stored {encoding}-encoded, not as the music it is")
    with downloaded(before) as original:
        copy = beside(original)
        shutil.copyfile(original, copy)
        change(copy)
        patch = make_patch(original, copy)
        if patch.changes_nothing:
            return track
        journal(
            {
                "path": track.uri,
                "format": track.format,
                **notes,
                "size_before": before.size,
                "mtime_ns_before": before.mtime_ns,
                "undo": patch.to_json(),
            }
        )
        try:
            after = before.replace(copy)
        except TagWriteError:
            # An upload whose answer was lost is tried again, and then finds its own work.
            if not is_done():
                raise
            after = RemoteObject.find(track.uri)
    return track.as_written(after.size, after.mtime_ns)
