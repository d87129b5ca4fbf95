"""What a status and a stage mean."""

import pickle

import pyarrow as pa
import pytest

from genrebeam.transforms.records import (
    AudioFacts,
    EarlierGenres,
    Evidence,
    FileTags,
    Group,
    Outcome,
    Stage,
    Status,
    Stored,
    Track,
    is_settled,
)


def test_a_status_is_its_text_with_a_meaning():
    assert Status("would_tag") is Status.WOULD_TAG
    assert Status.WOULD_TAG == "would_tag" == f"{Status.WOULD_TAG}"
    assert pickle.loads(pickle.dumps(Status.KEPT)) is Status.KEPT
    assert pa.array([Status.KEPT]).to_pylist() == ["kept"]
    assert all(status.meaning for status in Status)


@pytest.mark.parametrize(
    ("status", "stage", "settled"),
    [
        ("tagged", "tag", True),
        ("refused", "vote", True),
        ("unsure", "vote", True),
        ("refused", "tag", False),
        ("refused", "walk", False),
        ("failed", "decode", False),
        ("would_tag", "tag", False),
        ("of a later version", "tag", False),
    ],
)
def test_rows_that_later_runs_skip(status, stage, settled):
    assert is_settled(status, stage) is settled


@pytest.mark.parametrize("stage", Stage)
def test_a_file_that_no_decoder_could_read_counts_as_classified(stage):
    outcome = Outcome(Track("a.mp3", "mp3"), Status.FAILED, stage, "damaged")
    assert outcome.was_classified == (stage in ("decode", "classify"))


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"tags": FileTags("A title", genres=("Rock",)), "audio": AudioFacts(2.5, 44100)},
        {"group": Group("album\0x", 2), "given": EarlierGenres(("Rock",), "audio")},
        {"evidence": (Evidence("artist", (("Rock", 2.0),)), Evidence("album", ()))},
        {"stored": Stored("a run", 5, None, 3, b"inputs")},
    ],
)
def test_a_track_is_as_it_was_before_a_shuffle(known):
    track = Track("/a.mp3", "mp3", 5, 6, **known)
    assert pickle.loads(pickle.dumps(track)) == track


def test_a_track_names_no_other_record_when_it_is_pickled():
    track = Track("/a.mp3", "mp3", 5, 6, FileTags("A title"), AudioFacts(2.5), Group("x", 2))
    assert pickle.dumps(track).count(b"genrebeam") == 1
