"""Remote: music in buckets under the same promises, against local stand-ins of the storages."""

import dataclasses
import io
from pathlib import Path

import pytest

from genrebeam.pipeline.runs.undo import MovedFiles, undo, undo_all
from genrebeam.transforms.library.walk import list_library
from genrebeam.transforms.records import TagReadError, with_tags
from genrebeam.transforms.storage import ChangedMeanwhile, bucket, buckets, storage_of
from genrebeam.transforms.storage import amazon as amazon_client
from genrebeam.transforms.tags import tag
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy
from tests.audio_bytes import audio_hash
from tests.conftest import tone, write_audio
from tests.music_files import FORMATS, decision, fill
from tests.storages import amazon, google


@pytest.fixture(scope="module", params=[google, amazon])
def storage(request):
    """An empty bucket of a storage that lives as long as the tests."""
    with request.param() as storage:
        yield storage


@pytest.fixture
def put(storage, tmp_path):
    """Put a tone into the bucket; gives its name there and its content."""
    for name in storage.names():
        storage.remove(name)

    def upload(name: str) -> tuple[str, bytes]:
        path = tmp_path / f"tone{Path(name).suffix}"
        write_audio(path, tone(8, 44100, 2), 44100)
        storage.put(name, path.read_bytes())
        return f"{storage.home}/{name}", path.read_bytes()

    return upload


def listed(uri: str):
    (track,) = list_library(uri, {"mp3", "flac", "ogg"})
    return with_tags(track, *read_header(uri))


def test_lists_the_music_below_a_folder(put, storage):
    names = ("a/[x] *é.mp3", "a/b/c.flac", "ab/d.mp3", "a/.hidden/e.mp3", "a/cover.jpg.ogg")
    for name in names:
        put(name)
    found = [track.uri for track in list_library(f"{storage.home}/a/", {"mp3", "flac"})]
    assert found == [f"{storage.home}/a/[x] *é.mp3", f"{storage.home}/a/b/c.flac"]
    assert len(list(list_library(storage.home, {"mp3", "flac", "ogg"}))) == 4
    assert buckets.folders_in(storage.home) == ["a", "ab"]
    assert buckets.folders_in(f"{storage.home}/a") == [".hidden", "b"]


def test_only_the_genre_changes_and_properties_stay(put, storage, tmp_path):
    uri, original = put("a.mp3")
    before = storage.properties("a.mp3")
    journal = []
    outcome = tag.tag(decision(listed(uri), "Jazz"), TagPolicy(), journal.append)
    assert outcome.status == "tagged", outcome.reason
    track = listed(uri)
    assert track.tags.genres == ("Jazz",)
    assert (track.size_bytes, track.mtime_ns) == (
        outcome.track.size_bytes,
        outcome.track.mtime_ns,
    )
    assert storage.properties("a.mp3") == before
    for name, data in (("before.mp3", original), ("after.mp3", storage.get("a.mp3"))):
        (tmp_path / name).write_bytes(data)
    assert audio_hash(tmp_path / "before.mp3") == audio_hash(tmp_path / "after.mp3")
    assert [undo(entry, dry_run=True).status for entry in journal] == ["would_restore"]
    assert [undo(entry).status for entry in journal] == ["restored"]
    assert storage.get("a.mp3") == original
    assert [undo(entry).status for entry in journal] == ["as_before"]
    assert storage.properties("a.mp3") == before


def test_an_object_that_changed_since_it_was_read_is_left_alone(put, storage):
    uri, original = put("a.mp3")
    track = listed(uri)
    changed = original[:-1] + b"x"  # of the same size, perhaps in the same second
    storage.put("a.mp3", changed)
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(), pytest.fail)
    assert (outcome.status, outcome.error_message) == (
        "failed",
        "changed while it was being analysed",
    )
    assert storage.get("a.mp3") == changed


def test_an_object_that_changes_while_it_is_tagged_is_left_alone(put, storage):
    uri, original = put("a.mp3")
    journal = []

    def note(entry):  # the last moment before the upload
        journal.append(entry)
        storage.put("a.mp3", original + b"more")

    outcome = tag.tag(decision(listed(uri), "Jazz"), TagPolicy(), note)
    assert (outcome.status, outcome.error_message) == (
        "failed",
        "changed while it was being tagged",
    )
    assert storage.get("a.mp3") == original + b"more"
    assert [undo(entry).status for entry in journal] == ["changed"]


