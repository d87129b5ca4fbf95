#!/usr/bin/env python3
"""Damage music files at random, tag them, undo it, and look for harm.

  .venv/bin/python benchmarks/safety/fuzz_tags.py --count 2000 --seed 0
  .venv/bin/python benchmarks/safety/fuzz_tags.py --folder DIR         every file below DIR instead
  .venv/bin/python benchmarks/safety/fuzz_tags.py --folder DIR --command  with the real command

Every file is walked, its header read, its sound analysed, its genre written and that undone, each
in a process of its own with a time limit. Prints one JSON object. `faults` has to be empty; its
lines say which file did what, and ``--keep DIR`` saves the files that they speak of.

What counts as a fault: a file that the walk does not list; an exception that becomes no row; a
step that hangs or takes its process down (decoders excepted: in the job they have processes of
their own); a file that was not tagged and yet has other bytes or another time; a temporary file
left behind; a genre that is not read back; sound that two decoders no longer agree on; an undo
that does not bring back every byte.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))


import mutagen  # noqa: E402
from mutagen.apev2 import APEv2  # noqa: E402
from mutagen.id3 import COMM, ID3, TCON, TIT2  # noqa: E402

from genrebeam.model.feature_spec import FeatureSpec  # noqa: E402
from genrebeam.transforms.audio import pool  # noqa: E402
from genrebeam.transforms.audio.pool_worker import LimitExceeded  # noqa: E402
from genrebeam.transforms.formats import FORMATS, format_of  # noqa: E402

# A file that is worked on for longer hangs, in s.
HANG_S = 30.0
# Segments of 0.7 s, so that files of two seconds are analysed.
SPEC = FeatureSpec(segment_frames=32)
# Decoders are compared over this many samples: some headers promise years.
_MOST_SAMPLES = 60 * 48000
_EDGE = 4096
# What a step's process that died or hung is said to have done.
CRASH, HANG = "crash", "hang"
GENRES = (("Jazz",), ("Hip-Hop", "Škola ☂", "R&B / Soul"), ("Rock", "Blues"))
# Extensions that no walk lists, and those that their files are given to be worked on at all.
_KNOWN_AS = {"m4b": "m4a", "mp4": "m4a", "3g2": "m4a", "oggflac": "oga", "oggtheora": "ogg"}


# --- files ------------------------------------------------------------------------------


def make_originals(folder: Path) -> list[Path]:
    """Short whole files in every format, with and without tags.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Path
    """
    from tests.conftest import tone, write_audio
    from tests.music_files import FORMATS as TAGGED_FORMATS
    from tests.music_files import fill

    made = []
    for number, format in enumerate(TAGGED_FORMATS):
        rate = 48000 if format == "opus" else 22050 if format in ("wav", "aiff") else 44100
        bare = folder / f"bare.{format}"
        write_audio(bare, tone(2.5, rate, 2, seed=number), rate)
        full = Path(shutil.copy(bare, folder / f"full.{format}"))
        fill(full)
        old = Path(shutil.copy(full, folder / f"genre.{format}"))
        _put_genre(old)
        made += [bare, full, old]
    sound = (folder / "bare.mp3").read_bytes()
    for name, content in _odd_mp3s(sound).items():
        path = folder / f"{name}.mp3"
        path.write_bytes(content)
        made.append(path)
    for version in (3, 4):
        path = Path(shutil.copy(folder / "bare.mp3", folder / f"id3v2.{version}.mp3"))
        tags = ID3()
        tags.add(TIT2(encoding=1, text="Für Elise ☂"))
        tags.add(TCON(encoding=0, text=["(17)Folk"] if version == 3 else ["Folk", "17"]))
        tags.add(COMM(encoding=0, lang="eng", desc="", text="a comment"))
        tags.save(path, v1=2, v2_version=version)
        made.append(path)
    ape = Path(shutil.copy(folder / "bare.mp3", folder / "ape.mp3"))
    both = Path(shutil.copy(folder / "id3v2.4.mp3", folder / "id3 and ape.mp3"))
    gain = Path(shutil.copy(folder / "bare.mp3", folder / "mp3gain.mp3"))
    for path in (ape, both, gain):
        tags = APEv2()
        tags["REPLAYGAIN_TRACK_GAIN"] = "-7.9 dB"
        if path != gain:
            tags["Title"], tags["Genre"] = "Für Elise", ["Folk", "Punk"]
        tags.save(path)
        made.append(path)
    return made + _odd_others(folder) + _foreign(folder) + _fragmented(folder) + _unsaid(folder)


def _put_genre(path: Path) -> None:
    file = mutagen.File(path)
    if isinstance(file.tags, ID3):
        file.tags.add(TCON(encoding=3, text=["Folk"]))
    else:
        keys = {".m4a": "\xa9gen", ".wma": "WM/Genre"}
        file.tags[keys.get(path.suffix, "Genre")] = ["Folk", "Punk"]
    file.save()


def _odd_mp3s(sound: bytes) -> dict[str, bytes]:
    frames = b"".join(
        name + len(text).to_bytes(3, "big") + text
        for name, text in (
            (b"TT2", b"\0Title"),
            (b"TCO", b"\0(17)"),
            (b"ZZZ", b"unknown"),
            (b"PIC", b"\0PNG\3front\0" + bytes(50)),
        )
    )
    v1 = b"TAG" + b"A title".ljust(30, b"\0") + bytes(94) + bytes([17])
    v22 = b"ID3\x02\0\0\0\0\0" + bytes([len(frames) + 20]) + frames + bytes(20)
    v23 = b"ID3\x03\0\0\0\0\0\x0fTCON\0\0\0\5\0\0\0Folk"
    return {
        "id3v1": sound + v1,
        "id3v2.2": v22 + sound,
        "id3v2.2 and id3v1": v22 + sound + v1,
        "two id3v2": v22 + v23 + sound,
    }


def _odd_others(folder: Path) -> list[Path]:
    """What other programs make of other formats."""
    around = folder / "id3 around.flac"
    v22, v1 = b"ID3\2\0\0\0\0\0\x0dTCO\0\0\7\0(17)\0\0", b"TAG" + bytes(124) + bytes([17])
    around.write_bytes(v22 + (folder / "full.flac").read_bytes() + v1)
    info = b"INFO" + b"IART\2\0\0\0B\0" + b"IGNR\5\0\0\0Folk\0\0" + b"INAM\2\0\0\0A\0"
    content = bytearray((folder / "bare.wav").read_bytes())
    content += b"LIST" + struct.pack("<I", len(info)) + info
    content[4:8] = struct.pack("<I", len(content) - 8)
    riff = folder / "riff genre.wav"
    riff.write_bytes(content)
    large = Path(shutil.copy(folder / "full.ogg", folder / "large picture.ogg"))
    file = mutagen.File(large)
    file["metadata_block_picture"] = "A" * 150_000
    file.save()
    index_first = folder / "index first.m4a"
    _put_index_first(folder / "full.m4a", index_first)
    trailer = Path(shutil.copy(folder / "full.wv", folder / "id3v1.wv"))
    trailer.write_bytes(trailer.read_bytes() + v1)
    return [around, riff, large, index_first, trailer]


def _foreign(folder: Path) -> list[Path]:
    """Tags where a format has none of its own."""
    from tests.foreign_tags import AROUND, WITHIN

    made = []
    for number, (kind, put) in enumerate(AROUND.items()):
        for format in ("flac", "wv", "ogg", "wav", "mp3", "m4a")[number % 2 :: 2]:
            path = folder / f"{kind}.{format}"
            path.write_bytes(put((folder / f"bare.{format}").read_bytes(), folder))
            made.append(path)
    for (format, kind), put in WITHIN.items():
        path = folder / f"{kind.replace('/', ' ')}.{format}"
        path.write_bytes(put((folder / f"bare.{format}").read_bytes(), folder))
        made.append(path)
    return made


def _fragmented(folder: Path) -> list[Path]:
    """Sound in fragments, with numbers that count from the start of the file, of each, and both."""
    made = []
    for flags in ("", "+default_base_moof", "+global_sidx", "+separate_moof"):
        path = folder / f"fragments{flags}.m4a"
        options = {"movflags": f"frag_keyframe+empty_moov{flags}", "frag_duration": "500000"}
        _remux(folder / "full.m4a", path, "mp4", options)
        made.append(path)
    return made


def _unsaid(folder: Path) -> list[Path]:
    """Headers that do not say how long the sound is, and a checksum."""
    flac = folder / "unknown length.flac"
    data = bytearray((folder / "full.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    flac.write_bytes(data)
    made = [flac]
    for name, size in (("pipe", 0xFFFFFFFF), ("sox", 0x7FFFF000), ("no size", 0)):
        data = bytearray((folder / "bare.wav").read_bytes())
        data[4:8] = data[40:44] = struct.pack("<I", size)
        assert data[36:40] == b"data"
        made.append(folder / f"{name}.wav")
        made[-1].write_bytes(data)
    frames = b"TCON\0\0\0\5\0\0\0Folk"
    body = struct.pack(">IHII", 10, 0x8000, 0, zlib.crc32(frames)) + frames
    path = folder / "checksum.mp3"
    head = b"ID3\3\0\x40\0\0\0" + bytes([len(body)])
    path.write_bytes(head + body + (folder / "bare.mp3").read_bytes())
    return [*made, path]


def _put_index_first(source: Path, target: Path) -> None:
    """As for the web: what comes before the sound says where in the file it is."""
    _remux(source, target, "ipod", {"movflags": "faststart"})


def _remux(source: Path, target: Path, kind: str, options: dict[str, str]) -> None:
    import av

    with (
        av.open(str(source)) as old,
        av.open(str(target), "w", format=kind, options=options) as new,
    ):
        sound = old.streams.audio[0]
        stream = new.add_stream_from_template(sound)
        for packet in old.demux(sound):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)


def mutants(originals: Sequence[Path], count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Damaged files.

    Parameters
    ----------
    originals : sequence of Path
    count : int
    seed : int

    Yields
    ------
    tuple of str and bytes
        Name and content; the same for the same originals and seed.
    """
    # Not every encoder gives the same bytes twice, so places are chosen by share, not number.
    dice = random.Random(seed)
    contents = [(path, path.read_bytes()) for path in originals]
    for number in range(count):
        path, content = contents[number % len(contents)]
        steps = dice.choices(_MUTATIONS, weights=_WEIGHTS, k=dice.choice((1, 1, 1, 2, 3)))
        data = bytearray(content)
        for step in steps:
            step(data, dice, dice.choice(contents)[1])
        names = "+".join(step.__name__.strip("_") for step in steps)
        yield f"{number:05d} {path.stem} {names}{path.suffix}", bytes(data)


