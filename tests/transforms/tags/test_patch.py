"""Patches: the old file comes back byte for byte, from a small record."""

import base64
import dataclasses
import io
import json
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrebeam.transforms.tags.patch import Patch, PatchError, digest, make_patch

SOUND = np.random.default_rng(0).bytes(300_000)


def roundtrip(folder: Path, old: bytes, new: bytes) -> Patch:
    (folder / "old").write_bytes(old)
    (folder / "new").write_bytes(new)
    patch = make_patch(str(folder / "old"), str(folder / "new"))
    patch = Patch.from_json(json.loads(json.dumps(patch.to_json())))
    restored = io.BytesIO()
    patch.apply(io.BytesIO(new), restored)
    assert restored.getvalue() == old
    return patch


def kept(patch: Patch) -> int:
    return sum(len(piece) for piece in patch.pieces if isinstance(piece, bytes))


blocks = st.lists(
    st.one_of(
        st.binary(max_size=50), st.sampled_from([SOUND[:9000], SOUND[9000:14_000], b"\0" * 5000])
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(old=blocks, new=blocks)
def test_any_old_file_comes_back(tmp_path, old, new):
    roundtrip(tmp_path, b"".join(old), b"".join(new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b""),
        (b"", b"tag"),
        (b"tag", b""),
        (b"aaa", b"aaaa"),
        (SOUND, b"new tag" + SOUND),
        (b"old" + SOUND, SOUND),
        (SOUND + b"old end", SOUND + b"other"),
    ],
)
def test_corner_cases(tmp_path, old, new):
    assert kept(roundtrip(tmp_path, old, new)) <= 10


def test_a_picture_that_moved_is_not_kept_in_the_record(tmp_path):
    picture = np.random.default_rng(1).bytes(100_000)
    old = b"genre=A" + picture + bytes(3000) + SOUND
    new = b"genre=Something longer" + picture + bytes(2000) + SOUND
    assert kept(roundtrip(tmp_path, old, new)) < 10_000


def test_numbers_that_change_all_over_the_file_cost_little(tmp_path):
    # As in Ogg: a page more, and every later page has another number.
    def pages(first: int, tag: bytes) -> bytes:
        sound = [SOUND[i : i + 4000] for i in range(0, len(SOUND), 4000)]
        return tag + b"".join(bytes([first + i, i]) + page for i, page in enumerate(sound))

    patch = roundtrip(tmp_path, pages(1, b"short"), pages(2, b"longer" * 1000))
    assert len(json.dumps(patch.to_json())) < 0.02 * len(SOUND)


def test_another_file_is_refused(tmp_path):
    patch = roundtrip(tmp_path, b"old" + SOUND, b"newer" + SOUND)
    for other in (b"newest" + SOUND, b"nevel" + SOUND, b"newer" + SOUND[:-1] + b"!"):
        with pytest.raises(PatchError, match="changed since"):
            patch.apply(io.BytesIO(other), io.BytesIO())


@given(old=blocks, new=blocks)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tells_old_and_new_apart(tmp_path, old, new):
    old, new = b"".join(old), b"".join(new)
    patch = roundtrip(tmp_path, old, new)
    assert patch.changes_nothing == (old == new)
    assert patch.is_old(io.BytesIO(old))
    assert patch.is_old(io.BytesIO(new)) == (old == new)


def test_journals_with_a_digest_of_the_old_file_are_still_undone(tmp_path):
    patch = roundtrip(tmp_path, SOUND, b"tag" + SOUND)
    earlier = dataclasses.replace(patch, old_digest=digest(io.BytesIO(SOUND)))
    restored = io.BytesIO()
    earlier.apply(io.BytesIO(b"tag" + SOUND), restored)
    assert restored.getvalue() == SOUND
    assert not earlier.is_old(io.BytesIO(b"tag" + SOUND))


@pytest.mark.parametrize("old_digest", ["crc32:00000000-300000", "0" * 32])
def test_an_old_file_that_does_not_come_out_is_an_error(tmp_path, old_digest):
    patch = dataclasses.replace(roundtrip(tmp_path, SOUND, b"tag" + SOUND), old_digest=old_digest)
    with pytest.raises(PatchError, match="could not be put together"):
        patch.apply(io.BytesIO(b"tag" + SOUND), io.BytesIO())


@pytest.mark.parametrize("tag", ["behind", "in front", "both"])
def test_memory_does_not_grow_with_the_file(tmp_path, tag):
    sound = np.random.default_rng(2).bytes(24_000_000)
    new = {"behind": b"RIFF2" + sound, "in front": b"RIFF1", "both": b"ID3" + sound + b"new"}[tag]
    old = b"RIFF1" + sound
    if tag == "in front":
        new = b"ID3 and more" + old
    elif tag == "behind":
        new += b"a tag" * 1000
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    tracemalloc.start()
    try:
        patch = make_patch(str(tmp_path / "old"), str(tmp_path / "new"))
        with open(tmp_path / "new", "rb") as now, open(tmp_path / "restored", "w+b") as then:
            patch.apply(now, then)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert kept(patch) < 20_000
    assert (tmp_path / "restored").read_bytes() == old


def test_a_change_of_all_bytes_is_none_of_tags(tmp_path, monkeypatch):
    monkeypatch.setattr("genrebeam.transforms.tags.patch._LARGEST_PACKED", 100_000)
    (tmp_path / "old").write_bytes(SOUND)
    (tmp_path / "new").write_bytes(SOUND[::-1])
    with pytest.raises(PatchError, match="more than tags"):
        make_patch(str(tmp_path / "old"), str(tmp_path / "new"))


def test_the_journal_of_an_earlier_version_is_read(tmp_path):
    # One insertion of any length, spaces as JSON may have them.
    pieces = [base64.b64encode(SOUND).decode("ascii"), [3, len(SOUND)], [0, 3]]
    new = b"tag" + SOUND
    facts = {
        "pieces": base64.b64encode(zlib.compress(json.dumps(pieces).encode("ascii"))).decode(),
        "old_digest": digest(io.BytesIO(SOUND + SOUND + b"tag")),
        "new_digest": digest(io.BytesIO(new)),
    }
    restored = io.BytesIO()
    Patch.from_json(facts).apply(io.BytesIO(new), restored)
    assert restored.getvalue() == SOUND + SOUND + b"tag"


@pytest.mark.parametrize(
    "plain", [b"", b"[", b'["AAAA"', b"[[1,2],", b"{}", b"[" * 100_000, b"[[1,2]]x", b"[[-1,2]]"]
)
def test_a_damaged_record_is_an_error(plain):
    patch = Patch(zlib.compress(plain), "crc32:00000000-0", digest(io.BytesIO(b"new")))
    with pytest.raises(PatchError):
        patch.apply(io.BytesIO(b"new"), io.BytesIO())
