"""Skip: what an earlier run settled is not touched again; everything else is."""

import dataclasses

import pytest

from transforms.records import Outcome, Track
from transforms.report import row, write_part
from transforms.skip import Earlier, key_of, read_earlier, unchanged

TRACK = Track("/music/caf\udce9.mp3", "mp3", 1000, 123_456_789)
EARLIER = Earlier("run-1", "tagged", 1000, 123_456_789, ("Jazz",), "settings")


def change(**changes) -> Earlier:
    return dataclasses.replace(EARLIER, **changes)


def test_an_unchanged_file_is_told_with_its_genre():
    outcome = unchanged(TRACK, [EARLIER], "settings")
    assert (outcome.status, outcome.stage) == ("unchanged", "skip")
    assert outcome.genres_after == outcome.track.tags.genres == ("Jazz",)
    assert "run-1" in outcome.reason


@pytest.mark.parametrize("status", ["tagged", "kept", "unchanged", "refused"])
def test_settled_files_are_skipped(status):
    assert unchanged(TRACK, [change(status=status)], "settings")


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
    outcome = Outcome(TRACK, "tagged", "tag", "mean", genres_after=("Jazz",))
    write_part([row(outcome, tiny_bundle, "settings")], str(tmp_path))
    assert list(read_earlier(str(tmp_path), "run-1")) == [(key_of(TRACK), EARLIER)]
