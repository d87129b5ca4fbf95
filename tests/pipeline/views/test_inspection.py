"""Inspection: what is shown of a track is what the model hears of it."""

import dataclasses
import html.parser
import io
import itertools
import json
import os
import re
import shutil
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pebble import ProcessExpired
from PIL import Image
from rich.console import Console

from model.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from model.colours import colour_of
from model.feature_spec import FeatureSpec
from model.pretrained import EARS
from model.pretrained.subjects import SUBJECTS, by_subject, subject_of
from model.recipes.ears import EARS_FEATURES
from pipeline.cli import main
from pipeline.commands.inspect import _print
from pipeline.views.inspection import (
    DRAWN,
    MOST_COLUMNS,
    Inspection,
    Sound,
    _decode,
    _Filled,
    _measure,
    drawn_for,
    inspect,
    listen,
)
from pipeline.views.inspection_page import (
    MOST_GENRES,
    colours,
    levels,
    time_ticks,
    verdicts,
    write_page,
    write_png,
)
from tests.conftest import GENRES, files_of, tone, write_audio
from transforms.audio.decode import DecodeError
from transforms.audio.features import hear
from transforms.audio.hear import result_of
from transforms.genre.classify import Classifier
from transforms.genre.vote import VotePolicy, decide
from transforms.records import AudioFacts, FileTags, Prediction, Track, TrackError

SPEC = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=64)
RATE = SPEC.sample_rate_hz
NO_TAGS = FileTags()
EVIL = "</script><script>alert(1)</script> \x1b[31m[red] {{ 7 * 7 }} $x_y$ \udce9 \u202e&amp;"


def inspection_of(
    genres: tuple[str, ...] = GENRES,
    tags: FileTags = NO_TAGS,
    path: str = "song.mp3",
    spec: FeatureSpec = SPEC,
) -> Inspection:
    """Thirty seconds of a tone whose genre changes from segment to segment."""
    samples = tone(30)[:, 0].astype(np.float32)
    audio = AudioFacts(duration_s=30.0, sample_rate_hz=RATE, channels=1)
    segments = np.full((6, *spec.shape), 0.5, np.float16)
    sound = Sound(segments=segments, audio=audio, **_measure(samples, drawn_for(spec)))
    bundle = Bundle("", "tiny", "v1", genres, genres, spec)
    rows = np.random.default_rng(0).dirichlet(np.ones(len(genres)), 6).astype(np.float32)
    prediction = Prediction(Track(path, "mp3"), rows, 0, 0)
    mean, majority = (decide(prediction, genres, VotePolicy(r)) for r in ("mean", "majority"))
    return Inspection(path, tags, None, 30.0, bundle, sound, rows, mean, majority, {})


