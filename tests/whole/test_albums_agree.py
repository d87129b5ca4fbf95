"""Albums agree: real music, with one graph on the local engine and one on workers elsewhere."""

import shutil

import mutagen
import pytest

from genrebeam.pipeline.cli import main
from tests.conftest import read_rows
from tests.engines import worker_pool

ALBUM = "Equilibrium"


@pytest.fixture
def library(shared_data, tmp_path):
    """Five tracks of one album, and one of another kind that claims to be of it."""
    library = tmp_path / "library"
    library.mkdir()
    rock = [
        path
        for path in sorted((shared_data / "magnatune" / "rock").glob("*.mp3"))
        if mutagen.File(path, easy=True)["album"] == [ALBUM]
    ]
    piano = sorted((shared_data / "magnatune" / "classical").glob("*.mp3"))[0]
    for path in (*rock[:5], piano):
        copy = shutil.copy(path, library / f"{path.parent.name}-{path.name}")
        file = mutagen.File(copy, easy=True)
        file["album"] = ALBUM
        del file["genre"]
        file.save()
    (library / "broken.mp3").write_bytes(b"no music" * 1000)
    return library


def rows_of(library, reports, *options):
    assert main(["tag", str(library), "--report", str(reports), "--quiet", *options]) == 1
    return {row["uri"].rpartition("/")[2]: row for row in read_rows(reports)}


def assert_agreed(rows):
    assert rows["broken.mp3"]["status"] == "failed"
    assert rows["broken.mp3"]["genres_alone"] is None
    album = [row for name, row in rows.items() if name.startswith("rock")]
    (piano,) = (row for name, row in rows.items() if name.startswith("classical"))
    assert {row["tracks_voted"] for row in album} == {5}
    assert len({(*row["genres_after"], row["confidence"]) for row in album}) == 1
    assert all(row["genres_alone"] is not None for row in album)
    assert piano["tracks_voted"] == 1
    assert piano["genres_after"] == piano["genres_alone"] == ["Classical"]


def test_an_album_gets_one_genre_and_a_stranger_keeps_its_own(library, tmp_path):
    rows = rows_of(library, tmp_path / "reports", "--consistent", "album")
    assert_agreed(rows)
    assert {row["status"] for name, row in rows.items() if name != "broken.mp3"} == {"tagged"}


def test_albums_agree_on_workers_elsewhere_too(library, tmp_path):
    with worker_pool() as address:
        rows = rows_of(
            library,
            tmp_path / "reports",
            *("--consistent", "album", "--dry-run"),
            *("--runner=PortableRunner", "--job_endpoint=embed"),
            *("--environment_type=EXTERNAL", f"--environment_config={address}"),
        )
    assert_agreed(rows)


def test_without_it_each_track_votes_alone(library, tmp_path):
    rows = rows_of(library, tmp_path / "reports", "--dry-run", "--consistent", "off")
    assert {(row["genres_alone"], row["tracks_voted"]) for row in rows.values()} == {(None, None)}


def test_a_model_without_embeddings_that_tell_music_apart_is_refused(tmp_path, tiny_bundle, capsys):
    arguments = ["--report", str(tmp_path / "reports"), "--bundle", tiny_bundle.path]
    assert main(["tag", str(tmp_path), *arguments, "--consistent", "album"]) == 2
    assert "--consistent album needs a model with a pretrained backbone" in capsys.readouterr().err
