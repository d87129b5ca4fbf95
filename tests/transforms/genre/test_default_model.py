"""The default model at work: what it tags, at which level, and what it leaves alone."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from genrebeam.model.bundle import DEFAULT_BUNDLE, load_bundle
from genrebeam.model.recipes.backbone import N_WINDOWS
from genrebeam.pipeline.cli import main
from genrebeam.transforms.tags.header import read_header
from tests.conftest import read_rows, write_audio


@pytest.fixture
def rows_of(tmp_path):
    """Tag a folder; the rows by the files' names."""

    def run(library, *options: str) -> dict[str, dict]:
        report = tmp_path / f"report{len(list(tmp_path.glob('report*')))}"
        assert main(["tag", str(library), "--report", str(report), "--quiet", *options]) == 0
        return {row["uri"].rpartition("/")[2]: row for row in read_rows(report / "tracks")}

    return run


@pytest.fixture
def songs(tmp_path, shared_data):
    folder = tmp_path / "songs"
    shutil.copytree(shared_data / "songs", folder)
    return folder


def test_most_plain_rock_songs_are_rock_at_both_levels(songs, rows_of):
    options = ["--existing", "replace", "--dry-run", "--min-confidence", "0"]
    by_style = rows_of(songs, *options)
    by_family = rows_of(songs, *options, "--level", "family")
    assert len(by_style) == 5
    for name, row in by_style.items():
        assert row["status"] in ("would_tag", "unchanged")
        assert row["segments_analysed"] == N_WINDOWS, name
        assert row["family_confidence"] >= row["style_confidence"]
        assert by_family[name]["genres_after"] == [row["family"]]
        assert row["genres_after"] in ([row["family"]], [row["style"]])
    assert sum(row["family"] == "Rock" for row in by_style.values()) >= 4


def test_a_song_that_it_is_not_sure_of_is_left_to_the_user(songs, rows_of):
    least = load_bundle(DEFAULT_BUNDLE).min_confidence
    rows = rows_of(songs, "--existing", "replace", "--dry-run")
    assert {row["status"] for row in rows.values()} == {"would_tag", "unsure"}
    for row in rows.values():
        unsure = row["status"] == "unsure"
        assert unsure == (row["family_confidence"] < least)
        assert not unsure or f"{row['family']} {row['family_confidence']:.2f}" in row["reason"]
        assert sum(p for _, p in row["probabilities"]) == pytest.approx(1, abs=1e-3)


def test_what_is_no_music_gets_no_genre_and_stays_as_it_is(tmp_path, rows_of):
    library = tmp_path / "sounds"
    library.mkdir()
    noise = np.random.default_rng(0).standard_normal((12 * 22050, 1)) / 8
    write_audio(library / "noise.mp3", noise, 22050)
    times = np.arange(12 * 22050) / 22050
    hum = 0.2 * np.sin(2 * np.pi * 50 * times)[:, None]
    write_audio(library / "hum.flac", hum, 22050)
    before = {path.name: path.read_bytes() for path in library.iterdir()}
    rows = rows_of(library)
    assert {row["status"] for row in rows.values()} == {"refused"}
    assert rows["noise.mp3"]["reason"].startswith("not music: ")
    assert rows["noise.mp3"]["genres_after"] == []
    assert {path.name: path.read_bytes() for path in library.iterdir()} == before


def test_a_style_that_the_user_renames_or_gives_a_parent_is_followed(songs, tmp_path, rows_of):
    taxonomy = tmp_path / "taxonomy.toml"
    taxonomy.write_text('[rename]\n"Rock" = "Rock Music"\n')
    options = ["--existing", "replace", "--dry-run", "--level", "family", "--min-confidence", "0"]
    rows = rows_of(songs, *options, "--taxonomy", str(taxonomy))
    assert ["Rock Music"] in [row["genres_after"] for row in rows.values()]
    families = {row["family"] for row in rows.values()}
    assert "Rock Music" in families
    assert "Rock" not in families


def test_a_library_is_learned_by_ear_in_one_analysis(tmp_path, rows_of, capsys):
    """Low hums are one genre, high beeps the other: four albums of three tracks each."""
    library = tmp_path / "library"
    chance = np.random.default_rng(0)
    times = np.arange(7 * 22050) / 22050
    for genre, pitch in (("Blues", 150), ("Techno", 3000)):
        for album in range(4):
            for track in range(3):
                path = library / genre / f"album {album}" / f"{track}.flac"
                path.parent.mkdir(parents=True, exist_ok=True)
                beat = 1 + np.sign(np.sin(2 * np.pi * (2 + album) * times))
                sound = beat * np.sin(2 * np.pi * pitch * (1 + 0.1 * chance.random()) * times) / 8
                soundfile.write(path, sound + 0.01 * chance.standard_normal(len(times)), 22050)
    out = tmp_path / "own"
    arguments = ["--labels", "folders", "--out", str(out), "--work", str(tmp_path / "work")]
    assert main(["train", str(library), *arguments]) == 0
    learned = load_bundle(out)
    assert learned.genres == ("Blues", "Techno")
    assert learned.training["recipe"] == learned.name == "backbone"
    assert learned.metrics["test"]["track_accuracy"] == 1.0
    assert (out / "head.npz").stat().st_size < 300_000
    assert "a pretrained network" in (out / "README.md").read_text()
    # What was analysed is kept: another training of it analyses nothing again.
    (analysed,) = (tmp_path / "work").iterdir()
    shutil.rmtree(library / "Blues")
    again = ["--out", str(tmp_path / "again"), "--name", "backbone"]
    assert main(["train", str(analysed), *again]) == 0
    assert load_bundle(tmp_path / "again").load_head().kernel == pytest.approx(
        learned.load_head().kernel
    )
    assert main(["evaluate", str(out), "--data", str(analysed)]) == 0
    assert "100.0%" in capsys.readouterr().out


def test_the_default_model_is_measured_on_audio_by_genre_and_by_family(shared_data, capsys):
    arguments = ["--data", str(shared_data / "gtzan" / "audio"), "--split", "all", "--json"]
    assert main(["evaluate", "default", *arguments]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["n_tracks"], figures["n_unknown"]) == (10, 0)
    families = figures["families"]
    assert families["n_tracks"] == 10
    assert {row["genre"] for row in families["per_class"]} >= {"Rock", "R&B"}  # Metal, Disco
    right = load_bundle(DEFAULT_BUNDLE).metrics["gtzan_clips"]["right"]
    # That is of three segments, this of all; and processors round differently.
    assert families["track_accuracy"] == pytest.approx(right / 10, abs=0.1)
    assert families["track_accuracy"] >= figures["track_accuracy"]


def test_a_bundle_is_found_by_its_name(tmp_path, rows_of):
    library = tmp_path / "library"
    library.mkdir()
    noise = np.random.default_rng(0).standard_normal((12 * 22050, 1)) / 8
    write_audio(library / "a.flac", noise, 22050)
    rows = rows_of(library, "--bundle", "gtzan", "--dry-run")
    assert rows["a.flac"]["model_name"] == "genrebeam-default"
    assert rows["a.flac"]["family"] is None
    tags, _ = read_header(str(library / "a.flac"))
    assert tags.genres == ()
