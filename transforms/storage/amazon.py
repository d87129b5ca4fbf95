"""Buckets in S3 (``s3://``), of Amazon or of others with its interface."""

from __future__ import annotations

import contextlib
import functools
import io
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from genrebeam.transforms.storage.storage import Found, Span, moment_ns

# What S3 takes in one request, in bytes, and the parts of what is larger; a part is in memory.
_LARGEST_PUT = 5 * 2**30
_PART = 2**27


def open_client(options: Any) -> Amazon:
    """A client with Beam's options.

    Raises
    ------
    ImportError
        If its library is not installed.
    """
    import boto3  # noqa: F401  Beam would only say that it misses something
    from apache_beam.io.aws.clients.s3.boto3_client import Client

    return Amazon(Client(options).client)


class Amazon:
    """S3, of Amazon or of others; an object's version is its ETag."""

    removes = "aws s3 rm"

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

    def find(self, bucket: str, name: str, **condition: str) -> Found:
        facts = self.client.head_object(Bucket=bucket, Key=name, **condition)
        properties = {key: facts[key] for key in self._KEPT if facts.get(key)}
        if facts.get("TagCount"):
            tags = self.client.get_object_tagging(Bucket=bucket, Key=name)["TagSet"]
            pairs = [(tag["Key"], tag["Value"]) for tag in tags]
            properties["Tagging"] = urllib.parse.urlencode(pairs)
        return Found(
            uri=f"s3://{bucket}/{name}",
            size=facts["ContentLength"],
            mtime_ns=moment_ns(facts["LastModified"], facts["ETag"]),
            version=facts["ETag"],
            properties=properties,
        )

    def _pages(self, bucket: str, **which: str) -> Iterator[dict[str, Any]]:
        yield from self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, **which)

    def listed(self, bucket: str, prefix: str) -> Iterator[Found]:
        for page in self._pages(bucket, Prefix=prefix):
            for facts in page.get("Contents", ()):
                yield Found(
                    uri=f"s3://{bucket}/{facts['Key']}",
                    size=facts["Size"],
                    mtime_ns=moment_ns(facts["LastModified"], facts["ETag"]),
                    version=facts["ETag"],
                )

    def folders(self, bucket: str, prefix: str) -> list[str]:
        pages = self._pages(bucket, Prefix=prefix, Delimiter="/")
        return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", ())]

    def fetch(
        self, bucket: str, name: str, version: str | None, stream: BinaryIO, span: Span | None
    ) -> None:
        wanted = {} if version is None else {"IfMatch": version}
        if span is not None:
            wanted["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        answer = self.client.get_object(Bucket=bucket, Key=name, **wanted)
        for chunk in answer["Body"].iter_chunks(1 << 20):
            stream.write(chunk)

    def put(
        self, bucket: str, name: str, stream: BinaryIO, replacing: Found | None, is_new: bool
    ) -> Callable[[], Found]:
        wanted = dict(replacing.properties, IfMatch=replacing.version) if replacing else {}
        if is_new:
            wanted["IfNoneMatch"] = "*"
        if stream.seek(0, io.SEEK_END) > _LARGEST_PUT:
            version = self._put_in_parts(bucket, name, stream, wanted)
        else:
            stream.seek(0)
            version = self.client.put_object(Bucket=bucket, Key=name, Body=stream, **wanted)["ETag"]
        return functools.partial(self.find, bucket, name, IfMatch=version)

    def _put_in_parts(
        self, bucket: str, name: str, stream: BinaryIO, wanted: dict[str, Any]
    ) -> str:
        """The condition holds for the last request, which makes the object of its parts."""
        condition = {key: wanted.pop(key) for key in ("IfMatch", "IfNoneMatch") if key in wanted}
        place = {"Bucket": bucket, "Key": name}
        # The client sends a checksum of each part, unless another S3 than Amazon's knows none.
        # Amazon's takes them only if the first request names them and the last repeats them.
        if self.client.meta.config.request_checksum_calculation == "when_supported":
            wanted["ChecksumAlgorithm"] = "CRC32"
        upload = self.client.create_multipart_upload(**place, **wanted)["UploadId"]
        place["UploadId"] = upload
        try:
            stream.seek(0)
            parts = []
            for number, part in enumerate(iter(lambda: stream.read(_PART), b""), 1):
                sent = self.client.upload_part(**place, PartNumber=number, Body=part)
                known = {key: sent[key] for key in ("ETag", "ChecksumCRC32") if key in sent}
                parts.append({"PartNumber": number, **known})
            made = self.client.complete_multipart_upload(
                **place, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            with contextlib.suppress(Exception):  # what was sent is paid for until it is dropped
                self.client.abort_multipart_upload(**place)
            raise
        return str(made["ETag"])

    def remove(self, bucket: str, name: str, version: str) -> None:
        self.client.delete_object(Bucket=bucket, Key=name, IfMatch=version)
