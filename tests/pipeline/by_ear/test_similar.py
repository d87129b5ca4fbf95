"""Similar: the nearest first, whether the track was analysed before or is analysed now."""

import dataclasses

import numpy as np
import pytest

from genrebeam.pipeline.by_ear import similar
from genrebeam.pipeline.by_ear.analysed import analysed_tracks
from genrebeam.pipeline.by_ear.similar import nearest, seed_of, similarities
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.transforms.records import TrackError
from tests.pipeline.by_ear import track, write_run


@pytest.fixture
def analysed(tmp_path):
    rows = [track("/m/a.mp3", [2, 0]), track("/m/b.mp3", [0, 1]), track("/m/c.mp3", [3, 3])]
    write_run(tmp_path / "reports", *rows)
    return analysed_tracks(str(tmp_path / "reports"))


def test_similarity_is_the_cosine(analysed):
    seed = seed_of("/m/a.mp3", analysed)
    assert seed.number == 0
    np.testing.assert_allclose(similarities(analysed, seed.embedding), [1, 0, 0.5**0.5], atol=1e-6)


def test_the_nearest_that_are_there_come_first(tmp_path):
    for name in ("a", "c"):
        (tmp_path / name).touch()
    uris = [str(tmp_path / name) for name in "abc"]
    missing = []
    assert list(nearest(np.array([0.5, 0.9, 0.7]), uris, missing)) == [2, 0]
    assert missing == [uris[1]]


def test_a_bucket_is_not_asked_what_is_there():
    assert list(nearest(np.array([0.5]), ["gs://music/a.mp3"], [])) == [0]


def test_a_track_that_is_in_no_report_is_analysed_as_tagging_does(
    tmp_path, write_tone, tiny_bundle, monkeypatch
):
    from genrebeam.pipeline.cli import main

    monkeypatch.setattr(similar, "bundle_named", lambda name: tiny_bundle)
    path = write_tone("library/a.flac", seconds=20)
    options = ["--dry-run", "--bundle", tiny_bundle.path, "--quiet"]
    reports = str(tmp_path / "reports")
    assert main(["tag", str(path.parent), *options, "--report", reports]) == 0
    analysed = analysed_tracks(reports)
    stranger = write_tone("stranger.wav", seconds=20)
    seed = seed_of(str(stranger), analysed)
    assert seed.number is None
    assert similarities(analysed, seed.embedding) == pytest.approx(1, abs=1e-3)


def test_a_track_that_cannot_be_analysed_says_why(tmp_path, analysed, tiny_bundle, monkeypatch):
    bundle = dataclasses.replace(tiny_bundle, version="1")
    monkeypatch.setattr(similar, "bundle_named", lambda name: bundle)
    (tmp_path / "broken.mp3").write_bytes(b"nothing")
    with pytest.raises(TrackError):
        seed_of(str(tmp_path / "broken.mp3"), analysed)


def test_another_model_does_not_analyse_it(analysed, write_tone):
    path = write_tone("a.wav")
    with pytest.raises(UsageError, match=rf"genrebeam tag {path} --existing replace --dry-run"):
        seed_of(str(path), analysed)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("none.mp3", "no such file"),
        ("cover.jpg", "not one of the formats"),
        ("gs://music/a.mp3", "not among the tracks"),
    ],
)
def test_what_is_no_track_is_one_line(tmp_path, analysed, monkeypatch, name, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cover.jpg").touch()
    with pytest.raises(UsageError, match=complaint):
        seed_of(name, analysed)
