"""Exclude: the user's patterns, as git reads them, and the folders that are never music."""

import pytest

from genrebeam.transforms.library.exclude import Exclude, is_no_music


@pytest.mark.parametrize(
    ("pattern", "path", "is_folder", "excluded"),
    [
        ("Audiobooks/", "Audiobooks", True, True),
        ("Audiobooks/", "Audiobooks", False, False),  # a file of that name
        ("*.wav", "a/b/song.wav", False, True),
        ("/live", "live", True, True),
        ("/live", "a/live", True, False),
        ("**/demo/*", "a/demo/song.mp3", False, True),
        ("# a comment", "# a comment", False, False),
    ],
)
def test_patterns_are_read_as_git_reads_them(pattern, path, is_folder, excluded):
    assert Exclude([pattern])(path, is_folder=is_folder) is excluded


def test_a_later_pattern_takes_a_file_back():
    excluded = Exclude(["*.wav", "!keep.wav"])
    assert [excluded(name) for name in ("a.wav", "keep.wav")] == [True, False]


def test_without_patterns_nothing_is_excluded():
    assert not Exclude()("anything")


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "$RECYCLE.BIN", "found.000", ".git"])
def test_folders_that_systems_keep_are_no_music(name):
    assert is_no_music(name)


@pytest.mark.parametrize("name", ["Recycled Songs", "#1 Hits", "found.00", "Lost + Found"])
def test_albums_with_names_like_these_are_music(name):
    assert not is_no_music(name)