def _place(data: bytearray, dice: random.Random) -> int:
    """A place in a file, mostly where tags are: near an end."""
    share, side = dice.random(), dice.random()
    edge = min(len(data), _EDGE)
    if side < 0.5:
        # Headers are what most depends on: the nearer to the start, the likelier.
        return int(share * share * edge)
    if side < 0.75:
        return max(0, len(data) - 1 - int(share * edge))
    return int(share * len(data))


def _length(dice: random.Random) -> int:
    return int(2 ** dice.uniform(0, 12))


def _flip(data: bytearray, dice: random.Random, _: bytes) -> None:
    for _ in range(int(2 ** dice.uniform(0, 7))):
        place, bit = _place(data, dice), 1 << dice.randrange(8)
        if data:
            data[place] ^= bit


def _extreme(data: bytearray, dice: random.Random, _: bytes) -> None:
    """Values that lengths and counts break on."""
    value = dice.choice((0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    place, order = _place(data, dice), dice.choice("<>")
    written = struct.pack(f"{order}I", value)[: dice.choice((1, 2, 4))]
    data[place : place + len(written)] = written


def _cut_end(data: bytearray, dice: random.Random, _: bytes) -> None:
    del data[_place(data, dice) :]


def _cut_start(data: bytearray, dice: random.Random, _: bytes) -> None:
    del data[: _place(data, dice) if dice.random() < 0.5 else _length(dice)]


def _cut_out(data: bytearray, dice: random.Random, _: bytes) -> None:
    place = _place(data, dice)
    del data[place : place + _length(dice)]


def _zero(data: bytearray, dice: random.Random, _: bytes) -> None:
    place = _place(data, dice)
    size = min(_length(dice), len(data) - place)
    data[place : place + size] = bytes(max(0, size))


def _repeat(data: bytearray, dice: random.Random, _: bytes) -> None:
    place = _place(data, dice)
    data[place:place] = data[place : place + _length(dice)]


def _splice_in(data: bytearray, dice: random.Random, other: bytes) -> None:
    """A stretch of another file, of whatever format."""
    source, place = _place(bytearray(other), dice), _place(data, dice)
    size = _length(dice)
    end = place + (size if dice.random() < 0.5 else 0)
    data[place:end] = other[source : source + size]


def _put_before(data: bytearray, dice: random.Random, other: bytes) -> None:
    data[:0] = other[: _length(dice)]


def _put_behind(data: bytearray, dice: random.Random, other: bytes) -> None:
    data += other[-_length(dice) :]


def _cross(data: bytearray, dice: random.Random, other: bytes) -> None:
    """The beginning of this file and the end of another."""
    share = dice.random()
    data[int(share * len(data)) :] = other[int(share * len(other)) :]


def _stub(data: bytearray, dice: random.Random, _: bytes) -> None:
    del data[dice.randrange(64) :]


_MUTATIONS = (
    *(_flip, _extreme, _cut_end, _cut_start, _cut_out, _zero, _repeat),
    *(_splice_in, _put_before, _put_behind, _cross, _stub),
)
_WEIGHTS = (30, 12, 8, 5, 8, 8, 6, 8, 4, 4, 5, 2)


def copy_strange(source: Path, target: Path) -> list[Path]:
    """Copy every file below a folder.

    Those with an extension that the walk leaves out come a second time, with one that it
    lists.
    """
    copies = []
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        name = str(path.relative_to(source)).replace(os.sep, "_")
        names = [name]
        if format_of(name) not in FORMATS:
            names.append(f"{name}.{_KNOWN_AS.get(format_of(name), 'mp3')}")
        for copy in (target / name for name in names):
            copy.write_bytes(path.read_bytes())
            copies.append(copy)
    return copies


# --- steps, each in its own process -----------------------------------------------------


class Steps:
    """Runs functions over many files in a few processes that may hang or die.

    Parameters
    ----------
    processes : int
    """

    def __init__(self, processes: int = 2) -> None:
        self._processes = processes

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        pool.stop()

    def each(self, function: Callable[..., Any], arguments: Iterable[tuple]) -> list[Any]:
        """Results in order; `CRASH` or `HANG` where there is none."""
        futures = [
            pool.submit(function, values, processes=self._processes, timeout_s=HANG_S)
            for values in arguments
        ]
        results = []
        for future in futures:
            try:
                results.append(future.result())
            except (pool.TaskTimeout, LimitExceeded):
                results.append(HANG)
            except pool.ProcessDied:
                results.append(CRASH)
        return results


def sounds_of(path: str) -> dict[str, str]:
    """What each decoder makes of a file: decoder to a hash of its samples.

    A decoder that can do nothing with it has no entry.
    """
    found = {}
    for name, decode in (("libsndfile", _with_libsndfile), ("FFmpeg", _with_ffmpeg)):
        digest = hashlib.sha256()
        size = 0
        with contextlib.suppress(Exception):  # damaged from here on
            for samples in decode(path):
                size += len(samples)
                digest.update(samples)
        if size:
            found[name] = f"{size} bytes {digest.hexdigest()}"
    return found


def same_sound(before: dict[str, str], after: dict[str, str]) -> bool:
    """Whether all that could be analysed before is analysed now, and nothing else.

    Where no decoder could do anything with a file there is nothing to compare; the job does
    not tag such files.
    """
    differing = {name for name, digest in before.items() if after.get(name) != digest}
    # libsndfile guesses how long a damaged mp3 is from the size of the file, and stops there.
    return not differing or (differing == {"libsndfile"} and "FFmpeg" in before)


def only_id3_differs(old: bytes, new: bytes) -> bool:
    """Whether all bytes of the old file that the new one lacks are in its ID3v2 tag.

    Then the sound is the same, whatever a decoder makes of damaged sizes and flags.
    """
    if not old.startswith(b"ID3") or len(old) < 10:
        return False
    end = 10 + sum(
        (byte & 0x7F) << shift for byte, shift in zip(old[6:10], (21, 14, 7, 0), strict=True)
    )
    return len(old) >= end and new.endswith(old[end:])


def _with_libsndfile(path: str) -> Iterator[bytes]:
    import soundfile

    with soundfile.SoundFile(os.fsencode(path)) as file:
        for _ in range(0, _MOST_SAMPLES, 48000):
            samples = file.read(48000, dtype="float32")
            if not len(samples):
                return
            yield samples.tobytes()


def _with_ffmpeg(path: str) -> Iterator[bytes]:
    import av

    done = broken = 0
    with av.open(path, metadata_errors="ignore") as container:
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                broken += 1
                if broken > 100:
                    return
                continue
            for frame in frames:
                yield frame.to_ndarray().tobytes()
                done += frame.samples
            if done > _MOST_SAMPLES:
                return


def extract_one(path: str) -> str:
    """Analyse a file as the job does; how that ended."""
    from genrebeam.transforms.audio.features import extract
    from genrebeam.transforms.records import reason_of

    try:
        analysed = extract(path, format_of(path), SPEC, 3)
    except Exception as error:  # as in `genrebeam.transforms.audio.extract`: a row
        return f"{type(error).__name__}: {reason_of(error)}"
    return f"analysed {len(analysed.values)} segments"


@dataclasses.dataclass(frozen=True)
class Written:
    """What became of one file.

    Parameters
    ----------
    status, stage, error_type, reason : str
        As in the report.
    entries : tuple of str
        Lines for the journal.
    faults : tuple of str
    only_id3_differs : bool
    """

    status: str
    stage: str
    error_type: str
    reason: str
    entries: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    only_id3_differs: bool = False

    @property
    def is_untyped(self) -> bool:
        """Whether its error is none that the job foresaw, though it became a row."""
        return self.error_type.startswith(_UNTYPED)


def write_one(path: str, genres: tuple[str, ...]) -> Written:
    """Read a file's header and give it a genre."""
    from genrebeam.transforms.library.walk import walk
    from genrebeam.transforms.records import Decision, Outcome
    from genrebeam.transforms.tags.header import read_header
    from genrebeam.transforms.tags.ptransforms import ReadTags
    from genrebeam.transforms.tags.tag import TagPolicy, tag

    before, facts = Path(path).read_bytes(), os.stat(path)
    policy, journal, faults = TagPolicy("replace"), [], []
    (track,) = walk(path)
    try:
        read = ReadTags(policy, _never)
        read.start_bundle()
        (found,) = [*read.process(track), *read.finish_bundle()]
        while hasattr(found, "value"):
            found = found.value
        if not isinstance(found, Outcome):
            decision = Decision(found, genres, 0.9, "at random", {}, {}, 1, 0.0, 0.0)
            found = tag(decision, policy, journal.append)
    except Exception as error:
        return Written("escaped", "", type(error).__name__, str(error), faults=("no row",))
    if found.status == "tagged":
        if len(journal) != 1:
            faults.append(f"{len(journal)} lines in the journal")
        if read_header(path)[0].genres != genres:
            faults.append(f"reads back as {read_header(path)[0].genres}")
    else:
        if Path(path).read_bytes() != before:
            faults.append(f"{found.status}, but its bytes changed")
        now = os.stat(path)
        if (now.st_mtime_ns, now.st_ino) != (facts.st_mtime_ns, facts.st_ino):
            faults.append(f"{found.status}, but it was replaced")
    lines = tuple(entry.to_line() for entry in journal)
    reason = found.reason.replace(path, "PATH")
    within = only_id3_differs(before, Path(path).read_bytes())
    return Written(
        found.status, found.stage, found.error_type or "", reason, lines, tuple(faults), within
    )


def _never() -> bool:
    return False


def undo_one(lines: tuple[str, ...]) -> list[str]:
    """Undo the changes of one file twice; the statuses."""
    from genrebeam.pipeline.runs.undo import undo_all
    from genrebeam.transforms.tags.change import read_journal

    done = list(undo_all(read_journal(lines)))
    again = list(undo_all(read_journal(lines)))
    return [f"{undone.status} {undone.reason}".strip() for undone in (*done, *again)]


# --- all of it --------------------------------------------------------------------------


def check(paths: Sequence[Path], processes: int = 2) -> dict[str, Any]:
    """Take files through walk, header, decoder, tagging and undo.

    Parameters
    ----------
    paths : sequence of Path
        All files of one folder.
    processes : int

    Returns
    -------
    dict
        Counts, and a list of faults: ``[file's name, what is wrong]``.
    """
    from genrebeam.transforms.library.walk import walk
    from genrebeam.transforms.storage.local import is_temporary

    (folder,) = {path.parent for path in paths}
    faults: list[list[str]] = []
    contents = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    listed = {os.path.basename(found.uri) for found in walk(str(folder))}
    known = [path for path in paths if format_of(path.name) in FORMATS]
    faults += [[path.name, "not listed"] for path in known if path.name not in listed]
    timings = {}

    @contextlib.contextmanager
    def timed(step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        timings[step] = round(time.perf_counter() - started, 1)

    with Steps(processes) as steps:
        with timed("sounds_before"):
            before = dict(zip(known, steps.each(sounds_of, _one(known)), strict=True))
        with timed("analyse"):
            analysed = dict(zip(known, steps.each(extract_one, _one(known)), strict=True))
        with timed("write"):
            plans = [(str(path), GENRES[i % len(GENRES)]) for i, path in enumerate(known)]
            written = dict(zip(known, steps.each(write_one, plans), strict=True))
        ended = {path: w for path, w in written.items() if isinstance(w, Written)}
        faults += [[path.name, f"tagging: {w}"] for path, w in written.items() if w in _DEATHS]
        faults += [[path.name, fault] for path, w in ended.items() for fault in w.faults]
        left = [entry.name for entry in os.scandir(folder) if is_temporary(entry.name)]
        faults += [[name, "a temporary file was left"] for name in left]
        tagged = [path for path, w in ended.items() if w.status == "tagged"]
        with timed("sounds_after"):
            after = dict(zip(tagged, steps.each(sounds_of, _one(tagged)), strict=True))
        audible = [
            path
            for path in tagged
            if before[path] not in ({}, *_DEATHS) and after[path] not in _DEATHS
        ]
        changed = [p for p in audible if not same_sound(before[p], after[p])]
        # A damaged length in a header that is right now: a decoder finds more than before.
        # The job does not come that far where it cannot analyse a file.
        mended = [
            path
            for path in changed
            if ended[path].only_id3_differs or analysed[path].startswith("DecodeError")
        ]
        changed = [path for path in changed if path not in mended]
        faults += [[p.name, f"sound was {before[p]}, is {after[p]}"] for p in changed]
        with timed("undo"):
            lines = [(ended[path].entries,) for path in tagged]
            undone = dict(zip(tagged, steps.each(undo_one, lines), strict=True))
    for path, statuses in undone.items():
        if statuses != ["restored", "as_before"]:
            faults.append([path.name, f"undo: {statuses}"])
    for path, (content, mtime) in contents.items():
        if path.read_bytes() != content:
            faults.append([path.name, "not as it was in the end"])
        elif path.stat().st_mtime_ns != mtime:
            faults.append([path.name, "another time than it had"])
    rows = [(w.status, w.stage, w.error_type) for w in ended.values()]
    return {
        "files": len(paths),
        "listed": len(listed),
        "rows": _counts(f"{status} at {stage}" for status, stage, _ in rows),
        "errors": _counts(error for _, _, error in rows if error),
        "untyped": [
            *([p.name, w.error_type, w.reason] for p, w in ended.items() if w.is_untyped),
            *([p.name, how] for p, how in analysed.items() if how.startswith(_UNTYPED)),
        ],
        "reasons": _counts(
            f"{w.stage}: {' '.join(w.reason.split()[:5])}"
            for w in ended.values()
            if w.status == "failed" and w.stage == "tag"
        ),
        "analyse": _counts(result.partition(":")[0] for result in analysed.values()),
        "decoder_deaths": [
            [path.name, how]
            for results in (before, analysed, after)
            for path, how in results.items()
            if how in _DEATHS
        ],
        "sound_compared": len(audible),
        "sound_changed": len(changed),
        "mended": [path.name for path in mended],
        "restored": sum(statuses[:1] == ["restored"] for statuses in undone.values()),
        "seconds": timings,
        "faults": faults,
    }


_DEATHS = (CRASH, HANG)
# Errors of Python itself, unlike `TrackError` and its kind.
_UNTYPED = ("AttributeError", "IndexError", "KeyError", "TypeError", "ValueError", "Assertion")
_UNTYPED += ("EOFError", "MemoryError", "OverflowError", "RuntimeError", "Unicode", "ZeroDivision")


def _one(paths: Iterable[Path]) -> list[tuple[str]]:
    return [(str(path),) for path in paths]


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(collections.Counter(values).most_common())


def check_command(folder: Path, paths: Sequence[Path]) -> dict[str, Any]:
    """Take files through the command itself: ``tag``, then ``undo``."""
    from tests.conftest import read_rows

    contents = {path: path.read_bytes() for path in paths}
    with Steps() as steps:
        before = dict(zip(paths, steps.each(sounds_of, _one(paths)), strict=True))
        started = time.perf_counter()
        reports = folder.parent / "reports"
        options = ["--existing", "replace", "--segments", "2", "--min-confidence", "0"]
        options += ["--bundle", "gtzan"]  # the default model would refuse most of them
        tagging = _run("tag", str(folder), *options, "--report", str(reports))
        wall = time.perf_counter() - started
        rows = read_rows(reports)
        tagged = [Path(row["uri"]) for row in rows if row["status"] == "tagged"]
        after = dict(zip(tagged, steps.each(sounds_of, _one(tagged)), strict=True))
    touched = [path for path in paths if path.read_bytes() != contents[path]]
    undoing = _run("undo", str(reports)) if tagged else None
    return {
        "files": len(paths),
        "rows": _counts(f"{row['status']} at {row['stage']}" for row in rows),
        "errors": _counts(row["error_type"] for row in rows if row["error_type"]),
        "exit_code": tagging.returncode,
        "wall_s": round(wall, 1),
        "sound_changed": [p.name for p in tagged if not same_sound(before[p], after[p])],
        "changed_but_not_tagged": [path.name for path in touched if path not in tagged],
        "left_over": [p.name for p in folder.iterdir() if p not in contents],
        "undo": undoing and {"exit_code": undoing.returncode, "says": undoing.stdout.strip()},
        "restored": sum(path.read_bytes() == contents[path] for path in touched),
        "faults": [
            [path.name, "not as it was in the end"]
            for path in paths
            if path.read_bytes() != contents[path]
        ],
    }


def _run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "genrebeam", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)


def main() -> None:
    parser = argparse.ArgumentParser(description="Damage music files, tag them, undo it.")
    parser.add_argument("--count", type=int, default=2000, help="damaged files to make")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="take the files below this folder instead")
    parser.add_argument("--command", action="store_true", help="run the command itself")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="copy files with a fault into this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        library, whole = Path(temporary) / "library", Path(temporary) / "whole"
        library.mkdir()
        whole.mkdir()
        if arguments.folder:
            paths = copy_strange(arguments.folder, library)
        else:
            paths = []
            for name, data in mutants(make_originals(whole), arguments.count, arguments.seed):
                path = library / name
                path.write_bytes(data)
                paths.append(path)
        if arguments.command:
            figures = check_command(library, paths)
        else:
            figures = check(paths, arguments.processes)
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            for name in {name for name, _ in figures["faults"]}:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(library / name, arguments.keep / name)
    print(json.dumps(figures, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    # The processes of `Steps` look for its functions in the module, not in the script.
    from benchmarks.safety import fuzz_tags

    fuzz_tags.main()
