"""Remote: a library in a bucket under the same promises, against a local storage emulator."""

import socket
from multiprocessing import forkserver
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.audio_bytes import audio_hash
from tests.conftest import read_rows, tone, write_audio
from tests.test_tag import decision
from transforms import remote, tag
from transforms.fields import read_header
from transforms.tag import TagPolicy
from transforms.undo import undo

pytest.importorskip("gcp_storage_emulator", reason="gcp-storage-emulator is not installed")


@pytest.fixture(scope="module")
def bucket():
    """An empty bucket of a storage that lives as long as the tests."""
    from gcp_storage_emulator.server import create_server

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    patch = pytest.MonkeyPatch()
    patch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
    patch.setenv("NO_GCE_CHECK", "true")  # or it looks for credentials for half a minute
    server = create_server("localhost", port, in_memory=True, default_bucket="music")
    server.start()
    remote._client.cache_clear()
    forkserver._forkserver._stop()  # its processes would not see the new environment
    try:
        yield remote._client().bucket("music")
    finally:
        server.stop()
        patch.undo()
        remote._client.cache_clear()
        forkserver._forkserver._stop()


@pytest.fixture
def put(bucket, tmp_path):
    """Put a tone into the bucket; gives its name there and its content."""
    for blob in list(bucket.list_blobs()):
        blob.delete()

    def upload(name: str) -> tuple[str, bytes]:
        path = tmp_path / f"tone{Path(name).suffix}"
        write_audio(path, tone(8, 44100, 2), 44100)
        blob = bucket.blob(name)
        blob.metadata = {"owner": "label 7"}
        blob.upload_from_filename(path, content_type="audio/x-special")
        return f"gs://music/{name}", path.read_bytes()

    return upload


def listed(uri: str):
    (track,) = remote.walk_objects(uri, {"mp3", "flac", "ogg"})
    with remote.localised(uri) as path:
        return tag.with_tags(track, *read_header(path))


def content(bucket, uri: str) -> bytes:
    return bucket.blob(uri.removeprefix("gs://music/")).download_as_bytes()


def test_lists_the_music_below_a_folder(put):
    names = ("a/[x] *.mp3", "a/b/c.flac", "ab/d.mp3", "a/.hidden/e.mp3", "a/cover.jpg.ogg")
    for name in names:
        put(name)
    found = [track.uri for track in remote.walk_objects("gs://music/a/", {"mp3", "flac"})]
    assert found == ["gs://music/a/[x] *.mp3", "gs://music/a/b/c.flac"]
    assert len(list(remote.walk_objects("gs://music", {"mp3", "flac", "ogg"}))) == 4


def test_only_the_genre_changes_and_metadata_stays(put, bucket, tmp_path):
    uri, original = put("a.mp3")
    journal = []
    outcome = tag.tag(decision(listed(uri), "Jazz"), TagPolicy(), journal.append)
    assert outcome.status == "tagged", outcome.reason
    track = listed(uri)
    assert track.tags.genres == ("Jazz",)
    assert (track.size_bytes, track.mtime_ns) == (
        outcome.track.size_bytes,
        outcome.track.mtime_ns,
    )
    blob = bucket.get_blob("a.mp3")
    assert (blob.content_type, blob.metadata) == ("audio/x-special", {"owner": "label 7"})
    for name, data in (("before.mp3", original), ("after.mp3", content(bucket, uri))):
        (tmp_path / name).write_bytes(data)
    assert audio_hash(tmp_path / "before.mp3") == audio_hash(tmp_path / "after.mp3")
    assert [undo(entry).status for entry in journal] == ["restored"]
    assert content(bucket, uri) == original
    assert [undo(entry).status for entry in journal] == ["as_before"]
    blob = bucket.get_blob("a.mp3")
    assert (blob.content_type, blob.metadata) == ("audio/x-special", {"owner": "label 7"})


def test_an_object_that_changed_since_it_was_read_is_left_alone(put, bucket):
    uri, _ = put("a.mp3")
    track = listed(uri)
    blob = bucket.get_blob("a.mp3")
    blob.upload_from_string(content(bucket, uri) + b"more", content_type="audio/x-special")
    changed = content(bucket, uri)
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(), pytest.fail)
    assert (outcome.status, outcome.reason) == ("failed", "changed while it was being heard")
    assert content(bucket, uri) == changed


def test_the_same_element_twice_ends_as_once(put):
    uri, _ = put("a.flac")
    track, journal = listed(uri), []
    outcomes = [tag.tag(decision(track, "Jazz"), TagPolicy(), journal.append) for _ in range(2)]
    assert [outcome.status for outcome in outcomes] == ["tagged", "tagged"]
    assert len(journal) == 1


def test_an_upload_is_bound_to_the_generation_that_was_read(put, monkeypatch):
    # The emulator does not check conditions, the real storage does: what is asked counts.
    from google.api_core.exceptions import PreconditionFailed
    from google.cloud.storage import Blob

    uri, _ = put("a.mp3")
    generation = remote.RemoteObject.find(uri).generation

    def refuse(blob, path, **conditions):
        assert conditions["if_generation_match"] == generation
        raise PreconditionFailed("conditionNotMet")

    monkeypatch.setattr(Blob, "upload_from_filename", refuse)
    outcome = tag.tag(decision(listed(uri), "Jazz"), TagPolicy(), [].append)
    assert (outcome.status, outcome.reason) == ("failed", "changed while it was being tagged")


def test_an_object_that_is_gone_is_a_row(put, bucket):
    uri, _ = put("a.mp3")
    track = listed(uri)
    bucket.blob("a.mp3").delete()
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(), pytest.fail)
    assert (outcome.status, outcome.error_type) == ("failed", "FileNotFoundError")


def test_the_whole_job_on_a_bucket_and_back(put, bucket, tmp_path, tiny_bundle, capsys):
    originals = dict(put(f"album/{name}") for name in ("a.mp3", "b.flac", "c.ogg"))
    reports = str(tmp_path / "reports")
    arguments = ["--report", reports, "--bundle", tiny_bundle.path]
    assert main(["tag", "gs://music/album", *arguments]) == 0
    rows = read_rows(Path(reports))
    assert {row["uri"]: row["status"] for row in rows} == dict.fromkeys(originals, "tagged")
    for row in rows:
        assert listed(row["uri"]).tags.genres == tuple(row["genres_after"])
    assert main(["tag", "gs://music/album", *arguments]) == 0
    assert "3 unchanged" in capsys.readouterr().out
    assert main(["undo", reports]) == 0
    assert {uri: content(bucket, uri) for uri in originals} == originals


@pytest.mark.parametrize("library", ["gs://music/none", "gs://nowhere"])
def test_a_bucket_without_music_is_wrong_usage(put, library, capsys):
    assert main(["tag", library]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
