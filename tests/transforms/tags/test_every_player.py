"""Every player: whatever tags an mp3 has, what any program shows of its genre is ours."""

import dataclasses
import functools
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TCON, TIT2

from genrebeam.pipeline.runs.undo import undo
from genrebeam.transforms.tags.change import read_journal
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.id3_bytes import following_tags
from genrebeam.transforms.tags.tag import TagPolicy, tag
from tests.audio_bytes import audio_hash
from tests.conftest import tone, write_audio
from tests.music_files import GENRE, decision, id3_tag, listed
from tests.readers import READERS

ONE, SEVERAL = ("Jazz",), ("Hip-Hop", "Škola ☂", "R&B / Soul")
# A genre of a tag before: what ID3v1 can say, and more where there is room.
BEFORE = {"one": ("Rock",), "several": ("Rock", "Punk")}
OTHERS = {"ID3v2": ("Pop",), "APEv2": ("Folk",), "ID3v1": ("Blues",)}


@dataclass(frozen=True)
class Case:
    """An mp3: its tags, and what genres each of them has."""

    v2: int | None
    v1: bool
    ape: bool
    genres: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def name(self) -> str:
        tags = [f"ID3v2.{self.v2}"] * bool(self.v2) + ["APEv2"] * self.ape + ["ID3v1"] * self.v1
        said = [f"{name} {'+'.join(genres)}" for name, genres in self.genres if genres]
        return f"{' and '.join(tags) or 'no tag'}, {', '.join(said) or 'no genre'}"

    def of(self, tag: str) -> tuple[str, ...]:
        return dict(self.genres).get(tag, ())


def cases() -> list[Case]:
    """All tags that a file can have at once, with genres in none, one, all, contradicting."""
    found = []
    for v2, v1, ape in itertools.product((None, 2, 3, 4), (False, True), (False, True)):
        tags = ["ID3v2"] * bool(v2) + ["APEv2"] * ape + ["ID3v1"] * v1
        choices = [{}]
        choices += [{name: genres} for name in tags for genres in BEFORE.values()]
        if len(tags) > 1:
            choices += [dict.fromkeys(tags, genres) for genres in BEFORE.values()]
            choices += [{name: OTHERS[name] for name in tags}]
        for choice in choices:
            if "ID3v1" in choice:  # has room for one
                choice["ID3v1"] = choice["ID3v1"][:1]
            found.append(Case(v2, v1, ape, tuple(choice.items())))
    return list(dict.fromkeys(found))


def make(path: Path, sound: bytes, case: Case) -> Path:
    """Write a case's file."""
    head = b""
    if case.v2 == 2:
        text = "\0".join(case.of("ID3v2")).encode("ascii")
        frames = b"TT2\0\0\6\0Title"
        if text:
            frames += b"TCO" + (len(text) + 1).to_bytes(3, "big") + b"\0" + text
        head = b"ID3\2\0\0\0\0\0" + bytes([len(frames)]) + frames
    path.write_bytes(head + sound)
    if case.v2 in (3, 4):
        tags = ID3()
        tags.add(TIT2(encoding=0, text="Title"))
        if case.of("ID3v2"):
            tags.add(TCON(encoding=0, text=list(case.of("ID3v2"))))
        tags.save(path, v2_version=case.v2, v23_sep=None)
    if case.ape:
        tags = APEv2()
        tags["Title"], tags["REPLAYGAIN_TRACK_GAIN"] = "Title", "-7.9 dB"
        if case.of("APEv2"):
            tags["Genre"] = list(case.of("APEv2"))
        tags.save(path)
    if case.v1:
        genre = TCON.GENRES.index(case.of("ID3v1")[0]) if case.of("ID3v1") else 255
        block = b"TAG" + b"Title".ljust(124, b"\0") + bytes([genre])
        path.write_bytes(path.read_bytes() + block)
    return path


@dataclass(frozen=True)
class Tagged:
    """A case's file before and after."""

    case: Case
    path: Path
    before: bytes
    sound: str
    journal: tuple[dict, ...]


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """All cases tagged with these genres."""
    folder = tmp_path_factory.mktemp("matrix")
    write_audio(folder / "sound.mp3", tone(1, 44100, 2), 44100)
    sound = (folder / "sound.mp3").read_bytes()

    @functools.cache
    def write(genres: tuple[str, ...]) -> list[Tagged]:
        done = []
        for number, case in enumerate(cases()):
            path = make(folder / f"{len(genres)}-{number:03d}.mp3", sound, case)
            before, analysed, journal = path.read_bytes(), audio_hash(path), []
            outcome = tag(decision(listed(path), *genres), TagPolicy("replace"), journal.append)
            assert outcome.status == "tagged", (case.name, outcome.reason)
            done.append(Tagged(case, path, before, analysed, tuple(journal)))
        return done

    return write


