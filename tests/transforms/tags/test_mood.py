"""Mood: written on request beside the genre, by the same way, and nothing else changes."""

import dataclasses
import io
from pathlib import Path

import mutagen
import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TMOO, TXXX

from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.patch import Patch
from genrebeam.transforms.tags.tag import TagPolicy, tag, write_genres
from tests.music_files import FORMATS, decision, dff, dsf, id3_tag, listed, others, put_ape

WRITE = TagPolicy(write_mood=True)
SAD = {"Happy music": 0.01, "Sad music": 0.08}
# The field that players and servers read.
FIELD = {
    **dict.fromkeys(("mp3", "aiff", "wav", "tta"), "TMOO"),
    **dict.fromkeys(("flac", "ogg", "opus"), "mood"),
    "m4a": "----:com.apple.iTunes:MOOD",
    "wma": "WM/Mood",
    "wv": "Mood",
}


@pytest.fixture
def plain(track_of):
    """A file of a format with many tags, but without a mood."""

    def make(format):
        track = track_of(format)
        file = mutagen.File(track.uri)
        if FIELD[format] in file.tags:
            del file.tags[FIELD[format]]
            file.save()
        return listed(Path(track.uri))

    return make


def sad(track, *genres):
    """A decision about a track that sounds sad."""
    return dataclasses.replace(decision(track, *(genres or ("Jazz",))), moods=SAD)


def mood_in(path, field):
    (value,) = (
        mutagen.File(path).tags[field] if field != "TMOO" else mutagen.File(path)["TMOO"].text
    )
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("format", FORMATS)
def test_a_mood_is_written_where_it_is_asked_for_and_nothing_else(plain, format):
    track, journal = plain(format), []
    content, before = Path(track.uri).read_bytes(), others(track.uri)
    outcome = tag(sad(track), WRITE, journal.append)
    assert (outcome.status, outcome.mood) == ("tagged", "Sad"), outcome.reason
    assert read_header(track.uri)[0].mood == "Sad"
    assert mood_in(track.uri, FIELD[format]) == "Sad"
    found, pictures = others(track.uri)
    kept = [line for line in found if not line.upper().startswith(FIELD[format].upper())]
    assert (kept, pictures) == before
    restored = io.BytesIO()
    with open(track.uri, "rb") as written:
        Patch.from_json(journal[0].undo).apply(written, restored)
    assert restored.getvalue() == content


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("existing", "mood"), [("keep", "calm"), ("merge", "calm"), ("replace", "Sad")]
)
def test_a_mood_that_is_there_stays_unless_it_shall_be_replaced(plain, format, existing, mood):
    track = plain(format)
    write_genres(track, ("Folk",), [].append, custom={"MOOD": "calm"})
    track = listed(Path(track.uri))
    policy = dataclasses.replace(WRITE, existing=existing, treat_as_missing=("Folk",))
    outcome = tag(sad(track), policy, [].append)
    assert outcome.status == "tagged"
    assert read_header(track.uri)[0].mood == mood == mood_in(track.uri, FIELD[format])
    assert outcome.mood == ("Sad" if mood == "Sad" else None)


@pytest.mark.parametrize("format", FORMATS)
def test_a_mood_stays_where_only_a_genre_is_written(plain, format):
    track = plain(format)
    write_genres(track, ("Folk",), [].append, custom={"MOOD": "calm"})
    track = listed(Path(track.uri))
    outcome = tag(sad(track), TagPolicy("replace"), [].append)
    assert (outcome.status, outcome.mood) == ("tagged", None)
    assert read_header(track.uri)[0].mood == "calm"


def test_a_dry_run_says_the_mood_and_writes_nothing(plain):
    track = plain("flac")
    content = Path(track.uri).read_bytes()
    outcome = tag(sad(track), dataclasses.replace(WRITE, dry_run=True), pytest.fail)
    assert (outcome.status, outcome.mood) == ("would_tag", "Sad")
    assert Path(track.uri).read_bytes() == content


