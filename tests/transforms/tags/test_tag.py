"""Tag: what is done with a genre that is there, and what the row says."""

import dataclasses
import os
import threading
from pathlib import Path

import pytest

from genrebeam.transforms.records import CATCH_ALL, Decision, Track
from genrebeam.transforms.tags import tag
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.ptransforms import Tag
from genrebeam.transforms.tags.tag import TagPolicy
from tests.music_files import (
    FORMATS,
    decision,
    listed,
    others,
)


@pytest.mark.parametrize(
    ("existing", "current", "planned"),
    [
        ("keep", (), ("Jazz", "Rock")),
        ("keep", ("Folk",), ("Folk",)),
        ("merge", ("Folk", "JAZZ"), ("Folk", "JAZZ", "Rock")),
        ("merge", (), ("Jazz", "Rock")),
        ("replace", ("Folk",), ("Jazz", "Rock")),
    ],
)
def test_what_happens_to_a_genre_that_is_there(existing, current, planned):
    assert TagPolicy(existing).plan(current, ("Jazz", "Rock")) == planned


def test_catch_all_genres_can_count_as_none(track_of):
    track = listed(Path(track_of("mp3", genres=("OTHER", "Folk")).uri))
    policy = TagPolicy("merge", treat_as_missing=CATCH_ALL)
    assert policy.existing_genres(track) == ("Folk",)
    assert policy.plan(policy.existing_genres(track), ("Jazz",)) == ("Folk", "Jazz")
    only_other = listed(Path(track_of("flac", genres=("Other",)).uri))
    outcome = tag.tag(decision(only_other, "Jazz"), policy, [].append)
    assert (outcome.status, outcome.genres_after) == ("tagged", ("Jazz",))


def test_most_genres_of_a_file():
    assert TagPolicy("merge", max_genres=2).plan(("A", "B", "C"), ("D",)) == ("A", "B", "C")
    assert TagPolicy("merge", max_genres=2).plan(("A",), ("B", "C")) == ("A", "B")


@pytest.mark.parametrize("format", FORMATS)
def test_confidence_and_model_are_written_where_they_are_asked_for(track_of, format):
    track = track_of(format)
    before = others(track.uri)
    policy = TagPolicy(write_confidence=True, model="tiny 1")
    outcome = tag.tag(decision(track, "Jazz"), policy, [].append)
    assert outcome.status == "tagged", outcome.reason
    tags = read_header(track.uri)[0]
    assert dict(tags.custom) == {"GENREBEAM_CONFIDENCE": "0.900", "GENREBEAM_MODEL": "tiny 1"}
    found, pictures = others(track.uri)
    assert ([line for line in found if "GENREBEAM" not in line.upper()], pictures) == before
    again = dataclasses.replace(policy, existing="replace")
    second = tag.tag(decision(listed(Path(track.uri)), "Jazz"), again, pytest.fail)
    assert second.status == "unchanged"


def test_dry_run_says_what_it_would_write_and_writes_nothing(track_of):
    track = track_of("mp3")
    content = Path(track.uri).read_bytes()
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(dry_run=True), pytest.fail)
    assert (outcome.status, outcome.genres_after) == ("would_tag", ("Jazz",))
    assert Path(track.uri).read_bytes() == content


def test_nothing_is_written_where_nothing_would_change(track_of):
    track = track_of("mp3", genres=("Jazz",))
    track = listed(Path(track.uri))
    facts = os.stat(track.uri)
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy("replace"), pytest.fail)
    assert outcome.status == "unchanged"
    assert os.stat(track.uri) == facts


def test_a_refused_vote_writes_nothing(track_of):
    outcome = tag.tag(decision(track_of("mp3")), TagPolicy(), pytest.fail)
    assert (outcome.status, outcome.stage) == ("refused", "vote")


def test_an_unsure_decision_keeps_what_the_model_said(track_of):
    doubtful = dataclasses.replace(decision(track_of("mp3")), unsure=True, family=("Jazz", 0.4))
    outcome = tag.tag(doubtful, TagPolicy(), [].append)
    assert (outcome.status, outcome.stage) == ("unsure", "vote")
    assert outcome.decision == doubtful


def test_a_failed_write_is_an_outcome(track_of):
    track = track_of("mp3")
    os.unlink(track.uri)
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(), pytest.fail)
    assert (outcome.status, outcome.stage) == ("failed", "tag")
    assert (outcome.error_type, outcome.error_message, outcome.reason) == (
        "FileNotFoundError",
        "No such file or directory",
        "it was deleted or moved after it was listed",
    )


def test_several_files_are_written_at_a_time(track_of):
    tracks = [track_of(format) for format in ("mp3", "flac")]
    both = threading.Barrier(2)
    step = Tag(TagPolicy(), lambda change: both.wait(timeout=20))
    step.setup()
    step.start_bundle()
    for track in tracks:
        decision = Decision(
            track, ("Jazz",), 0.9, "analysed", {"Jazz": 0.9}, {"Jazz": 1}, 1, 0.1, 0.1
        )
        assert list(step.process(decision)) == []
    outcomes = [found.value for found in step.finish_bundle()]
    step.teardown()
    assert [outcome.status for outcome in outcomes] == ["tagged", "tagged"]


@pytest.mark.parametrize(
    ("age_s", "min_age_s", "is_recent"), [(30, 60, True), (90, 60, False), (-30, 60, True)]
)
def test_a_copy_with_the_time_of_its_original_is_as_old_as_the_copy(
    tmp_path, monkeypatch, age_s, min_age_s, is_recent
):
    song = tmp_path / "song.mp3"
    song.write_bytes(b"a half")
    os.utime(song, (1, 1))
    monkeypatch.setattr(tag.time, "time", lambda: song.stat().st_ctime + age_s)
    assert (tag.too_recent(Track(str(song), "mp3"), min_age_s) is not None) == is_recent


@pytest.mark.parametrize("uri", ["gone.mp3", "gs://music/song.mp3"])
def test_what_has_no_time_is_never_too_recent(uri):
    assert tag.too_recent(Track(uri, "mp3"), 60) is None
