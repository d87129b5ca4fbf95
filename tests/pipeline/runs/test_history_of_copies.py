"""History: each copy has a life of its own, and a file that was moved keeps the one it had."""

import shutil
from pathlib import Path

import pytest

from genrebeam.model.bundle import Bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.pipeline.runs.history import history_of
from genrebeam.pipeline.runs.run import start_run
from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.records import Outcome, Stage, Status
from genrebeam.transforms.reports.write import RunFacts, row, write_part
from tests.music_files import listed
from tests.pipeline.runs.made import make_library

BUNDLE = Bundle("", "m", "1", (), (), FeatureSpec())


@pytest.fixture
def library(tmp_path) -> Path:
    return make_library(tmp_path / "music", "a.flac")


@pytest.fixture
def seen(tmp_path):
    """A run with rows of files."""

    def see(status: Status, *paths: Path) -> None:
        run = start_run(str(tmp_path / "reports"))
        rows = [
            row(
                Outcome(
                    listed(path),
                    status,
                    Stage.TAG,
                    "",
                    genres_after=("Jazz",),
                    fingerprint=fingerprint(str(path)),
                ),
                RunFacts(BUNDLE, ""),
            )
            for path in paths
        ]
        write_part(rows, run.tracks, run.folder)

    return see


def kinds(path: Path, tmp_path: Path) -> list[str]:
    return [event.what for event in history_of(str(path), str(tmp_path / "reports"))]


def test_a_copy_made_since_has_not_the_past_of_the_original(library, seen, tmp_path):
    a, b = library / "a.flac", library / "b.flac"
    seen(Status.TAGGED, a)
    shutil.copy2(a, b)
    assert kinds(b, tmp_path) == []
    seen(Status.UNCHANGED, a, b)
    assert "tagged" in kinds(a, tmp_path)
    assert "tagged" not in kinds(b, tmp_path)
    a.unlink()
    assert "tagged" not in kinds(b, tmp_path)


def test_two_copies_that_were_there_together_are_two_files(library, seen, tmp_path):
    a, b = library / "a.flac", library / "b.flac"
    shutil.copy2(a, b)
    seen(Status.TAGGED, a, b)
    assert {event.path for event in history_of(str(b), str(tmp_path / "reports"))} == {str(b)}


def test_a_file_that_was_moved_keeps_its_past(library, seen, tmp_path):
    a, b = library / "a.flac", library / "b.flac"
    seen(Status.TAGGED, a)
    past = kinds(a, tmp_path)
    a.rename(b)
    assert kinds(b, tmp_path) == past
    seen(Status.UNCHANGED, b)
    assert kinds(b, tmp_path)[: len(past)] == past
