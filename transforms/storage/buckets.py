"""Buckets: objects in Google Cloud Storage (``gs://``) and in S3 (``s3://``).

An object appears whole or not at all. Both storages write one on condition: only where it still
is the version that was read (its generation, its ETag), or only where there is none. Beam makes
the clients, so that its options and credentials count.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import hashlib
import io
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

SCHEMES = ("gs://", "s3://")
_SECOND = 1_000_000_000


class ObjectChanged(OSError):
    """An object that is not the version that it was to be."""


def is_remote(path: str) -> bool:
    """Whether a path names an object or a folder in a bucket."""
    return path.startswith(SCHEMES)


@dataclass(frozen=True)
class RemoteObject:
    """An object as it was at one time.

    Parameters
    ----------
    uri : str
    size : int
        In bytes.
    mtime_ns : int
        When its content was written, in ns, to the second; what is below a second tells the
        version, so that two contents of one second differ.
    version : str
        Generation or ETag.
    properties : dict
        What an upload would reset, by the names of the storage's client. Those of a listing are
        not complete.
    """

    uri: str
    size: int
    mtime_ns: int
    version: str
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def encoding(self) -> str | None:
        """How the content is packed, such as gzip."""
        names = ("content_encoding", "ContentEncoding")
        return next((self.properties[name] for name in names if self.properties.get(name)), None)


def find(uri: str) -> RemoteObject:
    """The object as it is now.

    Raises
    ------
    FileNotFoundError, OSError
    """
    with _told(uri):
        return _storage(uri).find(*_parts(uri))


def objects_below(folder: str) -> Iterator[RemoteObject]:
    """The object of that name, and all below the folder of that name, by name.

    Parameters
    ----------
    folder : str
        A bucket, or a folder in it.

    Raises
    ------
    OSError
    """
    bucket, prefix = _parts(folder.rstrip("/"))
    with _told(folder):
        for found in _storage(folder).listed(bucket, prefix):
            _, name = _parts(found.uri)
            if not prefix or name == prefix or name.startswith(f"{prefix}/"):
                yield found


def folders_in(folder: str) -> list[str]:
    """Names of the folders in a folder.

    Raises
    ------
    OSError
    """
    bucket, prefix = _parts(f"{folder.rstrip('/')}/")
    with _told(folder):
        found = _storage(folder).folders(bucket, prefix)
    return sorted(name.removeprefix(prefix).rstrip("/") for name in found)


def fetch(found: RemoteObject, stream: BinaryIO) -> None:
    """Write the content of this very version into a stream.

    Raises
    ------
    ObjectChanged, FileNotFoundError, OSError
    """
    with _told(found.uri):
        _storage(found.uri).fetch(*_parts(found.uri), found.version, stream)


def read(uri: str) -> bytes:
    """Content of an object as it is now.

    Raises
    ------
    FileNotFoundError, OSError
    """
    stream = io.BytesIO()
    with _told(uri):
        _storage(uri).fetch(*_parts(uri), None, stream)
    return stream.getvalue()


def write(uri: str, stream: BinaryIO) -> None:
    """Write an object, whole, whatever was there.

    Parameters
    ----------
    uri : str
    stream : file
        From its start.

    Raises
    ------
    OSError
    """
    with _told(uri):
        _storage(uri).put(*_parts(uri), stream, None, False)


def put(uri: str, stream: BinaryIO, *, replacing: RemoteObject | None) -> RemoteObject:
    """Write an object, whole, on condition.

    Parameters
    ----------
    uri : str
    stream : file
        From its start.
    replacing : RemoteObject or None
        The only version that may be replaced, whose properties stay; None writes only where
        there is no such object.

    Returns
    -------
    RemoteObject
        As written.

    Raises
    ------
    ObjectChanged
        If the condition does not hold.
    OSError
    """
    with _told(uri):
        return _storage(uri).put(*_parts(uri), stream, replacing, replacing is None)()


def remove(found: RemoteObject) -> None:
    """Remove this very version of an object.

    Raises
    ------
    ObjectChanged, FileNotFoundError, OSError
    """
    with _told(found.uri):
        _storage(found.uri).remove(*_parts(found.uri), found.version)


def _parts(uri: str) -> tuple[str, str]:
    bucket, _, name = uri.partition("://")[2].partition("/")
    return bucket, name


def _moment_ns(written: datetime.datetime, version: str) -> int:
    """S3 tells seconds; a version is more exact than any clock."""
    rest = int.from_bytes(hashlib.blake2b(version.encode(), digest_size=8).digest())
    return int(written.timestamp()) * _SECOND + rest % _SECOND


@contextlib.contextmanager
def _told(uri: str) -> Iterator[None]:
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
            raise ObjectChanged(errno.ESTALE, "changed by others", uri) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OSError(errno.EIO, reason, uri) from error


class _Storage(Protocol):
    """What differs between the storages."""

    def find(self, bucket: str, name: str) -> RemoteObject: ...

    def listed(self, bucket: str, prefix: str) -> Iterator[RemoteObject]: ...

    def folders(self, bucket: str, prefix: str) -> list[str]: ...

    def fetch(self, bucket: str, name: str, version: str | None, stream: BinaryIO) -> None: ...

    def put(
        self,
        bucket: str,
        name: str,
        stream: BinaryIO,
        replacing: RemoteObject | None,
        is_new: bool,
    ) -> Callable[[], RemoteObject]: ...

    def remove(self, bucket: str, name: str, version: str) -> None: ...


def _storage(uri: str) -> _Storage:
    return _gcs() if uri.startswith("gs://") else _s3()


def _options() -> Any:
    """Those of the pipeline; before there is one, those of the command line."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    # Beam has no other way to ask, on workers neither.
    return FileSystems._pipeline_options or PipelineOptions()


