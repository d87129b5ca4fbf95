"""similar, playlist, duplicates: from a library to what a person or a script reads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mutagen.flac import FLAC

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.options.home import report_of
from tests.conftest import files_of, write_audio

RATE = 22050


def music(seed: int, seconds: float = 20) -> np.ndarray:
    """Each in a band of its own, no two stretches alike: ``(n, 2)``."""
    times = np.arange(int(seconds * RATE)) / RATE
    knots = np.random.default_rng(seed).standard_normal(int(40 * seconds))
    swell = np.interp(times, np.arange(len(knots)) / 40, knots)
    voice = swell * np.sin(2 * np.pi * 250 * 2**seed * times)
    return np.repeat(voice[:, None] / 8, 2, axis=1)


@pytest.fixture
def library(tmp_path, monkeypatch):
    folder = tmp_path / "music"
    folder.mkdir()
    for name, seed in (("a.flac", 0), ("a.mp3", 0), ("b.flac", 1), ("c.flac", 2)):
        write_audio(folder / name, music(seed), RATE)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def analysed(library, tiny_bundle):
    options = ["--existing", "replace", "--dry-run", "--bundle", tiny_bundle.path]
    assert main(["tag", str(library), *options, "--quiet"]) == 0
    return library


def lines(capsys) -> list[list[str]]:
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_lists_the_nearest_first(analysed, capsys):
    assert main(["similar", str(analysed / "a.flac"), "--count", "2"]) == 0
    found = lines(capsys)
    assert found[0][-1] == str(analysed / "a.mp3")
    assert len(found) == 2
    assert float(found[0][0]) >= float(found[1][0])


def test_json_says_what_was_compared(analysed, tiny_bundle, capsys):
    capsys.readouterr()
    assert main(["similar", "music/a.flac", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["track"] == str(analysed / "a.flac")
    assert printed["model"] == {"name": "tiny", "version": tiny_bundle.version}
    assert printed["not_analysed"] == 0
    assert len(printed["similar"]) == 3
    assert set(printed["similar"][0]) == {
        *("similarity", "uri", "artist", "title", "album", "duration_s")
    }


def test_files_that_are_gone_are_left_out_and_said(analysed, capsys):
    (analysed / "a.mp3").unlink()
    assert main(["similar", str(analysed / "a.flac")]) == 0
    printed = capsys.readouterr()
    assert "a.mp3" not in printed.out
    assert printed.err == f"genrebeam: no longer there, left out: {analysed / 'a.mp3'}\n"


def test_tracks_whose_genre_was_kept_were_not_analysed_and_that_is_said(
    analysed, tiny_bundle, capsys
):
    assert main(["tag", str(analysed), "--bundle", tiny_bundle.path, "--quiet"]) == 0
    write_audio(analysed / "new.flac", music(3), RATE)
    file = FLAC(analysed / "new.flac")
    file["genre"] = "Folk"
    file.save()
    assert main(["tag", str(analysed), "--bundle", tiny_bundle.path, "--quiet"]) == 0
    capsys.readouterr()
    assert main(["similar", str(analysed / "a.flac")]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3
    assert "1 of 5 tracks were not analysed by this model" in printed.err
    assert "genrebeam tag" in printed.err


@pytest.mark.parametrize(
    "command",
    [["similar", "music/a.flac"], ["playlist", "--like", "music/a.flac"], ["duplicates"], ["map"]],
)
def test_without_embeddings_one_line_says_how_to_get_them(library, tiny_bundle, capsys, command):
    options = ["--bundle", tiny_bundle.path, "--quiet", "--no-embeddings"]
    assert main(["tag", str(library), *options]) == 0
    capsys.readouterr()
    assert main(command) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"genrebeam tag {library} --existing replace --dry-run\n" in printed.err
    assert len(printed.err.splitlines()) == 1


def test_a_track_that_cannot_be_analysed_is_exit_code_1(analysed, tiny_bundle, monkeypatch, capsys):
    monkeypatch.setattr("genrebeam.pipeline.by_ear.similar.bundle_named", lambda name: tiny_bundle)
    (analysed.parent / "broken.mp3").write_bytes(b"nothing")
    assert main(["similar", "broken.mp3"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_playlist_begins_with_its_track_and_has_no_recording_twice(analysed, capsysbinary):
    assert main(["playlist", "--like", "music/a.flac", "--out", "lists.m3u8"]) == 0
    text = (analysed.parent / "lists.m3u8").read_text(encoding="utf-8")
    assert text.splitlines()[:3] == ["#EXTM3U", "#EXTINF:20,a", "music/a.flac"]
    assert "a.mp3" not in text
    capsysbinary.readouterr()
    assert main(["playlist", "--like", "music/a.flac"]) == 0
    assert capsysbinary.readouterr().out.decode() == text


def test_a_playlist_like_a_track_from_elsewhere_begins_with_it(
    analysed, tiny_bundle, monkeypatch, capsysbinary
):
    monkeypatch.setattr("genrebeam.pipeline.by_ear.similar.bundle_named", lambda name: tiny_bundle)
    write_audio(analysed.parent / "stranger.wav", music(4), RATE)
    assert main(["playlist", "--like", "stranger.wav", "--length", "2"]) == 0
    text = capsysbinary.readouterr().out.decode().splitlines()
    assert text[1:3] == ["#EXTINF:20,stranger", "stranger.wav"]
    assert len(text) == 5


def test_an_earlier_playlist_is_replaced_and_nothing_else(analysed, capsys):
    before = files_of(analysed)
    assert main(["playlist", "--like", "music/a.flac", "--out", "music/b.flac"]) == 2
    assert "another file has this name" in capsys.readouterr().err
    assert files_of(analysed) == before
    for _ in range(2):
        assert main(["playlist", "--like", "music/a.flac", "--out", "a.m3u8"]) == 0
    assert main(["playlist", "--like", "music/a.flac", "--out", "none/a.m3u8"]) == 2


def test_lists_copies_the_best_first_and_changes_nothing(analysed, capsys):
    shutil.copy(analysed / "b.flac", analysed / "not analysed.flac")
    before = files_of(analysed)
    capsys.readouterr()
    assert main(["duplicates"]) == 0
    found = lines(capsys)
    assert [(row[0], row[-1]) for row in found] == [
        ("1", str(analysed / "a.flac")),
        ("1", str(analysed / "a.mp3")),
    ]
    assert files_of(analysed) == before


def test_duplicates_as_json(analysed, capsys):
    capsys.readouterr()
    assert main(["duplicates", "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)["groups"]
    assert group["likeness"] > 0.9
    assert [track["format"] for track in group["tracks"]] == ["flac", "mp3"]


def test_a_file_that_cannot_be_listened_to_is_exit_code_1(analysed, capsys):
    (analysed / "a.mp3").write_bytes(b"nothing")
    capsys.readouterr()
    assert main(["duplicates"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"genrebeam: {analysed / 'a.mp3'}: ")


def test_a_map_is_a_page_in_the_report_folder_or_where_it_is_wanted(analysed, capsys):
    capsys.readouterr()
    assert main(["map"]) == 0
    page = Path(report_of(str(analysed)), "map.html")
    assert capsys.readouterr().out == f"map: {page} (4 tracks)\n"
    assert "<h1>Map of 4 tracks</h1>" in page.read_text(encoding="utf-8")
    before = files_of(analysed)
    for _ in range(2):  # its own earlier page may be replaced
        assert main(["map", "--out", str(analysed / "map.html")]) == 0
    assert files_of(analysed).keys() == before.keys() | {"map.html"}
    assert {name: files_of(analysed)[name] for name in before} == before


def test_a_map_leaves_out_files_that_are_gone_and_says_so(analysed, capsys):
    (analysed / "a.mp3").unlink()
    capsys.readouterr()
    assert main(["map"]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"genrebeam: no longer there, left out: {analysed / 'a.mp3'}\n"
    assert "(3 tracks)" in printed.out


def test_a_map_of_files_that_are_all_gone_is_exit_code_1(analysed, capsys):
    shutil.rmtree(analysed)
    capsys.readouterr()
    assert main(["map"]) == 1
    assert "none of its tracks is there any more" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.flac", "a.flac/map.html"])
def test_a_map_replaces_no_other_file(analysed, capsys, name):
    before = files_of(analysed)
    capsys.readouterr()
    assert main(["map", "--out", str(analysed / name)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert files_of(analysed) == before