def test_a_file_with_this_genre_and_mood_is_unchanged(plain):
    track = plain("mp3")
    tag(sad(track), WRITE, [].append)
    policy = dataclasses.replace(WRITE, existing="replace")
    assert tag(sad(listed(Path(track.uri))), policy, pytest.fail).status == "unchanged"


def test_a_file_without_a_genre_to_write_gets_no_mood(plain):
    track = plain("mp3")
    unsure = dataclasses.replace(sad(track), genres=(), unsure=True)
    assert tag(unsure, WRITE, pytest.fail).mood is None
    assert read_header(track.uri)[0].mood is None


def test_a_track_without_a_likely_mood_gets_only_a_genre(plain):
    track = plain("mp3")
    doubtful = dataclasses.replace(sad(track), moods={"Sad music": 0.04})
    assert tag(doubtful, WRITE, [].append).mood is None
    assert read_header(track.uri)[0].mood is None


@pytest.mark.parametrize(("format", "content"), [("dsf", dsf()), ("dff", dff())])
def test_one_bit_sound_gets_a_mood(tmp_path, format, content):
    path = tmp_path / f"song.{format}"
    path.write_bytes(content)
    assert tag(sad(listed(path)), WRITE, [].append).status == "tagged"
    assert mutagen.File(path)["TMOO"].text == ["Sad"]


@pytest.mark.parametrize(("version", "field"), [(2, b"TXX"), (3, b"TMOO"), (4, b"TMOO")])
def test_every_version_of_id3_can_hold_a_mood(tmp_path, originals, version, field):
    path = tmp_path / "song.mp3"
    path.write_bytes(id3_tag(version) + originals["mp3"].read_bytes())
    assert tag(sad(listed(path)), WRITE, [].append).status == "tagged"
    assert path.read_bytes()[:4] == b"ID3" + bytes([version])
    assert field in path.read_bytes()[:200]
    assert read_header(str(path))[0].mood == "Sad"


@pytest.mark.parametrize(("existing", "moods"), [("keep", ["calm"]), ("replace", ["Sad"])])
def test_a_mood_in_a_field_of_its_own_counts(plain, existing, moods):
    """Before ID3v2.4 had a frame for it, programs wrote a field that they named themselves."""
    track = plain("mp3")
    tags = ID3(track.uri)
    tags.add(TXXX(encoding=3, desc="Mood", text="calm"))
    tags.save()
    outcome = tag(
        sad(listed(Path(track.uri))), dataclasses.replace(WRITE, existing=existing), [].append
    )
    assert outcome.status == "tagged", outcome.reason
    tags = ID3(track.uri)
    found = [frame for key, frame in tags.items() if key in ("TMOO", "TXXX:Mood")]
    assert [str(frame) for frame in found] == moods


@pytest.mark.parametrize(("existing", "mood"), [("keep", "calm"), ("replace", "Sad")])
def test_a_mood_in_a_second_tag_of_an_mp3_counts_and_agrees(plain, existing, mood):
    track = plain("mp3")
    put_ape(track.uri, Title="Title", Mood="calm")
    track = listed(Path(track.uri))
    assert track.tags.mood == "calm"
    outcome = tag(sad(track), dataclasses.replace(WRITE, existing=existing), [].append)
    assert outcome.status == "tagged", outcome.reason
    assert str(APEv2(track.uri)["Mood"]) == mood
    assert [str(one) for one in ID3(track.uri).getall("TMOO")] == ([mood] * (mood == "Sad"))


def test_a_file_whose_mood_has_changed_since_is_left_alone(plain):
    track = plain("mp3")
    tags = ID3(track.uri)
    tags.add(TMOO(encoding=3, text="calm"))
    tags.save()
    facts = Path(track.uri).stat()
    track = track.as_written(facts.st_size, facts.st_mtime_ns)  # its header was read before
    outcome = tag(sad(track), WRITE, pytest.fail)
    assert (outcome.status, outcome.mood) == ("failed", None)
    assert "changed while it was being analysed" in outcome.error_message
