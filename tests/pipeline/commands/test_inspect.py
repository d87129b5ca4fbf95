"""``genrebeam inspect``: what it prints, what it leaves, what it refuses."""

import io
import json
import os
import shutil

import numpy as np
import pytest
from rich.console import Console

from genrebeam.model.bundle import DEFAULT_BUNDLE, load_bundle
from genrebeam.pipeline.cli import main
from genrebeam.pipeline.commands.inspect import _print
from genrebeam.pipeline.views.inspection.inspection import Inspection
from genrebeam.transforms.records import FileTags
from tests.conftest import GENRES, files_of, tone, write_audio
from tests.inspections import EVIL, RATE, in_families, inspection_of


def printed(inspection: Inspection, encoding: str = "utf-8", width: int = 80) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace", newline="")
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    _print(console, inspection)
    stream.seek(0)
    return stream.read()


def test_the_terminal_shows_file_vote_and_course():
    inspection = inspection_of(tags=FileTags("Title", "Artist", None, ("Folk",)))
    shown = printed(inspection)
    best, likeliest = GENRES[inspection.ranking[0]], inspection.mean.confidence
    for text in ("Title", "Artist", "Folk", "0:30", f"{best} {100 * likeliest:.0f} %"):
        assert text in shown
    course = shown[shown.index("each segment") :]
    assert all(genre in course for genre in GENRES)
    assert set("▁▂▃▄▅▆▇█") & set(course)
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_names_cannot_command_the_terminal():
    shown = printed(inspection_of(("Rock\x1b[2J", "a", "b"), FileTags(EVIL, EVIL, EVIL, (EVIL,))))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]" in shown


@pytest.mark.parametrize("width", [24, 40, 300])
def test_the_terminal_may_be_narrow_or_know_no_unicode(width):
    shown = printed(inspection_of(), "ascii", width)
    assert shown.isascii()
    assert "\\u" not in shown
    assert all(len(line) <= width for line in shown.splitlines())


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    write_audio(folder / "song.mp3", tone(12, 44100, 2), 44100)
    return folder


def test_leaves_page_and_picture_and_the_library_as_it_was(library, tiny_bundle, tmp_path, capsys):
    before = files_of(library)
    out = tmp_path / "new" / "folder"
    arguments = ["inspect", str(library / "song.mp3"), "--bundle", tiny_bundle.path]
    arguments += ["--out", str(out), "--png"]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert f"page: {out}/song.inspect.html\n" in shown.out
    assert sorted(os.listdir(out)) == ["song.inspect.html", "song.inspect.png"]
    assert files_of(library) == before
    assert main([*arguments, "--json"]) == 0  # over what an earlier inspection left
    figures = json.loads(capsys.readouterr().out)
    assert len(figures["segments"]) == 2
    assert figures["page"] == f"{out}/song.inspect.html"
    assert files_of(library) == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("short.wav", "0.5 s of audio, at least 2.5 s are needed to judge"),
        ("silent.wav", "silent from start to end"),
        ("broken.mp3", "FFmpeg"),
        ("empty.mp3", "empty file"),
    ],
)
def test_a_track_that_cannot_be_analysed_is_one_line(library, tiny_bundle, name, reason, capfd):
    path = library / name
    if path.suffix == ".wav":
        write_audio(path, np.zeros((10 * RATE, 1)) if name == "silent.wav" else tone(0.5), RATE)
    else:
        path.write_bytes(np.random.default_rng(0).bytes(30_000) if name == "broken.mp3" else b"")
    before = files_of(library)
    arguments = ["inspect", str(path), "--bundle", tiny_bundle.path, "--out", str(library)]
    assert main(arguments) == 1
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"genrebeam: {path}: ")
    assert reason in shown.err
    assert len(shown.err.splitlines()) == 1
    assert files_of(library) == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["{library}/none.mp3"], "no such file"),
        (["{library}"], "a folder"),
        (["{library}/notes.txt"], "not one of the formats"),
        (["gs://bucket/song.mp3"], "only local files"),
        (["{library}/song.mp3", "--bundle", "{library}"], "not a model bundle"),
        (["{library}/song.mp3", "--out", "{library}/notes.txt"], "not a writable folder"),
        (["{library}/song.mp3", "--out", "{library}"], "another file has this name"),
        (["{library}/song.mp3", "--pgn"], "unknown option or argument: --pgn"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(library, arguments, complaint, capsys):
    (library / "notes.txt").touch()
    (library / "song.inspect.html").write_text("my own notes")
    before = files_of(library)
    assert main(["inspect", *(argument.format(library=library) for argument in arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert complaint in shown.err
    assert len(shown.err.splitlines()) == 1
    assert files_of(library) == before


def test_a_song_from_a_real_library(shared_data, tmp_path, capsys):
    song = next((shared_data / "songs").glob("*Code Monkey.ogg"))
    path = tmp_path / "a song [live] 'é'.ogg"
    shutil.copyfile(song, path)
    assert main(["inspect", str(path), "--out", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["title"], figures["artist"]) == ("Code Monkey", "Jonathan Coulton")
    assert figures["genres"] == ["Folk"]
    assert figures["duration_s"] == pytest.approx(189.3, abs=0.1)
    assert figures["segments"][-1]["end_s"] > 184
    assert all(
        sum(s["probabilities"].values()) == pytest.approx(1, abs=2e-3) for s in figures["segments"]
    )


def test_a_song_is_shown_in_families_and_with_what_else_the_network_recognises(
    shared_data, tmp_path, capsys
):
    song = str(shared_data / "songs" / "Jonathan Coulton - Code Monkey.ogg")
    assert main(["inspect", song, "--out", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["vote"]["mean"]["genre"] == "Rock"
    assert figures["family"]["genre"] == "Rock"
    assert figures["style"]["confidence"] <= figures["family"]["confidence"]
    assert set(figures["votes"]) == set(load_bundle(DEFAULT_BUNDLE).families)
    assert set(figures["segments"][0]["probabilities"]) == set(figures["votes"])
    assert figures["segments"][1]["start_s"] == pytest.approx(6.5, abs=0.2)
    assert figures["sounds"][0]["label"] == "Music"
    page = (tmp_path / "Jonathan Coulton - Code Monkey.inspect.html").read_text(encoding="utf-8")
    assert "Labels of the pretrained network" in page
    assert "<b>Rock music</b>" in page


def test_what_is_no_music_is_said_to_be_none(tmp_path, capsys):
    noise = np.random.default_rng(0).standard_normal((12 * 22050, 1)) / 8
    write_audio(tmp_path / "noise.flac", noise, 22050)
    assert main(["inspect", str(tmp_path / "noise.flac"), "--out", str(tmp_path)]) == 0
    assert "Not music: " in capsys.readouterr().out


@pytest.mark.parametrize("width", [24, 40])
def test_words_may_be_shown_narrowly(width):
    shown = printed(in_families("Static (0.51), music 0.01"), "ascii", width)
    assert shown.isascii()
    assert all(len(line) <= width for line in shown.splitlines())


def test_a_bundle_without_a_backbone_is_found_by_its_name_and_names_no_sounds(
    write_tone, tmp_path, capsys
):
    song = str(write_tone("a.flac", seconds=12))
    assert main(["inspect", song, "--bundle", "gtzan", "--out", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["sounds"] == []
    assert figures["family"] is figures["style"] is figures["not_music"] is None
    assert set(figures["votes"]) == set(figures["segments"][0]["probabilities"])
    page = (tmp_path / "a.inspect.html").read_text(encoding="utf-8")
    assert "Labels of the pretrained network" not in page