def test_an_object_that_changes_while_it_is_restored_is_left_alone(put, storage, monkeypatch):
    uri, original = put("a.mp3")
    journal = []
    tag.tag(decision(listed(uri), "Jazz"), TagPolicy(), journal.append)
    found = buckets.find(uri)
    storage.put("a.mp3", original + b"more")
    old = dataclasses.replace(found, properties={})
    with pytest.raises(ChangedMeanwhile):
        buckets.put(uri, io.BytesIO(original), replacing=old)
    with pytest.raises(ChangedMeanwhile):
        buckets.fetch(old, io.BytesIO())
    with pytest.raises(ChangedMeanwhile):
        buckets.remove(old)
    assert storage.get("a.mp3") == original + b"more"


def test_an_object_that_is_gone_is_not_restored(put, storage):
    uri, _ = put("a.mp3")
    journal = []
    tag.tag(decision(listed(uri), "Jazz"), TagPolicy(), journal.append)
    storage.remove("a.mp3")
    (undone,) = undo_all(journal, moved=MovedFiles(storage.home))
    assert (undone.status, undone.reason) == ("gone", "no longer there")


def test_an_upload_whose_answer_was_lost_counts_as_done(put, monkeypatch):
    uri, _ = put("a.mp3")
    track, upload = listed(uri), buckets.put

    def lose_answer(*arguments, **options):
        upload(*arguments, **options)
        return upload(*arguments, **options)  # as clients do by themselves

    monkeypatch.setattr(buckets, "put", lose_answer)
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(), [].append)
    assert outcome.status == "tagged"
    assert outcome.track.mtime_ns == listed(uri).mtime_ns != track.mtime_ns


def test_an_object_that_another_run_tags_before_it_is_fetched_counts_as_done(
    put, monkeypatch, tmp_path
):
    monkeypatch.setattr(bucket, "_home_of_copies", lambda: str(tmp_path))
    monkeypatch.setattr(bucket, "_KEPT_BYTES", 0)
    uri, _ = put("a.mp3")
    track, fetch = listed(uri), buckets.fetch

    def the_other_is_faster(found, stream, span=None):
        monkeypatch.setattr(buckets, "fetch", fetch)
        assert tag.tag(decision(track, "Jazz"), TagPolicy(), [].append).status == "tagged"
        fetch(found, stream, span)

    monkeypatch.setattr(buckets, "fetch", the_other_is_faster)
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(), pytest.fail)
    assert outcome.status == "tagged", outcome.error_message
    assert outcome.track.mtime_ns == listed(uri).mtime_ns


def test_the_same_element_twice_ends_as_once(put):
    uri, _ = put("a.flac")
    track, journal = listed(uri), []
    outcomes = [tag.tag(decision(track, "Jazz"), TagPolicy(), journal.append) for _ in range(2)]
    assert [outcome.status for outcome in outcomes] == ["tagged", "tagged"]
    assert len(journal) == 1


def test_an_object_that_is_gone_is_a_row(put, storage):
    uri, _ = put("a.mp3")
    track = listed(uri)
    storage.remove("a.mp3")
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(), pytest.fail)
    assert (outcome.status, outcome.error_type) == ("failed", "FileNotFoundError")


def test_an_object_is_fetched_once_for_all_steps_as_long_as_there_is_room(
    put, monkeypatch, tmp_path
):
    a, b, c = (put(name)[0] for name in ("a.mp3", "b.mp3", "c.mp3"))
    home = tmp_path / "copies"
    home.mkdir()
    fetched, fetch, size = [], buckets.fetch, buckets.find(a).size
    monkeypatch.setattr(
        buckets, "fetch", lambda found, stream: fetched.append(found.uri) or fetch(found, stream)
    )
    monkeypatch.setattr(bucket, "_home_of_copies", lambda: str(home))
    monkeypatch.setattr(bucket, "_KEPT_BYTES", 2 * size)
    for uri in (a, b, a, c, a, b):
        with storage_of(uri).localised(uri) as copy:
            assert Path(copy).stat().st_size == size
        assert len(list(home.iterdir())) <= 2
    assert fetched == [a, b, c, b]
    assert tag.tag(decision(listed(b), "Jazz"), TagPolicy(), [].append).status == "tagged"
    assert fetched == [a, b, c, b]
    monkeypatch.setattr(bucket, "_KEPT_BYTES", 0)
    for _ in range(2):
        with storage_of(c).localised(c):
            pass
    assert fetched == [a, b, c, b, c, c]


