"""Skip: what an earlier run settled is not touched again; everything else is."""

import dataclasses
import pickle

import numpy as np
import pyarrow.parquet as pq
import pytest

from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.library.skip import (
    Earlier,
    Gone,
    compact,
    key_of,
    moved,
    read_earlier,
    skip_unchanged,
    take_failed,
    unchanged,
)
from genrebeam.transforms.records import (
    AudioFacts,
    EarlierGenres,
    FileTags,
    Outcome,
    Track,
    with_tags,
)
from genrebeam.transforms.reports import partitions
from genrebeam.transforms.reports.write import RunFacts, row, write_part

TRACK = Track("/music/caf\udce9.mp3", "mp3", 1000, 123_456_789)
EARLIER = Earlier(
    run="run-1",
    status="tagged",
    stage="tag",
    size_bytes=1000,
    mtime_ns=123_456_789,
    settings="settings",
    confidence=0.5,
    genres_after=["Jazz"],
    title="Title",
    artist="Artist",
    album="Album",
    duration_s=12.5,
    sample_rate_hz=44100,
    channels=2,
    bitrate_bps=128_000,
    dry_run=False,
)


@pytest.mark.parametrize("known", [TRACK, with_tags(TRACK, EARLIER.tags, EARLIER.audio), EARLIER])
def test_what_is_shuffled_comes_out_as_it_went_in(known):
    assert pickle.loads(pickle.dumps(known)) == known


def change(**changes) -> Earlier:
    return dataclasses.replace(EARLIER, **changes)


def test_an_unchanged_file_is_reported_with_all_that_was_known_of_it():
    outcome = unchanged(TRACK, [EARLIER], "settings")
    assert (outcome.status, outcome.stage) == ("unchanged", "skip")
    assert outcome.track == with_tags(TRACK, EARLIER.tags, EARLIER.audio)
    assert (outcome.genres_after, outcome.confidence) == (("Jazz",), 0.5)
    assert "run-1" in outcome.reason


@pytest.mark.parametrize(
    ("listed_ns", "same"),
    [
        (1_700_000_001_123_456_789, True),
        (1_700_000_001_123_456_700, True),  # SMB
        (1_700_000_001_120_000_000, True),  # exFAT
        (1_700_000_001_000_000_000, True),  # many servers
        (1_700_000_000_000_000_000, True),  # FAT
        (1_700_000_002_000_000_000, True),
        (1_700_000_001_123_456_788, False),
        (1_700_000_001_123_456_600, False),
        (1_700_000_003_000_000_000, False),
        (1_700_000_004_000_000_000, False),
    ],
)
def test_a_file_system_may_keep_times_less_exactly_than_it_told_them(listed_ns, same):
    track = dataclasses.replace(TRACK, mtime_ns=listed_ns)
    earlier = change(mtime_ns=1_700_000_001_123_456_789)
    assert (unchanged(track, [earlier], "settings") is not None) == same
    longer = dataclasses.replace(track, size_bytes=1001)
    assert unchanged(longer, [earlier], "settings") is None


@pytest.mark.parametrize("status", ["tagged", "kept", "unchanged"])
def test_settled_files_are_skipped(status):
    assert unchanged(TRACK, [change(status=status)], "settings")


@pytest.mark.parametrize(("stage", "settled"), [("decode", True), ("vote", True), ("tag", False)])
def test_a_refusal_is_settled_where_only_the_file_decides(stage, settled):
    earlier = change(status="refused", stage=stage)
    assert (unchanged(TRACK, [earlier], "settings") is not None) == settled


@pytest.mark.parametrize(
    "earlier",
    [
        [],
        [change(size_bytes=1001)],
        [change(mtime_ns=123_456_788)],
        [change(settings="others")],
        [change(status="failed")],
        [change(status="would_tag")],
        [EARLIER, change(run="run-2", status="failed")],
    ],
)
def test_everything_else_is_looked_at(earlier):
    assert unchanged(TRACK, earlier, "settings") is None


def test_the_latest_run_counts():
    assert unchanged(TRACK, [change(run="run-2"), change(status="failed")], "settings")


def test_reads_back_what_a_run_reported(tiny_bundle, tmp_path):
    track = with_tags(TRACK, dataclasses.replace(EARLIER.tags, genres=("Folk",)), EARLIER.audio)
    outcome = Outcome(track, "tagged", "tag", "mean", genres_after=("Jazz",), confidence=0.5)
    write_part([row(outcome, RunFacts(tiny_bundle, "settings"))], str(tmp_path), str(tmp_path))
    assert list(read_earlier(str(tmp_path), "run-1")) == [(key_of(TRACK), EARLIER)]


