"""Clean: genres that files have get the names of a taxonomy; nothing is analysed."""

import pytest
from mutagen.flac import FLAC

from genrebeam.pipeline.cli import main
from tests.conftest import read_rows, tone, write_audio

TAXONOMY = """
[rename]
"Hip-Hop" = "Rap"
[drop]
genres = ["Other"]
[alias]
"hip hop" = "Hip-Hop"
"""


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    (tmp_path / "names.toml").write_text(TAXONOMY)
    for name, genres in (
        ("alias", ["Hip Hop", "Live"]),
        ("dropped", ["Other"]),
        ("none", []),
        ("stays", ["Live", "Schlager"]),
    ):
        write_audio(folder / f"{name}.flac", tone(1), 22050)
        audio = FLAC(folder / f"{name}.flac")
        audio["genre"] = genres
        audio.save()
    return folder


def genres_in(library):
    return {path.stem: FLAC(path).get("genre", []) for path in library.iterdir()}


def test_cleans_what_the_taxonomy_names_and_undo_takes_it_back(
    library, tmp_path, tiny_bundle, monkeypatch
):
    def decode(*_, **__):
        raise AssertionError("audio is read")

    monkeypatch.setattr("genrebeam.transforms.audio.ptransforms.ExtractInPool.submit", decode)
    report = tmp_path / "report"
    options = ["--existing", "clean", "--taxonomy", str(tmp_path / "names.toml"), "--quiet"]
    options += ["--bundle", tiny_bundle.path, "--report", str(report)]
    before = genres_in(library)
    assert main(["tag", str(library), *options, "--dry-run"]) == 0
    assert genres_in(library) == before
    assert main(["tag", str(library), *options]) == 0
    assert genres_in(library) == {**before, "alias": ["Rap", "Live"]}
    rows = read_rows(min((report / "tracks").iterdir()))
    assert {row["uri"].rpartition("/")[2]: row["status"] for row in rows} == {
        "alias.flac": "would_tag",
        "dropped.flac": "refused",
        "none.flac": "refused",
        "stays.flac": "unchanged",
    }
    assert main(["undo", str(report), "--quiet"]) == 0
    assert genres_in(library) == before


def test_needs_a_taxonomy(library, capsys):
    assert main(["tag", str(library), "--existing", "clean"]) == 2
    assert "needs --taxonomy FILE" in capsys.readouterr().err
