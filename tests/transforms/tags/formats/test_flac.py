"""FLAC: metadata blocks that are odd stay as they are."""

from pathlib import Path

import mutagen

from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.audio_bytes import audio_hash
from tests.music_files import assert_refused, listed


def test_a_flac_without_any_comment_gets_its_genre(track_of):
    track = track_of("flac", full=False)
    content = Path(track.uri).read_bytes()
    facts = content[4 : 4 + 4 + 34]  # the block that every FLAC begins with, as the last one
    place = 4
    while not content[place] & 0x80:
        place += 4 + int.from_bytes(content[place + 1 : place + 4], "big")
    place += 4 + int.from_bytes(content[place + 1 : place + 4], "big")
    Path(track.uri).write_bytes(b"fLaC" + b"\x80" + facts[1:] + content[place:])
    assert mutagen.File(track.uri).tags is None
    sound = audio_hash(Path(track.uri))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert read_header(track.uri)[0].genres == ("Jazz",)
    assert audio_hash(Path(track.uri)) == sound


def test_a_flac_picture_against_the_rules_is_not_altered(track_of):
    track = track_of("flac")
    content = Path(track.uri).read_bytes()
    picture = mutagen.File(track.uri).pictures[0]
    picture.desc = "cafe"
    file = mutagen.File(track.uri)
    file.clear_pictures()
    file.add_picture(picture)
    file.save()
    content = Path(track.uri).read_bytes().replace(b"cafe", b"caf\xe9")
    Path(track.uri).write_bytes(content)
    assert_refused(listed(Path(track.uri)), "not as long as its block")
