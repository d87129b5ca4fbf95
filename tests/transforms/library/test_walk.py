"""Walk: every file of the library exactly once, nothing outside of it, and no circles."""

import contextlib
import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.transforms.formats import FORMATS, format_of
from genrebeam.transforms.library.walk import walk
from genrebeam.transforms.records import Outcome, Track


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def found(root: Path) -> dict[str, Track | Outcome]:
    listed = list(walk(str(root)))
    uris = [item.track.uri if isinstance(item, Outcome) else item.uri for item in listed]
    assert len(uris) == len(set(uris))
    return {os.path.relpath(uri, root): item for uri, item in zip(uris, listed, strict=True)}


def test_lists_files_of_known_types_with_their_facts(library):
    path = put(library / "a" / "b" / "Song.MP3", b"12345")
    put(library / "cover.jpg")
    assert list(walk(str(library))) == [Track(str(path), "mp3", 5, path.stat().st_mtime_ns)]


def test_leaves_hidden_files_and_folders_out(library):
    put(library / ".song.mp3")
    put(library / ".trash" / "song.mp3")
    assert found(library) == {}


def test_lists_only_the_formats_asked_for(library):
    put(library / "a.mp3")
    flac = put(library / "b.flac")
    assert [track.uri for track in walk(str(library), ("flac",))] == [str(flac)]


def test_takes_names_that_are_patterns_elsewhere(library):
    put(library / "Album [2001] *?" / "01 - {x}.mp3")
    assert list(found(library)) == ["Album [2001] *?/01 - {x}.mp3"]


def test_takes_names_with_newlines_and_undecodable_bytes(library):
    put(library / "new\nline.mp3")
    put(Path(os.fsdecode(os.fsencode(library) + b"/caf\xe9.mp3")))
    assert set(found(library)) == {"new\nline.mp3", "caf\udce9.mp3"}


def test_takes_one_file_as_a_library(library):
    path = put(library / "a.mp3")
    assert [track.uri for track in walk(str(path))] == [str(path)]


def test_reports_a_folder_named_like_a_file_and_still_enters_it(library):
    put(library / "x.mp3" / "song.mp3")
    listed = found(library)
    assert listed["x.mp3"].status == "failed"
    assert listed["x.mp3"].stage == "walk"
    assert isinstance(listed["x.mp3/song.mp3"], Track)


def test_reports_what_is_no_regular_file(library):
    os.mkfifo(library / "pipe.mp3")
    assert found(library)["pipe.mp3"].reason == "not a regular file"


def test_reports_broken_links_of_audio_names_only(library):
    (library / "song.mp3").symlink_to("nowhere")
    (library / "notes").symlink_to("nowhere")
    listed = found(library)
    assert list(listed) == ["song.mp3"]
    assert (listed["song.mp3"].status, listed["song.mp3"].error_type) == ("failed", "SymlinkError")
    assert listed["song.mp3"].error_message == "broken symbolic link"


def test_reports_links_that_point_at_each_other(library):
    (library / "a.mp3").symlink_to("b.mp3")
    (library / "b.mp3").symlink_to("a.mp3")
    reasons = {item.error_message for item in found(library).values()}
    assert reasons == {"symbolic link in a circle"}


def test_does_not_follow_a_link_to_a_folder_above(library):
    put(library / "album" / "song.mp3")
    (library / "album" / "up").symlink_to("..")
    listed = found(library)
    assert set(listed) == {"album/song.mp3", "album/up"}
    assert listed["album/up"].status == "refused"
    assert "circle" in listed["album/up"].reason


def test_does_not_follow_links_out_of_the_library(library, tmp_path):
    outside = put(tmp_path / "outside" / "song.mp3")
    (library / "song.mp3").symlink_to(outside)
    (library / "more").symlink_to(outside.parent)
    listed = found(library)
    assert {item.status for item in listed.values()} == {"refused"}
    assert set(listed) == {"song.mp3", "more"}


def test_lists_a_file_once_though_links_inside_the_library_point_at_it(library):
    put(library / "album" / "song.mp3")
    (library / "favourite.mp3").symlink_to("album/song.mp3")
    (library / "again").symlink_to("album")
    tracks = [name for name, item in found(library).items() if isinstance(item, Track)]
    assert tracks == ["album/song.mp3"]


def test_follows_a_link_to_a_hidden_file_of_the_library(library):
    # As git-annex keeps them.
    put(library / ".git" / "annex" / "song.mp3", b"123")
    (library / "song.mp3").symlink_to(".git/annex/song.mp3")
    assert found(library)["song.mp3"].size_bytes == 3