@functools.cache
def _gcs() -> _Gcs:
    from apache_beam.io.gcp.gcsio import GcsIO

    return _Gcs(GcsIO(pipeline_options=_options()).client)


@functools.cache
def _s3() -> _S3:
    import boto3  # noqa: F401  Beam would only say that it misses something
    from apache_beam.io.aws.clients.s3.boto3_client import Client

    return _S3(Client(_options()).client)


class _Gcs:
    # What an upload would reset.
    _KEPT = (
        "metadata",
        "cache_control",
        "content_disposition",
        "content_encoding",
        "content_language",
        "content_type",
        "custom_time",
        "storage_class",
    )

    def __init__(self, client: Any) -> None:
        self.client = client

    def _known(self, blob: Any) -> RemoteObject:
        version = str(blob.generation)
        # Not when it was last updated: that is also when it was given another storage class.
        return RemoteObject(
            uri=f"gs://{blob.bucket.name}/{blob.name}",
            size=blob.size,
            mtime_ns=_moment_ns(blob.time_created, version),
            version=version,
            properties={name: getattr(blob, name) for name in self._KEPT},
        )

    def find(self, bucket: str, name: str) -> RemoteObject:
        blob = self.client.bucket(bucket).get_blob(name)
        if blob is None:
            raise FileNotFoundError(errno.ENOENT, "No such object", f"gs://{bucket}/{name}")
        return self._known(blob)

    def listed(self, bucket: str, prefix: str) -> Iterator[RemoteObject]:
        return map(self._known, self.client.list_blobs(bucket, prefix=prefix))

    def folders(self, bucket: str, prefix: str) -> list[str]:
        listing = self.client.list_blobs(bucket, prefix=prefix, delimiter="/")
        for _ in listing:  # folders are known at its end
            pass
        return list(listing.prefixes)

    def fetch(self, bucket: str, name: str, version: str | None, stream: BinaryIO) -> None:
        blob = self.client.bucket(bucket).blob(name)
        wanted = None if version is None else int(version)
        blob.download_to_file(stream, if_generation_match=wanted)

    def put(
        self,
        bucket: str,
        name: str,
        stream: BinaryIO,
        replacing: RemoteObject | None,
        is_new: bool,
    ) -> Callable[[], RemoteObject]:
        blob = self.client.bucket(bucket).blob(name)
        kept = {} if replacing is None else replacing.properties
        for key, value in kept.items():
            if value and key != "content_type":
                setattr(blob, key, value)
        wanted = 0 if is_new else None if replacing is None else int(replacing.version)
        # Of a known size, so that what is small takes one request.
        size = stream.seek(0, io.SEEK_END)
        blob.upload_from_file(
            stream,
            rewind=True,
            size=size,
            content_type=kept.get("content_type"),
            if_generation_match=wanted,
        )
        return functools.partial(self._known, blob)

    def remove(self, bucket: str, name: str, version: str) -> None:
        self.client.bucket(bucket).blob(name).delete(if_generation_match=int(version))


