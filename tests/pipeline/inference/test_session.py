"""A session: what is decided without a graph is what the graph decides."""

import shutil
import time

import numpy as np
import pytest

from genrebeam.model.bundle import DEFAULT_BUNDLE, load_bundle
from genrebeam.pipeline.cli import main
from genrebeam.pipeline.inference import decoding
from genrebeam.pipeline.inference.session import TrackClassifier
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.extract import features_of
from genrebeam.transforms.genre.vote import VotePolicy
from genrebeam.transforms.records import Decision, Outcome, Track
from tests.conftest import read_rows


@pytest.fixture(autouse=True)
def _pool():
    """A pool that no session of another test holds, closed or not."""
    decoding._users.clear()
    pool.stop()
    yield
    pool.stop()


def test_decisions_and_outcomes_come_in_the_order_of_the_files(tiny_bundle, write_tone, tmp_path):
    good = [write_tone(f"{number}.wav") for number in range(3)]
    short, bad = write_tone("short.wav", seconds=0.1), tmp_path / "bad.mp3"
    bad.write_bytes(b"no music")
    paths = [str(path) for path in (good[0], bad, good[1], short, tmp_path / "gone.mp3", good[2])]
    classifier = TrackClassifier(tiny_bundle, VotePolicy(), processes=1)
    found = list(classifier(paths))
    assert [entry.track.uri for entry in found] == paths
    assert [isinstance(entry, Decision) for entry in found] == [1, 0, 1, 0, 0, 1]
    assert [entry.status for entry in found if isinstance(entry, Outcome)] == [
        "failed",
        "refused",
        "failed",
    ]


def test_one_network_analyses_all_files(tiny_bundle, write_tone, monkeypatch):
    loaded = []
    load = type(tiny_bundle).load_network
    monkeypatch.setattr(
        type(tiny_bundle), "load_network", lambda bundle: loaded.append(1) or load(bundle)
    )
    classifier = TrackClassifier(tiny_bundle, VotePolicy(), processes=1)
    classifier.load()
    paths = [str(write_tone(f"{number}.wav")) for number in range(10)]
    assert len([*classifier(paths), *classifier(paths[:1])]) == 11
    assert loaded == [1]


def test_more_files_than_are_in_flight_at_a_time(tiny_bundle, tmp_path):
    classifier = TrackClassifier(tiny_bundle, VotePolicy(), processes=1)
    paths = [str(tmp_path / f"{number}.mp3") for number in range(100)]
    assert [entry.track.uri for entry in classifier(paths)] == paths


def test_what_is_known_does_not_wait_for_a_slow_source(tiny_bundle, write_tone, tmp_path):
    good, taken = str(write_tone("good.wav")), []

    def source():
        for path in (str(tmp_path / "gone.mp3"), good, good):
            taken.append(path)
            yield path
            while any(not one.done() for one in begun):
                time.sleep(0.01)

    classifier, begun = TrackClassifier(tiny_bundle, VotePolicy(), processes=1), []
    submit = pool.submit

    def noted(*arguments, **options):
        begun.append(submit(*arguments, **options))
        return begun[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "submit", noted)
        assert [len(taken) for _ in classifier(source())] == [1, 3, 3]


def test_one_path_is_no_list_of_paths(tiny_bundle):
    with pytest.raises(TypeError, match="give a list of paths"):
        next(TrackClassifier(tiny_bundle)("song.mp3"))


def test_a_track_that_the_network_fails_on_is_an_outcome(tiny_bundle, write_tone, monkeypatch):
    classifier = TrackClassifier(tiny_bundle, VotePolicy(), processes=1)
    monkeypatch.setattr(
        classifier.network, "of_tracks", lambda tracks: np.zeros(3)[tracks[0].shape[0] + 3]
    )
    (found,) = classifier([str(write_tone("a.wav"))])
    assert (found.status, found.stage) == ("failed", "classify")


def test_decides_what_tag_decides(shared_data, tmp_path):
    paths = [
        *sorted((shared_data / "gtzan" / "audio").glob("*.flac"))[:4],
        *sorted((shared_data / "magnatune" / "rock").glob("*.mp3"))[:2],
    ]
    library = tmp_path / "Music"
    library.mkdir()
    for path in paths:
        shutil.copy(path, library)
    report = tmp_path / "report"
    options = ["--report", str(report), "--existing", "replace", "--dry-run", "--mood", "report"]
    assert main(["tag", str(library), *options]) == 0
    printed = {row["uri"].rpartition("/")[2]: row for row in read_rows(report)}
    bundle = load_bundle(DEFAULT_BUNDLE)
    for path, found in zip(paths, TrackClassifier(bundle)(map(str, paths)), strict=True):
        assert list(found.genres) == printed[path.name]["genres_after"]
        assert found.confidence == pytest.approx(printed[path.name]["confidence"], abs=1e-3)
        assert dict(printed[path.name]["moods"]) == pytest.approx(found.moods, abs=1e-3)
        assert len(found.moods) == 7


def test_a_session_that_ends_leaves_another_its_processes(tiny_bundle, write_tone):
    paths = [write_tone(f"{number}.wav") for number in range(20)]
    with TrackClassifier(tiny_bundle, VotePolicy(), processes=1) as first:
        found = first(paths)
        assert isinstance(next(found), Decision)
        with TrackClassifier(tiny_bundle, VotePolicy(), processes=1) as second:
            assert len(list(second(paths[:1]))) == 1
        assert all(isinstance(entry, Decision) for entry in found)
        assert pool._pool is not None
    assert pool._pool is None


def test_a_file_whose_session_has_ended_is_not_called_damaged(tiny_bundle):
    session = TrackClassifier(tiny_bundle, VotePolicy(), processes=1)
    begun = session.submit(time.sleep, 60)
    session.close()
    outcome = features_of(Track("/music/a.mp3", "mp3"), begun, 60)
    assert outcome.reason == "its decoding was stopped; run again"


def test_paths_may_be_of_any_kind(tiny_bundle, write_tone):
    path = write_tone("täst.wav")
    with TrackClassifier(tiny_bundle, VotePolicy(), processes=1) as session:
        found = list(session([str(path), path]))
    assert [entry.track.uri for entry in found] == [str(path)] * 2
    assert all(isinstance(entry, Decision) for entry in found)


@pytest.mark.parametrize("processes", [0, -1])
def test_a_session_has_at_least_one_process(tiny_bundle, processes):
    with pytest.raises(ValueError, match="at least one"):
        TrackClassifier(tiny_bundle, processes=processes)
