"""Duplicates: copies are distinguished from other recordings; no pair is compared needlessly."""

import weakref

import numpy as np
import pyarrow as pa
import pytest

from genrebeam.pipeline.by_ear import duplicates
from genrebeam.pipeline.by_ear.analysed import analysed_tracks
from genrebeam.pipeline.by_ear.duplicates import (
    Pair,
    candidates,
    compare_sound,
    groups,
    near_pairs,
    those_there,
)
from genrebeam.pipeline.by_ear.recording import Excerpts
from tests.conftest import write_audio
from tests.pipeline.by_ear import track, write_run


def pairs_of(cosines_and_seconds: list[tuple[float, float]]) -> set[tuple[int, int]]:
    """Near pairs of tracks by an angle in degrees and a duration."""
    angles, seconds = np.array(sorted(cosines_and_seconds, key=lambda pair: pair[1])).T
    matrix = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)
    return {(i, j) for i, j, _ in near_pairs(matrix.astype(np.float16), seconds)}


def test_what_is_near_and_as_long_could_be_one_recording():
    assert pairs_of([(0, 200), (5, 201)]) == {(0, 1)}


def test_what_is_not_as_long_could_not():
    assert pairs_of([(0, 200), (0, 203)]) == set()


def test_what_is_not_near_could_not():
    assert pairs_of([(0, 200), (70, 200)]) == set()


def test_blocks_change_nothing(monkeypatch):
    chance = np.random.default_rng(0)
    tracks = list(zip(chance.uniform(0, 90, 100), chance.uniform(100, 110, 100), strict=True))
    monkeypatch.setattr(duplicates, "_MOST_EACH", 100)
    at_once = pairs_of(tracks)
    monkeypatch.setattr(duplicates, "_ROWS", 7)
    monkeypatch.setattr(duplicates, "_COLUMNS", 5)
    assert pairs_of(tracks) == at_once
    assert len(at_once) > 100


def test_each_is_compared_with_the_nearest_only(monkeypatch):
    monkeypatch.setattr(duplicates, "_MOST_EACH", 2)
    assert pairs_of([(0, 200), (1, 201), (2, 201.1), (3, 201.2)]) >= {(0, 1), (0, 2)}
    assert (0, 3) not in pairs_of([(0, 200), (1, 201), (2, 201.1), (3, 201.2)])


def test_candidates_are_rows_of_the_report(tmp_path):
    rows = [
        track("/m/c.mp3", [1, 0], duration_s=201.0),
        track("/m/other.mp3", [0, 1], duration_s=200.5),
        track("/m/unknown.mp3", [1, 0], duration_s=None),
        track("/m/a.flac", [1, 0.1], duration_s=200.0),
    ]
    write_run(tmp_path, *rows)
    (pair,) = candidates(analysed_tracks(str(tmp_path)))
    assert (pair.one, pair.other) == (3, 0)
    assert pair.likeness == pytest.approx(1 / 1.01**0.5, abs=1e-3)


def noise(seed: int, seconds: float = 30) -> np.ndarray:
    """Music of a kind: no two stretches are alike. ``(n, 2)`` at 22,050 Hz."""
    chance = np.random.default_rng(seed)
    slow = np.repeat(chance.standard_normal(int(seconds * 2205)), 10)
    return np.repeat(slow[:, None], 2, axis=1) / 8


@pytest.fixture
def analysed(tmp_path):
    """The same recording in three formats, another one, and one that cannot be decoded."""
    for name in ("a.flac", "a.mp3", "a.m4a"):
        write_audio(tmp_path / name, noise(0), 22050)
    write_audio(tmp_path / "b.flac", noise(1), 22050)
    (tmp_path / "broken.mp3").write_bytes(b"nothing")
    names = ("a.flac", "a.m4a", "a.mp3", "b.flac", "broken.mp3")
    write_run(tmp_path / "r", *(track(str(tmp_path / n), [1], duration_s=30.0) for n in names))
    return analysed_tracks(str(tmp_path / "r"))


def test_copies_are_reported_from_other_recordings(analysed):
    failed = {}
    found = list(compare_sound(candidates(analysed), analysed, 2, failed))
    same = {(pair.one, pair.other) for pair in found if pair}
    assert same == {(0, 1), (0, 2), (1, 2)}
    assert len(found) == 10
    assert all(pair.likeness > 0.9 for pair in found if pair)
    (reason,) = failed.values()
    assert "broken.mp3" in next(iter(failed))
    assert reason


def test_files_that_are_gone_are_not_listened_to(analysed, tmp_path):
    (tmp_path / "a.flac").unlink()
    missing = []
    left = those_there(candidates(analysed), analysed, missing)
    assert missing == [str(tmp_path / "a.flac")]
    assert {number for pair in left for number in (pair.one, pair.other)} == {1, 2, 3, 4}


def test_each_track_is_analysed_once_and_soon_forgotten(tmp_path, monkeypatch):
    write_run(tmp_path, *(track(f"/m/{i:03}.mp3", [1], duration_s=float(i)) for i in range(200)))
    analysed = analysed_tracks(str(tmp_path))
    in_memory, n_in_memory, paths = weakref.WeakSet(), [], []

    class Told:
        def __init__(self, path):
            in_memory.add(self)
            n_in_memory.append(len(in_memory))
            paths.append(path)

        def result(self):
            return Excerpts(np.zeros((2, 10), np.float16), np.zeros(2, int))

    monkeypatch.setattr("genrebeam.transforms.audio.pool.submit", lambda f, a, **_: Told(a[0]))
    monkeypatch.setattr(duplicates, "likeness", lambda one, other: 1.0)
    assert all(compare_sound(candidates(analysed), analysed, 2, {}))
    assert paths == analysed.tracks["uri"].to_pylist()
    assert max(n_in_memory) < 40


def rows(*facts: dict) -> pa.Table:
    common = {"format": "mp3", "bitrate_bps": None, "sample_rate_hz": 44100, "size_bytes": 1}
    return pa.Table.from_pylist([{**common, **fact} for fact in facts])


def test_pairs_that_share_a_track_are_one_group():
    tracks = rows(*({"uri": f"/m/{i}.mp3"} for i in range(6)))
    found = groups([Pair(4, 5, 0.9), Pair(0, 2, 0.99), Pair(2, 3, 0.95)], tracks)
    assert [[row["uri"][3] for row in group.tracks] for group in found] == [list("023"), list("45")]
    assert [group.likeness for group in found] == [0.95, 0.9]


def test_the_best_quality_comes_first():
    tracks = rows(
        {"uri": "a", "bitrate_bps": 128_000},
        {"uri": "b", "bitrate_bps": 320_000},
        {"uri": "c", "format": "flac", "bitrate_bps": 200_000},
        {"uri": "d", "bitrate_bps": None},
    )
    (group,) = groups([Pair(0, i, 1) for i in (1, 2, 3)], tracks)
    assert [row["uri"] for row in group.tracks] == ["c", "b", "a", "d"]


def test_no_pairs_are_no_groups():
    assert groups([], rows({"uri": "a"})) == []
