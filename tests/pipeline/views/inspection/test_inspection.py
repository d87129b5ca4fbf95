"""Inspection: all segments, what is made of them, and figures."""

import dataclasses
import itertools
import json
from concurrent.futures import Future

import numpy as np
import pytest

from genrebeam.model.backbones.mn04 import read_labels
from genrebeam.model.backbones.subjects import SUBJECTS, by_subject, subject_of
from genrebeam.model.bundle import DEFAULT_BUNDLE, load_bundle
from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs.run import runs_of
from genrebeam.pipeline.views.inspection.inspection import inspect
from genrebeam.pipeline.views.inspection.words import levels, verdicts
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.extract import result_of
from genrebeam.transforms.audio.features import extract
from genrebeam.transforms.genre.classify import open_classifier
from genrebeam.transforms.genre.vote import VotePolicy, decide
from genrebeam.transforms.records import FileTags, Prediction, Track, TrackError, dropped
from genrebeam.transforms.reports.read import latest_rows
from genrebeam.transforms.tags.tag import TagPolicy, kept, tag
from tests.conftest import GENRES
from tests.inspections import EVIL, in_families, inspection_of
from tests.pipeline.commands.test_inspect import printed


@pytest.mark.parametrize(
    ("error", "output"),
    [
        (pool.TaskTimeout(), "a.mp3: not decoded within"),
        (pool.ProcessDied(-11), "a.mp3: the decoder crashed (exit code -11)"),
    ],
)
def test_a_decoder_that_dies_is_reported_in_one_line(error, output):
    future: Future = Future()
    future.set_exception(error)
    with pytest.raises(TrackError) as raised:
        result_of(future, "a.mp3", 900.0)
    assert str(raised.value).startswith(output)


def test_segments_follow_each_other_to_the_end():
    spans = inspection_of().spans_s
    assert spans[0][0] == 0
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(spans))
    assert 29 < spans[-1][1] <= 30
    whole = inspection_of()
    sound = dataclasses.replace(whole.sound, duration_s=3.0)
    short = dataclasses.replace(whole, sound=sound, probabilities=whole.probabilities[:1])
    assert short.spans_s == [(0, 3.0)]


def test_figures_are_json_and_agree_with_the_segments():
    inspection = inspection_of(path="caf\udce9.mp3", tags=FileTags(title=EVIL, genres=("Folk",)))
    figures = json.loads(json.dumps(inspection.figures()))
    rows = [[s["probabilities"][genre] for genre in GENRES] for s in figures["segments"]]
    np.testing.assert_allclose(rows, inspection.probabilities, atol=1e-4)
    assert [*figures["probabilities"].values()] == pytest.approx(np.mean(rows, axis=0), abs=1e-3)
    assert sum(figures["votes"].values()) == 6
    best = max(figures["probabilities"], key=figures["probabilities"].get)
    assert figures["vote"]["mean"]["genre"] == best
    assert figures["genres"] == ["Folk"]
    assert figures["path"] == "caf\\udce9.mp3"


def test_the_winning_family_stays_the_same_through_a_plain_song(shared_data, tmp_path):
    bundle = load_bundle(DEFAULT_BUNDLE)
    (song,) = (shared_data / "songs").glob("Shearer*.mp3")
    inspection = inspect(str(song), bundle)
    winners = inspection.probabilities.argmax(axis=1)
    assert (winners == inspection.ranking[0]).mean() >= 0.8


def test_sounds_are_shown_by_what_they_are_about():
    sounds = [
        ("Music", 0.95),
        ("Banjo", 0.3),
        ("Bluegrass", 0.06),
        ("Harp", 0.01),
        ("Country", 0.5),
        ("Speech", 0.09),
    ]
    assert by_subject(sounds) == {
        "kinds of music": [("Country", 0.5), ("Bluegrass", 0.06)],
        "instruments": [("Banjo", 0.3)],
    }


def test_every_sound_is_about_something():
    assert {subject_of(label) for label in read_labels()} == set(SUBJECTS)


