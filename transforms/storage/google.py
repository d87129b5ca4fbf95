"""Buckets in Google Cloud Storage (``gs://``)."""

from __future__ import annotations

import errno
import functools
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from genrebeam.transforms.storage.storage import Found, Span, moment_ns

# How long a page of a listing is tried again, in s: without a network nothing else is waited for.
_LISTED_WITHIN_S = 30.0


def open_client(options: Any) -> Google:
    """A client with Beam's options.

    Raises
    ------
    ImportError
        If its library is not installed.
    """
    from apache_beam.io.gcp.gcsio import GcsIO

    return Google(GcsIO(pipeline_options=options).client)


class Google:
    """Google Cloud Storage; an object's version is its generation."""

    removes = "gcloud storage rm"

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

    def _known(self, blob: Any) -> Found:
        version = str(blob.generation)
        # Not when it was last updated: that is also when it was given another storage class.
        return Found(
            uri=f"gs://{blob.bucket.name}/{blob.name}",
            size=blob.size,
            mtime_ns=moment_ns(blob.time_created, version),
            version=version,
            properties={name: getattr(blob, name) for name in self._KEPT},
        )

    def find(self, bucket: str, name: str) -> Found:
        blob = self.client.bucket(bucket).get_blob(name)
        if blob is None:
            raise FileNotFoundError(errno.ENOENT, "No such object", f"gs://{bucket}/{name}")
        return self._known(blob)

    def listed(self, bucket: str, prefix: str) -> Iterator[Found]:
        from google.cloud.storage.retry import DEFAULT_RETRY

        retry = DEFAULT_RETRY.with_timeout(_LISTED_WITHIN_S)
        return map(self._known, self.client.list_blobs(bucket, prefix=prefix, retry=retry))

    def folders(self, bucket: str, prefix: str) -> list[str]:
        listing = self.client.list_blobs(bucket, prefix=prefix, delimiter="/")
        for _ in listing:  # folders are known at its end
            pass
        return list(listing.prefixes)

    def fetch(
        self, bucket: str, name: str, version: str | None, stream: BinaryIO, span: Span | None
    ) -> None:
        blob = self.client.bucket(bucket).blob(name)
        wanted = None if version is None else int(version)
        if span is None:
            blob.download_to_file(stream, if_generation_match=wanted)
            return
        # There are checksums of whole objects only.
        first, last = span[0], span[1] - 1
        blob.download_to_file(
            stream, start=first, end=last, if_generation_match=wanted, checksum=None
        )

    def put(
        self, bucket: str, name: str, stream: BinaryIO, replacing: Found | None, is_new: bool
    ) -> Callable[[], Found]:
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