class _S3:
    # What an upload would reset.
    _KEPT = (
        "Metadata",
        "CacheControl",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
        "Expires",
        "StorageClass",
        "ServerSideEncryption",
        "SSEKMSKeyId",
        "BucketKeyEnabled",
        "WebsiteRedirectLocation",
    )

    def __init__(self, client: Any) -> None:
        self.client = client

    def find(self, bucket: str, name: str, **condition: str) -> RemoteObject:
        facts = self.client.head_object(Bucket=bucket, Key=name, **condition)
        properties = {key: facts[key] for key in self._KEPT if facts.get(key)}
        if facts.get("TagCount"):
            tags = self.client.get_object_tagging(Bucket=bucket, Key=name)["TagSet"]
            pairs = [(tag["Key"], tag["Value"]) for tag in tags]
            properties["Tagging"] = urllib.parse.urlencode(pairs)
        return RemoteObject(
            uri=f"s3://{bucket}/{name}",
            size=facts["ContentLength"],
            mtime_ns=_moment_ns(facts["LastModified"], facts["ETag"]),
            version=facts["ETag"],
            properties=properties,
        )

    def _pages(self, bucket: str, **which: str) -> Iterator[dict[str, Any]]:
        yield from self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, **which)

    def listed(self, bucket: str, prefix: str) -> Iterator[RemoteObject]:
        for page in self._pages(bucket, Prefix=prefix):
            for facts in page.get("Contents", ()):
                yield RemoteObject(
                    uri=f"s3://{bucket}/{facts['Key']}",
                    size=facts["Size"],
                    mtime_ns=_moment_ns(facts["LastModified"], facts["ETag"]),
                    version=facts["ETag"],
                )

    def folders(self, bucket: str, prefix: str) -> list[str]:
        pages = self._pages(bucket, Prefix=prefix, Delimiter="/")
        return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", ())]

    def fetch(self, bucket: str, name: str, version: str | None, stream: BinaryIO) -> None:
        wanted = {} if version is None else {"IfMatch": version}
        answer = self.client.get_object(Bucket=bucket, Key=name, **wanted)
        for chunk in answer["Body"].iter_chunks(1 << 20):
            stream.write(chunk)

    def put(
        self,
        bucket: str,
        name: str,
        stream: BinaryIO,
        replacing: RemoteObject | None,
        is_new: bool,
    ) -> Callable[[], RemoteObject]:
        wanted = dict(replacing.properties, IfMatch=replacing.version) if replacing else {}
        if is_new:
            wanted["IfNoneMatch"] = "*"
        stream.seek(0)
        version = self.client.put_object(Bucket=bucket, Key=name, Body=stream, **wanted)["ETag"]
        return functools.partial(self.find, bucket, name, IfMatch=version)

    def remove(self, bucket: str, name: str, version: str) -> None:
        self.client.delete_object(Bucket=bucket, Key=name, IfMatch=version)
