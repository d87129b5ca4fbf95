"""Vorbis comments: those against the rules are never lost."""

from pathlib import Path

import mutagen
import pytest

from tests.music_files import VORBIS_FORMATS, assert_refused, listed


@pytest.mark.parametrize(
    "comment", [b"T~X=precious", b"=precious", b"no equals sign", b"t=\xe9\xe8", "TÏ=x".encode()]
)
@pytest.mark.parametrize("format", VORBIS_FORMATS)
def test_comments_against_the_rules_are_not_lost(track_of, monkeypatch, format, comment):
    track = track_of(format, full=False)
    file = mutagen.File(track.uri)
    file["title"] = "A"
    write = mutagen._vorbis.VComment.write

    def with_comment(tags, framing=True):
        plain = write(tags, framing=False)
        vendor = 4 + int.from_bytes(plain[:4], "little")
        n = int.from_bytes(plain[vendor : vendor + 4], "little") + 1
        rest = plain[vendor + 4 :] + len(comment).to_bytes(4, "little") + comment
        end = b"\1" if framing else b""
        return plain[:vendor] + n.to_bytes(4, "little") + rest + end

    monkeypatch.setattr(mutagen._vorbis.VComment, "write", with_comment)
    file.save()
    monkeypatch.undo()
    assert comment in Path(track.uri).read_bytes()
    assert_refused(listed(Path(track.uri)), "comments break the format's rules")