def test_the_matrix_has_all_there_is():
    tags = {(case.v2, case.v1, case.ape) for case in cases()}
    assert len(tags) == 16
    assert len(cases()) == 94


both = pytest.mark.parametrize("genres", [ONE, SEVERAL], ids=["one", "several"])


@both
@pytest.mark.parametrize("reader", READERS)
def test_every_program_shows_our_genre(tagged, reader, genres):
    files = tagged(genres)
    shown = READERS[reader]([file.path for file in files])
    wrong = {
        file.case.name: found
        for file, found in zip(files, shown, strict=True)
        # Some show the first, ExifTool joins them.
        if found not in (list(genres), [genres[0]], ["/".join(genres)])
    }
    assert wrong == {}


@both
def test_every_tag_says_it_and_apev2_only_where_it_said_one(tagged, genres):
    number = TCON.GENRES.index(genres[0])
    for file in tagged(genres):
        case, name = file.case, file.case.name
        found = ID3(file.path, load_v1=False)
        assert tuple(found["TCON"].genres) == genres, name
        assert found.version[1] == (case.v2 or 3), name
        assert str(found.get("TIT2", "")) == ("Title" if case.v2 or case.v1 or case.ape else "")
        if case.ape:
            expected = list(genres) if case.of("APEv2") else []
            assert list(APEv2(file.path).get("Genre", [])) == expected, name
        if case.v1:
            assert file.path.read_bytes()[-128:-125] == b"TAG", name
            assert file.path.read_bytes()[-1] == number, name


@both
def test_the_sound_stays_and_one_entry_undoes_all(tagged, tmp_path, genres):
    for file in tagged(genres):
        assert audio_hash(file.path) == file.sound, file.case.name
        assert len(file.journal) == 1, file.case.name
        copy = tmp_path / file.path.name
        copy.write_bytes(file.path.read_bytes())
        entry = dataclasses.replace(file.journal[0], path=str(copy))
        (read,) = read_journal([entry.to_line()])
        assert undo(read).status == "restored", file.case.name
        assert copy.read_bytes() == file.before, file.case.name


@pytest.mark.parametrize("in_second", [False, True], ids=["", "genre in second"])
@pytest.mark.parametrize("in_first", [False, True], ids=["", "genre in first"])
@pytest.mark.parametrize("versions", list(itertools.product((2, 3, 4), repeat=2)), ids=str)
def test_of_two_id3v2_tags_none_contradicts_the_other(tmp_path, versions, in_first, in_second):
    # FFmpeg reads both, TagLib the first.
    write_audio(tmp_path / "song.mp3", tone(1, 44100, 2), 44100)
    path, sound = tmp_path / "song.mp3", (tmp_path / "song.mp3").read_bytes()
    heads = [
        id3_tag(
            version,
            (b"TT2" if version == 2 else b"TIT2", b"\0Title"),
            *([(GENRE[version], b"\0" + old)] if says else []),
        )
        for version, says, old in zip(
            versions, (in_first, in_second), (b"Rock", b"Folk"), strict=True
        )
    ]
    path.write_bytes(b"".join(heads) + sound)
    before, analysed, journal = path.read_bytes(), audio_hash(path), []
    assert bool(TagPolicy().existing_genres(listed(path))) == (in_first or in_second)
    outcome = tag(decision(listed(path), *SEVERAL), TagPolicy("replace"), journal.append)
    assert outcome.status == "tagged", outcome.reason
    assert audio_hash(path) == analysed
    assert READERS["FFmpeg"]([path]) == [[SEVERAL[0]]]
    with open(path, "rb") as stream:
        ((_, second),) = following_tags(stream)
    if in_second:
        assert ID3(io.BytesIO(second), load_v1=False)["TCON"].genres == list(SEVERAL)
    else:
        assert second == heads[1]
    assert [undo(entry).status for entry in journal] == ["restored"]
    assert path.read_bytes() == before


def test_a_genre_in_any_tag_is_kept_and_merging_adds_to_it(tmp_path):
    write_audio(tmp_path / "sound.mp3", tone(1, 44100, 2), 44100)
    sound = (tmp_path / "sound.mp3").read_bytes()
    for case in cases():
        path = make(tmp_path / "song.mp3", sound, case)
        existing = TagPolicy().existing_genres(listed(path))
        assert bool(existing) == any(genres for _, genres in case.genres), case.name
        outcome = tag(decision(listed(path), "Jazz"), TagPolicy("merge"), [].append)
        assert outcome.status == "tagged", case.name
        after = read_header(str(path))[0]
        assert after.genres == outcome.genres_after, case.name
        assert set(case.of("ID3v2") + case.of("APEv2")) < set(after.genres), case.name
        assert after.shadow in ((), after.genres), case.name
