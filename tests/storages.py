"""Storages for tests, one bucket each: Google's by its emulator, S3 by moto, in this process."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from genrebeam.transforms.audio import pool
from genrebeam.transforms.storage import buckets


@dataclass(frozen=True)
class Storage:
    """A bucket as its owner sees it, past the code under test.

    Parameters
    ----------
    home : str
        ``gs://music`` or ``s3://music``.
    put : callable
        Writes an object with a type and metadata of its own: name, content.
    get : callable
        Content of an object, by name.
    properties : callable
        Its type, its metadata and (S3) its tags, by name.
    names : callable
        Of all objects.
    remove : callable
        By name.
    """

    home: str
    put: Callable[[str, bytes], None]
    get: Callable[[str], bytes]
    properties: Callable[[str], tuple]
    names: Callable[[], list[str]]
    remove: Callable[[str], None]


@contextlib.contextmanager
def google() -> Iterator[Storage]:
    """Google Cloud Storage; the environment points at it for the time of the block."""
    pytest.importorskip("gcp_storage_emulator", reason="gcp-storage-emulator is not installed")
    from gcp_storage_emulator.server import create_server

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    server = create_server("localhost", port, in_memory=True, default_bucket="music")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
        patch.setenv("NO_GCE_CHECK", "true")  # or it looks for credentials for half a minute
        _check_conditions(patch)
        server.start()
        try:
            with _new_clients():
                yield _of_google(buckets.client_of("gs").client.bucket("music"))
        finally:
            server.stop()


def _of_google(bucket: Any) -> Storage:
    def put(name: str, content: bytes) -> None:
        blob = bucket.blob(name)
        blob.metadata = {"owner": "label 7"}
        blob.upload_from_string(content, content_type="audio/x-special")

    def properties(name: str) -> tuple:
        blob = bucket.get_blob(name)
        return blob.content_type, blob.metadata

    return Storage(
        home="gs://music",
        put=put,
        get=lambda name: bucket.blob(name).download_as_bytes(),
        properties=properties,
        names=lambda: [blob.name for blob in bucket.list_blobs()],
        remove=lambda name: bucket.blob(name).delete(),
    )


def _check_conditions(patch: pytest.MonkeyPatch) -> None:
    """What the real storage does and its emulator does not: refuse where a condition is not met."""
    from gcp_storage_emulator.exceptions import NotFound
    from gcp_storage_emulator.server import HANDLERS

    def conditional(handler: Callable) -> Callable:
        def handle(request: Any, response: Any, storage: Any) -> None:
            wanted = request.query.get("ifGenerationMatch")
            if wanted and "upload_id" not in request.query:
                facts = request.data or {}
                name = request.params.get("object_id") or facts.get("meta", facts)["name"]
                try:
                    found = storage.get_file_obj(request.params["bucket_name"], name)["generation"]
                except NotFound:
                    found = "0"
                if found != wanted[0]:
                    response.status = HTTPStatus.PRECONDITION_FAILED
                    response.json({"error": {"code": 412, "message": "conditionNotMet"}})
                    return
            handler(request, response, storage)

        return handle

    for _, handlers in HANDLERS:
        for method, handler in list(handlers.items()):
            patch.setitem(handlers, method, conditional(handler))


@contextlib.contextmanager
def amazon() -> Iterator[Storage]:
    """S3; the environment points at it for the time of the block."""
    pytest.importorskip("moto", reason="moto is not installed")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("localhost", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        _check_multipart(patch)
        try:
            with _new_clients():
                client = buckets.client_of("s3").client
                client.create_bucket(Bucket="music")
                yield _of_amazon(client)
        finally:
            server.stop()


def _check_multipart(patch: pytest.MonkeyPatch) -> None:
    """What S3 does and moto does not: refuse parts whose condition or checksums are not met."""
    from moto.s3.exceptions import InvalidPart, PreconditionFailed
    from moto.s3.responses import S3Response

    post = S3Response._key_response_post

    def checked(
        self: Any, request: Any, body: bytes, bucket_name: str, query: dict, key_name: str
    ) -> Any:
        if query.get("uploadId"):
            found = self.backend.get_object(bucket_name, key_name)
            wanted = self.headers.get("If-Match")
            if wanted and (found is None or found.etag != wanted):
                raise PreconditionFailed("If-Match")
            upload = self.backend.get_bucket(bucket_name).multiparts[query["uploadId"][0]]
            is_summed = "x-amz-checksum-algorithm" in upload.metadata
            if is_summed != (body.count(b"<ChecksumCRC32>") == body.count(b"<Part>")):
                raise InvalidPart
        return post(self, request, body, bucket_name, query, key_name)

    patch.setattr(S3Response, "_key_response_post", checked)


def _of_amazon(client: Any) -> Storage:
    def put(name: str, content: bytes) -> None:
        client.put_object(
            Bucket="music",
            Key=name,
            Body=content,
            ContentType="audio/x-special",
            Metadata={"owner": "label 7"},
            Tagging="keep=a%20b&year=1971",
        )

    def properties(name: str) -> tuple:
        facts = client.head_object(Bucket="music", Key=name)
        tags = client.get_object_tagging(Bucket="music", Key=name)["TagSet"]
        return facts["ContentType"], facts["Metadata"], tags

    def names() -> list[str]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="music")
        return [facts["Key"] for page in pages for facts in page.get("Contents", ())]

    return Storage(
        home="s3://music",
        put=put,
        get=lambda name: client.get_object(Bucket="music", Key=name)["Body"].read(),
        properties=properties,
        names=names,
        remove=lambda name: client.delete_object(Bucket="music", Key=name),
    )


@contextlib.contextmanager
def _new_clients() -> Iterator[None]:
    """Clients, and decoders' processes, that know the environment of the block."""

    def forget() -> None:
        buckets.client_of.cache_clear()
        pool.stop()
        forkserver._forkserver._stop()

    forget()
    try:
        yield
    finally:
        forget()


def put_folder(storage: Storage, folder: Path, name: str) -> str:
    """Put the files of a folder into the bucket; gives the folder's place there."""
    for path in folder.iterdir():
        storage.put(f"{name}/{path.name}", path.read_bytes())
    return f"{storage.home}/{name}"