def test_reads_what_was_reported_before_there_were_fingerprints(tiny_bundle, tmp_path):
    outcome = Outcome(TRACK, "kept", "read_tags", "")
    part = write_part(
        [row(outcome, RunFacts(tiny_bundle, "settings"))], str(tmp_path), str(tmp_path)
    )
    pq.write_table(pq.read_table(part).drop_columns(["fingerprint"]), part)
    ((key, earlier),) = read_earlier(str(tmp_path), "run-1")
    assert (key, earlier.status, earlier.fingerprint) == (key_of(TRACK), "kept", None)


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("status", ["would_tag", "unsure", "kept"])
def test_what_a_dry_run_announced_says_nothing_of_the_file(tiny_bundle, tmp_path, status, dry_run):
    facts = RunFacts(tiny_bundle, "settings", dry_run=dry_run)
    outcome = Outcome(TRACK, status, "vote", "", genres_after=("Jazz",))
    write_part([row(outcome, facts)], str(tmp_path), str(tmp_path))
    is_read = bool(list(read_earlier(str(tmp_path), "run-1")))
    assert is_read == (status == "kept" or not dry_run)


def test_what_a_file_was_given_is_known_whatever_came_after():
    def given(*earlier):
        (track,) = skip_unchanged("key", [TRACK], earlier, "others")
        return track.given

    ours = EarlierGenres(("Jazz",), "audio")
    by_hand = {"stage": "by_hand", "confidence": None}
    assert given(EARLIER) == given(change(still_holds=False)) == ours
    assert given(EARLIER, change(run="run-2", status="failed", genres_after=())) == ours
    assert given(EARLIER, change(run="run-2", size_bytes=1, **by_hand)) is None
    assert given(change(run="run-3"), change(run="run-2", size_bytes=1, **by_hand)) == ours
    assert given(change(decided_by=None, confidence=None, status="kept")) is None
    assert given(change(status="unsure")) is None


@pytest.mark.parametrize(
    ("within", "is_read"),
    [("", True), ("/music", True), (key_of(TRACK), True), ("/mus", False), ("/music/a", False)],
)
def test_of_a_folder_only_its_rows_are_read(tiny_bundle, tmp_path, within, is_read):
    outcome = Outcome(TRACK, "tagged", "tag", "", genres_after=("Jazz",), confidence=0.5)
    write_part([row(outcome, RunFacts(tiny_bundle, "settings"))], str(tmp_path), str(tmp_path))
    assert bool(list(read_earlier(str(tmp_path), "run-1", True, within))) == is_read


def test_a_row_that_no_longer_holds_settles_nothing():
    assert unchanged(TRACK, [change(still_holds=False)], "settings") is None
    assert unchanged(TRACK, [change(still_holds=False)], None) is None


@pytest.mark.parametrize("most_in_memory", [100, 1])
def test_of_many_runs_the_latest_row_of_each_file_is_read(
    tiny_bundle, tmp_path, monkeypatch, most_in_memory
):
    monkeypatch.setattr(partitions, "_MOST_IN_MEMORY", most_in_memory)

    def report(run: str, **statuses: str) -> tuple[str, str, str]:
        folder = tmp_path / run
        folder.mkdir()
        for name, status in statuses.items():
            track = dataclasses.replace(TRACK, uri=f"/{name}.mp3")
            outcome = Outcome(track, status, "tag", "", genres_after=("Jazz",))
            write_part([row(outcome, RunFacts(tiny_bundle, "s"))], str(folder), str(tmp_path))
        return str(folder), run, ""

    runs = [
        report("run-3", a="failed"),
        report("run-2"),
        report("run-1", a="kept", b="tagged"),
        report("run-0", a="kept", b="failed", c="kept"),
    ]
    compact(runs, str(tmp_path / "all"), str(tmp_path))
    found = dict(read_earlier(str(tmp_path / "all"), "run-4"))
    assert {key: (row.run, row.status) for key, row in found.items()} == {
        "/a.mp3": ("run-3", "failed"),
        "/b.mp3": ("run-1", "tagged"),
        "/c.mp3": ("run-0", "kept"),
    }
    one_by_one = [item for folder, run, _ in runs for item in read_earlier(folder, run)]
    assert all(item in one_by_one for item in found.items())