def test_what_is_too_large_for_one_request_is_uploaded_in_parts(monkeypatch):
    with amazon() as storage:
        monkeypatch.setattr(amazon_client, "_LARGEST_PUT", 2**20)
        monkeypatch.setattr(amazon_client, "_PART", 5 * 2**20)  # the smallest that S3 takes
        storage.put("a.wav", b"before")
        uri, before = f"{storage.home}/a.wav", storage.properties("a.wav")
        found, content = buckets.find(uri), bytes(range(256)) * 2**15
        after = buckets.put(uri, io.BytesIO(content), replacing=found)
        assert storage.get("a.wav") == content
        assert storage.properties("a.wav") == before
        assert buckets.find(uri).version == after.version
        for replacing in (found, None):
            with pytest.raises(ChangedMeanwhile):
                buckets.put(uri, io.BytesIO(content + b"more"), replacing=replacing)
        assert storage.get("a.wav") == content
        client = buckets.client_of("s3").client
        assert not client.list_multipart_uploads(Bucket="music").get("Uploads")


@pytest.fixture
def fetched(monkeypatch, tags_in_this_process):
    """Lengths of the ranges that are fetched of objects, however small they are."""
    lengths, fetch = [], buckets.fetch

    def note(found, stream, span=None):
        fetch(found, stream, span)
        lengths.append(stream.tell())

    monkeypatch.setattr(buckets, "fetch", note)
    monkeypatch.setattr(bucket, "_WHOLE", 0)
    return lengths


@pytest.mark.parametrize("format", FORMATS)
def test_tags_of_an_object_are_read_from_ranges_as_from_a_file(storage, tmp_path, fetched, format):
    path = tmp_path / f"a.{format}"
    rate = 48000 if format == "opus" else 44100
    write_audio(path, tone(30, rate, 2), rate)
    fill(path)
    storage.put(path.name, path.read_bytes())
    assert read_header(f"{storage.home}/{path.name}") == read_header(str(path))
    assert 0 < len(fetched) < 10


def test_of_a_large_object_little_is_fetched_to_read_its_tags(storage, tmp_path, fetched):
    path = tmp_path / "a.flac"
    write_audio(path, tone(30, 44100, 2), 44100)
    storage.put(path.name, path.read_bytes())
    read_header(f"{storage.home}/{path.name}")
    assert sum(fetched) < path.stat().st_size / 10


def test_a_damaged_object_is_refused_as_a_damaged_file_is(storage, tmp_path, fetched):
    for number, content in enumerate((b"", b"no music", b"RIFF\0\0\0\0WAVE", b"OggS", b"ID3\4")):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(content)
        storage.put(path.name, content)
        reasons = []
        for name in (str(path), f"{storage.home}/{path.name}"):
            with pytest.raises(TagReadError) as refused:
                read_header(name)
            reasons.append(refused.value.reason)
        assert reasons[0] == reasons[1]


def test_an_object_that_changes_while_its_tags_are_read_is_reported(
    storage, tmp_path, monkeypatch, tags_in_this_process
):
    path = tmp_path / "a.mp3"
    write_audio(path, tone(60, 44100, 2), 44100)
    storage.put("a.mp3", path.read_bytes())
    monkeypatch.setattr(bucket, "_WHOLE", 0)
    fetch = buckets.fetch

    def change(found, stream, span=None):
        fetch(found, stream, span)
        storage.put("a.mp3", path.read_bytes()[::-1])

    monkeypatch.setattr(buckets, "fetch", change)
    with pytest.raises(ChangedMeanwhile):
        read_header(f"{storage.home}/a.mp3")