def test_library_may_itself_be_a_link(library, tmp_path):
    put(library / "song.mp3")
    (tmp_path / "link").symlink_to(library)
    assert list(found(tmp_path / "link")) == ["song.mp3"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_reports_a_folder_that_may_not_be_read(library):
    put(library / "locked" / "song.mp3")
    (library / "locked").chmod(0)
    try:
        assert found(library)["locked"].error_type == "PermissionError"
    finally:
        (library / "locked").chmod(stat.S_IRWXU)


@given(st.text(alphabet=st.characters(blacklist_characters="/\0."), min_size=1, max_size=40))
def test_format_of_any_name_is_its_extension(name):
    assert format_of(f"/music/{name}.FLAC") == "flac"
    assert format_of(f"/music.mp3/{name}") == ""


def test_formats_are_lower_case_extensions():
    assert all(name == name.lower() and "." not in name for name in FORMATS)


def stale(*arguments, **options):
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


class Stale:
    """An entry of a share that tells what a name is only when asked, and has lost it."""

    is_symlink = is_dir = stat = stale

    def __init__(self, entry: os.DirEntry) -> None:
        self.name, self.path = entry.name, entry.path


@pytest.fixture
def share(monkeypatch):
    """Lose some names of a folder, and some folders as a whole."""

    def lose(*lost: str) -> None:
        scandir = os.scandir

        @contextlib.contextmanager
        def listing(folder: str):
            if folder in lost:
                stale()
            with scandir(folder) as entries:
                yield [Stale(entry) if entry.path in lost else entry for entry in entries]

        monkeypatch.setattr(os, "scandir", listing)

    return lose


def test_a_file_that_a_share_has_lost_is_a_row_and_the_others_are_listed(library, share):
    put(library / "a" / "1.mp3")
    lost = put(library / "a" / "2.mp3")
    put(library / "a" / "3.mp3")
    share(str(lost))
    rows = found(library)
    assert [type(row) for row in rows.values()] == [Track, Outcome, Track]
    assert (rows["a/2.mp3"].status, rows["a/2.mp3"].stage) == ("failed", "walk")
    assert "its network drive lost it" in rows["a/2.mp3"].reason


def test_a_folder_that_a_share_has_lost_is_a_row_and_the_others_are_listed(library, share):
    put(library / "a" / "1.mp3")
    put(library / "b" / "1.mp3")
    share(str(library / "a"))
    rows = found(library)
    assert rows["a"].status == "failed"
    assert isinstance(rows["b/1.mp3"], Track)


def test_a_library_that_is_not_there_is_no_library_without_files(library, share):
    share(str(library))
    with pytest.raises(OSError, match="Stale file handle"):
        list(walk(str(library)))
    library.rmdir()
    with pytest.raises(FileNotFoundError):
        list(walk(str(library)))


def test_a_slow_drive_gives_the_same_list(library, monkeypatch):
    for number in range(200):
        put(library / f"album {number % 3}" / f"{number}.mp3", b"x" * number)
    (library / "album 0" / "link.mp3").symlink_to(library / "album 1" / "1.mp3")
    before = list(walk(str(library)))
    monkeypatch.setattr("genrebeam.transforms.library.walk._SLOW_S", 0.0)
    assert list(walk(str(library))) == before


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir",
        "@EADIR",
        "#recycle",
        "$RECYCLE.BIN",
        ".Trash-1000",
        "lost+found",
        ".stversions",
        "@Recently-Snapshot",
        "@Recycle",
        "#snapshot",
        ".AppleDouble",
        "__MACOSX",
        "System Volume Information",
        "found.000",
    ],
)
def test_folders_of_a_nas_or_a_system_are_no_music(tmp_path, folder):
    thumbnails = tmp_path / "album" / folder / "a.mp3"
    thumbnails.mkdir(parents=True)
    (thumbnails / "a.mp3").touch()
    (tmp_path / "album" / "a.mp3").touch()
    assert [found.uri for found in walk(str(tmp_path))] == [str(tmp_path / "album" / "a.mp3")]


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ((), {"a.wav", "Demos/b.mp3", "x/Demos/c.mp3", "x/d[1].mp3"}),
        (("Demos/",), {"a.wav", "x/d[1].mp3"}),
        (("/Demos/",), {"a.wav", "x/Demos/c.mp3", "x/d[1].mp3"}),
        (("*.mp3", "!d*"), {"a.wav", "x/d[1].mp3"}),
        (("x/**",), {"a.wav", "Demos/b.mp3"}),
        (("x/d\\[1\\].mp3",), {"a.wav", "Demos/b.mp3", "x/Demos/c.mp3"}),
    ],
)
def test_what_patterns_of_gitignore_match_is_left_out(tmp_path, patterns, left):
    for name in ("a.wav", "Demos/b.mp3", "x/Demos/c.mp3", "x/d[1].mp3"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {os.path.relpath(one.uri, tmp_path) for one in walk(str(tmp_path), exclude=patterns)}
    assert found == left