@pytest.fixture
def file_of(tmp_path):
    def make(name: str, data: bytes) -> tuple[Track, Earlier]:
        """A file, and what a run said of it."""
        path = tmp_path / name
        path.write_bytes(data)
        facts = path.stat()
        track = Track(str(path), name.rpartition(".")[2], facts.st_size, facts.st_mtime_ns)
        return track, change(fingerprint=fingerprint(str(path)))

    return make


NOISE = np.random.default_rng(0).bytes(300_000)


def test_a_moved_file_is_reported_with_all_that_was_known_of_it(file_of, tiny_bundle, monkeypatch):
    header = FileTags(genres=("Jazz",)), AudioFacts()
    monkeypatch.setattr("genrebeam.transforms.library.skip.read_header", lambda path, form: header)
    track, earlier = file_of("new.mp3", NOISE)
    outcome = moved(track, [Gone("/music/old.mp3", earlier)], "settings")
    assert (outcome.status, outcome.stage) == ("unchanged", "skip")
    assert outcome.track == with_tags(track, earlier.tags, earlier.audio)
    assert (outcome.genres_after, outcome.confidence) == (("Jazz",), 0.5)
    assert "moved from /music/old.mp3" in outcome.reason
    # Or it would not be recognised when it moves again.
    assert row(outcome, RunFacts(tiny_bundle, "settings"))["fingerprint"] == earlier.fingerprint


def test_a_moved_file_that_is_to_be_decided_anew_knows_what_it_was_given(file_of, monkeypatch):
    header = FileTags(genres=("Jazz",)), AudioFacts()
    monkeypatch.setattr("genrebeam.transforms.library.skip.read_header", lambda path, form: header)
    track, earlier = file_of("new.mp3", NOISE)
    found = moved(track, [Gone("/music/old.mp3", earlier)], "others")
    given = EarlierGenres(("Jazz",), "audio", earlier.fingerprint)
    assert found == dataclasses.replace(track, given=given)


def test_another_recording_of_the_same_size_and_time_is_no_moved_file(file_of):
    _, earlier = file_of("old.mp3", NOISE)
    other, _ = file_of("new.mp3", NOISE[::-1])
    assert moved(other, [Gone("/music/old.mp3", earlier)], "settings") == other


def test_a_file_with_another_extension_is_no_moved_file(file_of):
    track, earlier = file_of("new.mp3", NOISE)
    assert moved(track, [Gone("/music/old.ogg", earlier)], "settings") == track


def test_a_file_that_is_not_there_any_more_is_no_moved_file(file_of):
    _, earlier = file_of("new.mp3", NOISE)
    assert moved(TRACK, [Gone("/music/old.mp3", earlier)], "settings") == TRACK


def test_silence_has_no_fingerprint(file_of):
    silent, _ = file_of("silent.wav", NOISE[:50_000] + bytes(250_000))
    assert fingerprint(silent.uri) is None
    assert moved(silent, [Gone("/music/old.wav", change(fingerprint=None))], "settings") == silent


def test_only_what_is_settled_and_no_longer_listed_is_looked_up():
    def gone(listed, *earlier):
        found = skip_unchanged("key", listed, earlier, "settings")
        return [one for one in found if isinstance(one, Gone)]

    known = change(fingerprint="f")
    assert gone([], known) == [Gone("key", known)]
    assert gone([TRACK], known) == []
    assert gone([], EARLIER) == []
    assert gone([], known, change(fingerprint="f", run="run-2", status="failed")) == []
    assert gone([]) == []


def test_takes_what_failed_last():
    def taken(*earlier):
        return list(take_failed([TRACK], earlier))

    failed = change(status="failed")
    assert taken(failed) == [TRACK]
    assert taken(change(status="failed", settings="others", size_bytes=1)) == [TRACK]
    assert taken(failed, change(run="run-2")) == []
    assert taken(EARLIER, change(run="run-2", status="failed")) == [TRACK]
    assert taken(EARLIER) == taken() == []


def test_a_damaged_part_is_left_out_with_a_warning(tiny_bundle, tmp_path, caplog):
    write_part(
        [row(Outcome(TRACK, "kept", "", ""), RunFacts(tiny_bundle, "settings"))],
        str(tmp_path),
        str(tmp_path),
    )
    (tmp_path / "part-damaged.parquet").touch()
    with caplog.at_level("WARNING", logger="genrebeam"):
        assert len(list(read_earlier(str(tmp_path), "run-1"))) == 1
    assert "part-damaged.parquet cannot be read" in caplog.text
