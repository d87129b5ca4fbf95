"""Skip: what an earlier run settled is not touched again; everything else is."""

import dataclasses

import pytest

from transforms.records import AudioFacts, FileTags, Outcome, Track, with_tags
from transforms.report import row, write_part
from transforms.skip import Earlier, key_of, read_earlier, unchanged

TRACK = Track("/music/caf\udce9.mp3", "mp3", 1000, 123_456_789)
EARLIER = Earlier(
    run="run-1",
    status="tagged",
    stage="tag",
    size_bytes=1000,
    mtime_ns=123_456_789,
    settings="settings",
    confidence=0.5,
    tags=FileTags("Title", "Artist", "Album", ("Jazz",)),
    audio=AudioFacts(12.5, 44100, 2, 128_000),
)


def change(**changes) -> Earlier:
    return dataclasses.replace(EARLIER, **changes)


def test_an_unchanged_file_is_told_with_all_that_was_known_of_it():
    outcome = unchanged(TRACK, [EARLIER], "settings")
    assert (outcome.status, outcome.stage) == ("unchanged", "skip")
    assert outcome.track == with_tags(TRACK, EARLIER.tags, EARLIER.audio)
    assert (outcome.genres_after, outcome.confidence) == (("Jazz",), 0.5)
    assert "run-1" in outcome.reason


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
    write_part([row(outcome, tiny_bundle, "settings")], str(tmp_path), str(tmp_path))
    assert list(read_earlier(str(tmp_path), "run-1")) == [(key_of(TRACK), EARLIER)]


def test_a_damaged_part_is_left_out_with_a_warning(tiny_bundle, tmp_path, caplog):
    write_part(
        [row(Outcome(TRACK, "kept", "", ""), tiny_bundle, "settings")], str(tmp_path), str(tmp_path)
    )
    (tmp_path / "part-damaged.parquet").touch()
    with caplog.at_level("WARNING", logger="genrebeam"):
        assert len(list(read_earlier(str(tmp_path), "run-1"))) == 1
    assert "part-damaged.parquet in run run-1 cannot be read" in caplog.text
