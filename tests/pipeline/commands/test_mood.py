"""``tag --mood write`` as a person calls it: rows, a dry run that is applied, and ``undo``."""

import shutil

import pytest
from mutagen.id3 import ID3

from genrebeam.model.backbones import subjects
from genrebeam.pipeline.cli import main
from tests.conftest import read_rows


@pytest.fixture
def library(shared_data, tmp_path):
    folder = tmp_path / "Music"
    folder.mkdir()
    for path in sorted((shared_data / "magnatune" / "rock").glob("*.mp3"))[:3]:
        shutil.copy(path, folder)
    for path in sorted(folder.iterdir())[1:]:  # the first keeps its genre
        tags = ID3(path)
        tags.delall("TCON")
        tags.save(v2_version=3)
    return folder


def moods_in(library):
    return [str(ID3(path).get("TMOO", "")) for path in sorted(library.iterdir())]


def test_a_mood_goes_the_way_of_the_genre(library, tmp_path, monkeypatch, capsys):
    # Which mood is likely is another matter; those of three tracks at hand may be none.
    monkeypatch.setattr(subjects, "likely_mood", lambda moods: f"Sad{len(moods)}")
    before = {path.name: path.read_bytes() for path in library.iterdir()}
    home = ["--report", str(tmp_path / "reports")]
    options = ["--mood", "write", "--min-confidence", "0", *home, "--quiet"]
    assert main(["tag", str(library), "--dry-run", *options]) == 0
    assert {path.name: path.read_bytes() for path in library.iterdir()} == before
    rows = {row["uri"].rpartition("/")[2]: row for row in read_rows(tmp_path / "reports")}
    found = [
        (row["status"], row["mood_before"], row["mood_after"]) for _, row in sorted(rows.items())
    ]
    assert found == [("kept", None, None)] + 2 * [("would_tag", None, "Sad7")]

    (run,) = (path.name for path in (tmp_path / "reports" / "runs").iterdir())
    assert main(["apply", run, *home]) == 0
    assert moods_in(library) == ["", "Sad7", "Sad7"]
    applied = {path.name: path.read_bytes() for path in library.iterdir()}
    assert main(["undo", home[1]]) == 0
    assert {path.name: path.read_bytes() for path in library.iterdir()} == before

    assert main(["tag", str(library), "--no-incremental", *options]) == 0
    assert {path.name: path.read_bytes() for path in library.iterdir()} == applied
    assert main(["undo", home[1]]) == 0
    assert {path.name: path.read_bytes() for path in library.iterdir()} == before