def test_families_are_voted_on_and_styles_are_reported():
    inspection = in_families()
    said = "family Rock 95 %; style Punk 55 %, plain Rock 20 %, Metal 20 %"
    assert levels(inspection, inspection.mean) == said
    output = {rule: text for rule, text, _ in verdicts(inspection)}
    assert output["genrebeam tag would write"] == "Punk"
    assert output["All 5 segments"] == f"{said}. Most votes: Rock, 4 of 5."
    figures = json.loads(json.dumps(inspection.figures()))
    assert figures["family"] == {"genre": "Rock", "confidence": 0.95}
    assert figures["style"] == {"genre": "Punk", "confidence": 0.55}
    assert figures["votes"] == {"Rock": 4, "Jazz": 1, "Pop": 0}
    shown = printed(inspection)
    for row in (
        "Rock    95 %      4",
        "kinds of music  Rock music 50 %",
        "instruments     Banjo 30 %",
    ):
        assert row in shown, shown


def test_what_tag_would_write_is_reported_with_its_reason():
    inspection = in_families()
    decision = inspection.outcome.decision
    assert decision is not None

    def output(outcome):
        found = verdicts(dataclasses.replace(inspection, outcome=outcome))
        return [text for _, text, _ in found[:2]]

    track = dataclasses.replace(decision.track, tags=FileTags(genres=("Folk",)))
    what, why = output(dataclasses.replace(kept(track), decision=decision))
    assert what == "nothing"
    assert why.startswith("Has a genre already. These segments: family Rock 95 %; style Punk")
    assert why.endswith("With --existing replace it would write Punk.")
    refused = dataclasses.replace(decision, genres=(), reason="Punk at 0.55 is below 0.60")
    what, why = output(tag(refused, TagPolicy(dry_run=True), print))
    assert what == "nothing"
    assert why.startswith("Punk at 0.55 is below 0.60. ")
    assert output(dropped(track, "decode", TrackError("a.mp3", "broken"))) == ["nothing", "Broken."]


def test_segments_that_tag_takes_and_that_differ_from_the_rest_are_said_to():
    inspection = in_families()
    decision = dataclasses.replace(inspection.mean, family=("Jazz", 0.9), genres=("Jazz",))
    outcome = tag(decision, TagPolicy(dry_run=True), print)
    found = verdicts(dataclasses.replace(inspection, outcome=outcome))
    assert "differ from the rest" in found[-1][1]
    assert "differ from the rest" not in verdicts(inspection)[-1][1]


def test_inspect_says_what_tag_writes(tiny_bundle, tmp_path, write_tone, capsys):
    song = str(write_tone("a.flac", seconds=40))
    said = inspect(song, tiny_bundle).outcome
    report = str(tmp_path / "report")
    assert main(["tag", song, "--bundle", tiny_bundle.path, "--report", report, "--quiet"]) == 0
    (run,) = runs_of(report)
    (row,) = latest_rows(run.tracks, ["genres_after", "confidence", "reason"]).to_pylist()
    assert row["genres_after"] == list(said.genres_after)
    assert row["confidence"] == pytest.approx(said.decision.confidence, abs=1e-5)
    assert row["reason"] == said.reason


def test_spans_of_windows_reach_to_the_end():
    spans = in_families().spans_s
    assert [start for start, _ in spans] == pytest.approx([5.875 * i for i in range(5)])
    assert [end - start for start, end in spans] == pytest.approx([6.5] * 5)


def test_the_verdict_is_what_tagging_makes_of_all_segments(write_tone):
    bundle = load_bundle(DEFAULT_BUNDLE)
    path = str(write_tone("a.flac", seconds=25))
    inspection = inspect(path, bundle)
    (judged,) = open_classifier(bundle).of_tracks([extract(path, "flac", bundle.features).values])
    expected = decide(
        Prediction(Track(path, "flac"), extract_seconds=0, classify_seconds=0, **vars(judged)),
        bundle.genres,
        VotePolicy(bundle.vote, min_confidence=bundle.min_confidence, unchecked=bundle.unchecked),
        families=bundle.families,
    )
    assert inspection.mean.votes == expected.votes
    assert inspection.mean.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
    assert inspection.not_music == judged.not_music
    assert inspection.whole.sum() == pytest.approx(1, abs=1e-4)
    assert len(inspection.sounds) == 20