class Elements(html.parser.HTMLParser):
    """Elements of a page with their attributes, and the text of its heading."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.heading = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.found and self.found[-1][0] == "h1":
            self.heading += data


# --- what is heard ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.flac"])
def test_the_network_is_fed_what_tagging_feeds_it(write_tone, name):
    path = str(write_tone(name, seconds=22))
    sound = listen(path, name[2:], SPEC)
    expected = hear(path, name[2:], SPEC).log_mel
    assert sound.segments.shape == expected.shape == (4, 128, 64)
    differences = np.abs(sound.segments.astype(float) - expected)
    assert differences.max() < (0.1 if name == "a.m4a" else 2e-3)  # AAC depends on the seeks
    assert differences.mean() < 1e-4


def test_descriptors_tell_a_tone():
    samples = np.sin(2 * np.pi * 440 * np.arange(20 * RATE) / RATE).astype(np.float32) / 2
    found = _measure(samples, SPEC)
    middle = slice(10, -10)
    np.testing.assert_allclose(found["zero_crossings_hz"][middle], 880, rtol=0.02)
    np.testing.assert_allclose(found["centroid_hz"][middle], 440, rtol=0.02)
    assert np.all(found["chroma"][:, middle].argmax(axis=0) == 9)  # A
    np.testing.assert_allclose(found["wave"][:, middle].mean(axis=1), (-0.5, 0.5), atol=0.01)
    loudest = found["band_hz"][found["mel_db"][:, 20].argmax()]
    assert abs(loudest - 440) < 40


def test_long_tracks_have_no_more_columns_than_can_be_drawn():
    found = _measure(np.random.default_rng(0).normal(0, 0.1, 200 * RATE).astype(np.float32), SPEC)
    widths = {values.shape[-1] for name, values in found.items() if name != "band_hz"}
    assert max(widths) <= MOST_COLUMNS + 1
    assert min(widths) > MOST_COLUMNS / 2


def test_where_a_track_is_silent_nothing_is_told_of_its_spectrum():
    samples = np.concatenate([tone(5)[:, 0], np.zeros(5 * RATE)]).astype(np.float32)
    found = _measure(samples, SPEC)
    n_columns = len(found["centroid_hz"])
    for name in ("centroid_hz", "rolloff_hz", "zero_crossings_hz"):
        silent = np.isnan(found[name])
        assert not silent[: n_columns // 2 - 5].any()
        assert silent[n_columns // 2 + 5 :].all()


class _Reader:
    """Decodes ones, but for a hole."""

    sample_rate_hz, channels, exact = RATE, 1, True

    def __init__(self, seconds: float, hole: range, end: float) -> None:
        self.n_samples, self.hole, self.end = int(seconds * RATE), hole, int(end * RATE)

    def read(self, start: int, count: int) -> np.ndarray:
        if start // RATE in self.hole:
            return np.zeros(0, np.float32)
        return np.ones(max(0, min(count, self.end - start)), np.float32)


def test_what_cannot_be_decoded_does_not_move_what_follows():
    samples = _decode("a.mp3", _Reader(40, range(10, 20), 40), RATE)
    assert len(samples) == 40 * RATE
    assert samples[: 10 * RATE].all()
    assert not samples[10 * RATE : 20 * RATE].any()
    assert samples[20 * RATE :].all()


def test_a_track_ends_where_its_sound_ends_whatever_its_header_promises():
    assert len(_decode("a.mp3", _Reader(9e5, range(0), 25), RATE)) == 25 * RATE
    with pytest.raises(DecodeError, match="nothing of its 60 s can be decoded"):
        _decode("a.mp3", _Reader(60, range(0), 0), RATE)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), "a.mp3: not decoded within"),
        (ProcessExpired("died", -11), "a.mp3: the decoder crashed (exit code -11)"),
    ],
)
def test_a_decoder_that_dies_is_told_in_one_line(error, told):
    future: Future = Future()
    future.set_exception(error)
    with pytest.raises(TrackError) as raised:
        result_of(future, "a.mp3", 900.0)
    assert str(raised.value).startswith(told)


# --- figures ------------------------------------------------------------------------------


def test_segments_follow_each_other_to_the_end():
    spans = inspection_of().spans_s
    assert spans[0][0] == 0
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(spans))
    assert 29 < spans[-1][1] <= 30
    whole = inspection_of()
    sound = dataclasses.replace(whole.sound, audio=AudioFacts(duration_s=3.0))
    short = dataclasses.replace(whole, sound=sound, probabilities=whole.probabilities[:1])
    assert short.spans_s == [(0, 3.0)]


def test_figures_are_json_and_agree_with_the_segments():
    inspection = inspection_of(path="caf\udce9.mp3", tags=FileTags(title=EVIL, genres=("Folk",)))
    figures = json.loads(json.dumps(inspection.figures()))
    rows = [[s["probabilities"][genre] for genre in GENRES] for s in figures["segments"]]
    np.testing.assert_allclose(rows, inspection.probabilities, atol=1e-4)
    assert [*figures["probabilities"].values()] == pytest.approx(np.mean(rows, axis=0), abs=1e-3)
    assert sum(figures["votes"].values()) == 6
    best = max(figures["probabilities"], key=figures["probabilities"].get)
    assert figures["vote"]["mean"]["genre"] == best
    assert figures["genres"] == ["Folk"]
    assert figures["path"] == "caf\\udce9.mp3"


@given(st.floats(0.01, 1e6), st.integers(1, 20))
def test_times_on_the_axis_are_few_and_within_the_track(duration, most):
    ticks = time_ticks(duration, most)
    assert ticks[0] == 0
    assert ticks == sorted(ticks)
    assert ticks[-1] <= duration
    assert len(ticks) <= most + 1


# --- page and picture ---------------------------------------------------------------------


def test_names_stay_text_in_the_page(tmp_path):
    path = tmp_path / "page.html"
    genres = ("<b>Rock</b>", "</script>", 'Pop"')
    write_page(str(path), inspection_of(genres, FileTags(EVIL, EVIL, EVIL, (EVIL,)), EVIL))
    page = path.read_text(encoding="utf-8")
    elements = Elements(page)
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 1
    assert "b" not in tags
    assert elements.heading.strip() == EVIL.replace("\udce9", "\\udce9")
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)


def test_the_page_needs_nothing_but_itself(tmp_path):
    path = tmp_path / "page.html"
    write_page(str(path), inspection_of())
    page = path.read_text(encoding="utf-8")
    sources = [a.get("src") or a.get("href") for _, a in Elements(page).found]
    sources = [source for source in sources if source]
    assert len(sources) >= 3 + 1 + len(GENRES)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r"data:image/png;base64,\S+", "", page).replace("http-equiv", "")
    assert len(page) < 1_000_000


@pytest.mark.parametrize("kind", ["log_mel", "descriptors", "ears"])
def test_the_picture_shows_any_name_and_any_kind_of_features(tmp_path, kind):
    others = {
        "descriptors": dataclasses.replace(SPEC, kind=kind, segment_frames=1),
        "ears": EARS_FEATURES,
    }
    spec = others.get(kind, SPEC)
    inspection = inspection_of(tags=FileTags(title=EVIL, artist="日本 $\\frac{$"), spec=spec)
    write_png(str(tmp_path / "a.png"), inspection)
    write_page(str(tmp_path / "a.html"), inspection)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == 1650
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 500
        assert picture.info["Software"].startswith("genrebeam inspect")


def test_of_very_many_genres_the_likeliest_are_shown(tmp_path):
    inspection = inspection_of(tuple(f"Genre {i}" for i in range(40)))
    path = tmp_path / "page.html"
    write_page(str(path), inspection)
    page = path.read_text(encoding="utf-8")
    rows = re.findall(r'class="side" title="(Genre \d+)"', page)
    assert rows == [f"Genre {i}" for i in inspection.ranking[:MOST_GENRES]]
    assert "The 28 least probable are not shown" in page


# --- the terminal -------------------------------------------------------------------------


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
    for text in ("Title", "Artist", "Folk", "0:30", f"{best}, {100 * likeliest:.0f} %"):
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


# --- the command --------------------------------------------------------------------------


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
        ("empty.mp3", "FFmpeg"),
    ],
)
def test_a_track_that_cannot_be_heard_is_one_line(library, tiny_bundle, name, reason, capfd):
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
        (["{library}/song.mp3", "--out", "{library}/notes.txt"], "not a folder"),
        (["{library}/song.mp3", "--out", "{library}"], "another file is in the way"),
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


# --- ears ---------------------------------------------------------------------------------


def test_a_song_is_shown_in_families_and_in_the_networks_own_words(shared_data, tmp_path, capsys):
    song = str(shared_data / "songs" / "Jonathan Coulton - Code Monkey.ogg")
    assert main(["inspect", song, "--out", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["vote"]["mean"]["genre"] == "Rock"
    assert figures["family"]["genre"] == "Rock"
    assert figures["style"]["confidence"] <= figures["family"]["confidence"]
    assert set(figures["votes"]) == set(load_bundle(DEFAULT_BUNDLE).families)
    assert set(figures["segments"][0]["probabilities"]) == set(figures["votes"])
    assert figures["segments"][1]["start_s"] == pytest.approx(5.984, abs=0.001)
    said = [(one["ear"], one["word"]) for one in figures["words"]]
    assert said[0] == ("yamnet", "Music")
    assert next(one for one in said if one[0] == "musicnn_msd")[1] == "rock"
    page = (tmp_path / "Jonathan Coulton - Code Monkey.inspect.html").read_text(encoding="utf-8")
    assert "In the networks" in page
    assert "<b>rock</b>" in page or "<b>Rock music</b>" in page


def test_the_winning_family_stays_the_same_through_a_plain_song(shared_data, tmp_path):
    bundle = load_bundle(DEFAULT_BUNDLE)
    for song in sorted((shared_data / "songs").glob("*.mp3"))[:2]:
        inspection = inspect(str(song), bundle)
        winners = inspection.probabilities.argmax(axis=1)
        assert (winners == inspection.ranking[0]).mean() >= 0.8, song.name


def test_words_are_shown_by_what_they_are_about():
    words = [
        ("yamnet", "Music", 0.95),
        ("yamnet", "Banjo", 0.3),
        ("yamnet", "Bluegrass", 0.03),
        ("yamnet", "Harp", 0.01),
        ("musicnn_msd", "country", 0.5),
        ("yamnet", "Country", 0.1),
        ("musicnn_msd", "70s", 0.2),
    ]
    assert by_subject(words) == {
        "kinds of music": [("country", 0.5), ("Bluegrass", 0.03)],
        "instruments": [("Banjo", 0.3)],
        "time": [("70s", 0.2)],
    }


def test_every_word_of_every_ear_is_about_something():
    for ear in EARS.values():
        for word in ear.words:
            assert subject_of(ear.name, word) in SUBJECTS


def test_what_is_no_music_is_said_to_be_none(tmp_path, capsys):
    noise = np.random.default_rng(0).standard_normal((12 * 22050, 1)) / 8
    write_audio(tmp_path / "noise.flac", noise, 22050)
    assert main(["inspect", str(tmp_path / "noise.flac"), "--out", str(tmp_path)]) == 0
    assert "Not music: " in capsys.readouterr().out


WORLD = ("Rock", "Punk", "Metal", "Jazz", "Swing", "Pop")
FAMILIES = ("Rock", "Rock", "Rock", "Jazz", "Jazz", "Pop")
WORDS = (("yamnet", "Music", 0.9), ("yamnet", "Banjo", 0.3), ("musicnn_msd", "rock", 0.5))


def in_families(not_music: str | None = None) -> Inspection:
    """A track of five segments that is Punk, or no music."""
    genres = np.tile(np.float32([0.2, 0.6, 0.1, 0.05, 0.03, 0.02]), (5, 1))
    genres[4] = [0.1, 0, 0, 0.3, 0.6, 0]
    overall = np.float32([0.2, 0.55, 0.2, 0.03, 0.01, 0.01])
    prediction = Prediction(Track("a.mp3", "mp3"), genres, 0, 0, None, None, overall, not_music)
    plain = inspection_of(WORLD, spec=EARS_FEATURES)
    mean, majority = (
        decide(prediction, WORLD, VotePolicy(rule), families=FAMILIES)
        for rule in ("mean", "majority")
    )
    members = np.array([[own == name for name in ("Rock", "Jazz", "Pop")] for own in FAMILIES])
    return dataclasses.replace(
        plain,
        bundle=dataclasses.replace(plain.bundle, families=FAMILIES),
        families=("Rock", "Jazz", "Pop"),
        probabilities=genres @ members,
        overall=overall @ members,
        mean=mean,
        majority=majority,
        words=WORDS,
        not_music=not_music,
    )


def test_families_are_voted_on_and_styles_are_told():
    inspection = in_families()
    assert levels(inspection) == "Rock 95 %: Punk 55 %, plain Rock 20 %, Metal 20 %"
    told = {rule: text for rule, text, _ in verdicts(inspection)}
    assert told["By overall probability"] == "Punk, 55 %"
    assert told["By majority vote"] == "Punk, 4 of 5 segments"
    figures = json.loads(json.dumps(inspection.figures()))
    assert figures["family"] == {"genre": "Rock", "confidence": 0.95}
    assert figures["style"] == {"genre": "Punk", "confidence": 0.55}
    assert figures["votes"] == {"Rock": 4, "Jazz": 1, "Pop": 0}
    shown = printed(inspection)
    for row in (
        "Rock    95 %      4",
        "kinds of music  rock 50 %",
        "instruments     Banjo 30 %",
    ):
        assert row in shown, shown


def test_spans_of_ears_are_six_seconds():
    spans = in_families().spans_s
    assert [start for start, _ in spans] == pytest.approx([5.984 * i for i in range(5)])


@pytest.mark.parametrize("width", [24, 40])
def test_words_may_be_shown_narrowly(width):
    shown = printed(in_families("Static (0.51), music 0.01"), "ascii", width)
    assert shown.isascii()
    assert all(len(line) <= width for line in shown.splitlines())


def test_what_is_no_music_is_told_before_all_else(tmp_path):
    inspection = in_families("Static (0.51), music 0.01")
    shown = printed(inspection, width=120)
    assert shown.splitlines()[1].startswith("Not music: Static (0.51), music 0.01;")
    assert shown.count("Not music") == 1
    assert inspection.figures()["not_music"] == "Static (0.51), music 0.01"
    write_page(str(tmp_path / "a.html"), inspection)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.index("Not music:") < page.index("The vote")
    assert "By majority vote" not in page


def test_the_likeliest_families_have_a_colour_of_their_own():
    genres = tuple(f"Genre {number}" for number in range(17))
    plain = inspection_of(genres)
    inspection = dataclasses.replace(plain, families=genres)
    shown = [colours(inspection)[name] for name in inspection.ranking[:10]]
    assert len(set(shown)) == 10
    assert colours(plain)[:2] == [colour_of(0), colour_of(1)]


def test_what_is_drawn_reaches_beyond_what_ears_hear(write_tone):
    path = str(write_tone("a.flac", seconds=20))
    sound = listen(path, "flac", EARS_FEATURES)
    np.testing.assert_array_equal(sound.segments, hear(path, "flac", EARS_FEATURES).log_mel)
    assert len(sound.band_hz) == len(sound.mel_db) == DRAWN.n_mels
    assert sound.band_hz[-1] > EARS_FEATURES.sample_rate_hz / 2
    assert sound.audio.duration_s == pytest.approx(20)


def test_ears_hear_silence_where_a_track_cannot_be_decoded():
    filled = _Filled(_Reader(40, range(10, 20), 40), 40.0)
    assert not filled.read(12 * RATE, RATE).any()
    assert len(filled.read(12 * RATE, RATE)) == RATE
    assert filled.read(30 * RATE, RATE).all()
    assert len(filled.read(39 * RATE, 2 * RATE)) == RATE


def test_the_verdict_is_what_tagging_makes_of_all_segments(write_tone):
    bundle = load_bundle(DEFAULT_BUNDLE)
    path = str(write_tone("a.flac", seconds=25))
    inspection = inspect(path, bundle)
    (judged,) = Classifier(bundle).of_tracks([hear(path, "flac", bundle.features).log_mel])
    expected = decide(
        Prediction(Track(path, "flac"), hear_seconds=0, classify_seconds=0, **vars(judged)),
        bundle.genres,
        VotePolicy(bundle.vote, min_confidence=bundle.min_confidence),
        families=bundle.families,
    )
    assert inspection.mean.votes == expected.votes
    assert inspection.mean.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
    assert inspection.not_music == judged.not_music
    assert inspection.whole.sum() == pytest.approx(1, abs=1e-4)
    ears = [ear for ear, _, _ in inspection.words]
    assert {ear: ears.count(ear) for ear in ears} == {"yamnet": 20, "musicnn_msd": 20}


def test_a_bundle_without_ears_is_found_by_its_name_and_has_no_words(write_tone, tmp_path, capsys):
    song = str(write_tone("a.flac", seconds=12))
    assert main(["inspect", song, "--bundle", "gtzan", "--out", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["words"] == []
    assert figures["family"] is figures["style"] is figures["not_music"] is None
    assert set(figures["votes"]) == set(figures["segments"][0]["probabilities"])
    assert "the networks" not in (tmp_path / "a.inspect.html").read_text(encoding="utf-8")
