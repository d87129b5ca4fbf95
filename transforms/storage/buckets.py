"""Buckets: objects in Google Cloud Storage (``gs://``) and in S3 (``s3://``).

An object appears whole or not at all. Both storages write one on condition: only where it still
is the version that was read (its generation, its ETag), or only where there is none. Beam makes
the clients, so that its options and credentials count. `docs/decisions/bucket-clients.md` says why
the clients are our own.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from genrebeam.transforms.storage.storage import ChangedMeanwhile, Found, Span


def find(uri: str) -> Found:
    """The object as it is now.

    Raises
    ------
    FileNotFoundError, OSError
    """
    with _reported(uri):
        return _client(uri).find(*_parts(uri))


def objects_below(folder: str) -> Iterator[Found]:
    """The object of that name, and all below the folder of that name, by name.

    Parameters
    ----------
    folder : str
        A bucket, or a folder in it.
    """
    bucket, prefix = _parts(folder.rstrip("/"))
    with _reported(folder):
        for found in _client(folder).listed(bucket, prefix):
            _, name = _parts(found.uri)
            if not prefix or name == prefix or name.startswith(f"{prefix}/"):
                yield found


def folders_in(folder: str) -> list[str]:
    """Names of the folders in a folder."""
    bucket, prefix = _parts(f"{folder.rstrip('/')}/")
    with _reported(folder):
        found = _client(folder).folders(bucket, prefix)
    return sorted(name.removeprefix(prefix).rstrip("/") for name in found)


def fetch(found: Found, stream: BinaryIO, span: Span | None = None) -> None:
    """Write the content of this very version into a stream.

    Parameters
    ----------
    span : Span, optional
        Instead of all.

    Raises
    ------
    ChangedMeanwhile, FileNotFoundError, OSError
    """
    with _reported(found.uri):
        _client(found.uri).fetch(*_parts(found.uri), found.version, stream, span)


def read(uri: str) -> bytes:
    """Content of an object as it is now.

    Raises
    ------
    FileNotFoundError, OSError
    """
    stream = io.BytesIO()
    with _reported(uri):
        _client(uri).fetch(*_parts(uri), None, stream, None)
    return stream.getvalue()


def write(uri: str, stream: BinaryIO) -> None:
    """Write an object, whole, whatever was there.

    Parameters
    ----------
    stream : file
        From its start.
    """
    with _reported(uri):
        _client(uri).put(*_parts(uri), stream, None, False)


def put(uri: str, stream: BinaryIO, *, replacing: Found | None) -> Found:
    """Write an object, whole, on condition.

    Parameters
    ----------
    stream : file
        From its start.
    replacing : Found or None
        The only version that may be replaced, whose properties stay; None writes only where
        there is no such object.

    Returns
    -------
    Found
        As written.

    Raises
    ------
    ChangedMeanwhile
        If the condition does not hold.
    """
    with _reported(uri):
        return _client(uri).put(*_parts(uri), stream, replacing, replacing is None)()


def remove(found: Found) -> None:
    """Remove this very version of an object.

    Raises
    ------
    ChangedMeanwhile, FileNotFoundError, OSError
    """
    with _reported(found.uri):
        _client(found.uri).remove(*_parts(found.uri), found.version)


def _client(uri: str) -> Client:
    return client_of(uri.partition("://")[0])


def _parts(uri: str) -> tuple[str, str]:
    bucket, _, name = uri.partition("://")[2].partition("/")
    return bucket, name


@contextlib.contextmanager
def _reported(uri: str) -> Iterator[None]:
    """Whatever a client raises becomes an `OSError` that has a reason."""
    try:
        yield
    except ImportError as error:
        extra = "gcp" if uri.startswith("gs://") else "aws"
        reason = f"needs pip install 'genrebeam[{extra}]' ({error})"
        raise OSError(errno.ENOPKG, reason, uri) from error
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:  # the local disk's
            raise
        answer = getattr(error, "response", None)
        facts = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
        status = facts.get("HTTPStatusCode") or getattr(error, "code", None)
        if status == 404:
            raise FileNotFoundError(errno.ENOENT, "No such object or bucket", uri) from error
        if status in (409, 412):  # what S3 answers while another writes, and afterwards
            raise ChangedMeanwhile(errno.ESTALE, "changed by others", uri) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        if host := re.search(r"ConnectionPool\(host='([^']+)'", reason):
            reason = f"cannot reach {host[1]}"
        raise OSError(errno.EIO, reason, uri) from error


class Client(Protocol):
    """What differs between kinds of buckets; one module each."""

    removes: str
    """The command with which people remove an object."""

    def find(self, bucket: str, name: str) -> Found: ...

    def listed(self, bucket: str, prefix: str) -> Iterator[Found]: ...

    def folders(self, bucket: str, prefix: str) -> list[str]: ...

    def fetch(
        self, bucket: str, name: str, version: str | None, stream: BinaryIO, span: Span | None
    ) -> None: ...

    def put(
        self, bucket: str, name: str, stream: BinaryIO, replacing: Found | None, is_new: bool
    ) -> Callable[[], Found]: ...

    def remove(self, bucket: str, name: str, version: str) -> None: ...


@functools.cache
def client_of(scheme: str) -> Client:
    """The client of a kind of buckets; made by Beam, so that its options and credentials count.

    Parameters
    ----------
    scheme : {"gs", "s3"}
    """
    from genrebeam.transforms.storage import amazon, google

    open_client: dict[str, Callable[[Any], Client]] = {
        "gs": google.open_client,
        "s3": amazon.open_client,
    }
    return open_client[scheme](_options())


def _options() -> Any:
    """Those of the pipeline; before there is one, those of the command line."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    # Beam has no other way to ask, on workers neither.
    return FileSystems._pipeline_options or PipelineOptions()
