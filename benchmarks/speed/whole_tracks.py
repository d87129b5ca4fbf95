#!/usr/bin/env python3
"""Make a library of whole-length mp3 files out of a folder of excerpts.

  .venv/bin/python benchmarks/speed/whole_tracks.py FOLDER TRACKS [--music ../shared/data/magnatune]

Each track is 2 to 6 minutes of excerpts of one genre, stereo, 44.1 kHz, at 128, 192 or
320 kbit/s. Where there is no music, the excerpts are synthesised. An excerpt is encoded once
and its packets are joined, so that 800 tracks take a minute or two. Tracks are made in order,
always the same: a folder of 200 is the beginning of one of 800, and grows when more are asked for.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
MUSIC = REPOSITORY.parent / "shared" / "data" / "magnatune"
RATE_HZ = 44100
BITRATES = (128_000, 192_000, 320_000)
_EXCERPT_S = 24
_FRAME = 1152


def encode(excerpt: Path | int) -> tuple[str, int, list[bytes]]:
    """Encode an excerpt, or a synthesised one with that seed.

    Returns
    -------
    genre : str
        Name of its folder.
    bitrate : int
        In bit/s.
    packets : list of bytes
    """
    if isinstance(excerpt, Path):
        genre, number = excerpt.parent.name, sum(excerpt.name.encode())
        samples = _decoded(excerpt)
    else:
        genre, number = f"synthetic {excerpt % 4}", excerpt
        samples = _synthesised(excerpt)
    bitrate = BITRATES[number % len(BITRATES)]
    stream = av.open(io.BytesIO(), "w", format="mp3").add_stream("libmp3lame", rate=RATE_HZ)
    stream.layout = "stereo"
    stream.bit_rate = bitrate
    # No frame borrows bits of the one before: packets of two excerpts can be joined.
    stream.options = {"reservoir": "0", "compression_level": "9"}
    stream.format = "s16p"
    packets = []
    for first in range(0, samples.shape[1] - _FRAME, _FRAME):
        piece = np.ascontiguousarray(samples[:, first : first + _FRAME])
        frame = av.AudioFrame.from_ndarray(piece, format="s16p", layout="stereo")
        frame.sample_rate = RATE_HZ
        frame.pts = first
        packets += [bytes(packet) for packet in stream.encode(frame)]
    return genre, bitrate, packets


def _decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16p", layout="stereo", rate=RATE_HZ)
        frames = [
            resampled.to_ndarray()
            for frame in container.decode(audio=0)
            for resampled in resampler.resample(frame)
        ]
    return np.concatenate(frames, axis=1)


def _synthesised(seed: int) -> np.ndarray:
    """Chords over noise: nothing a person would call music, but dense like it."""
    generator = np.random.default_rng(seed)
    times = np.arange(_EXCERPT_S * RATE_HZ) / RATE_HZ
    signal = generator.standard_normal((2, len(times))) * generator.uniform(0.005, 0.1)
    for beat in range(_EXCERPT_S * 2):
        part = slice(beat * RATE_HZ // 2, (beat + 1) * RATE_HZ // 2)
        for pitch in generator.choice(60, 4) * 50 + 80:
            signal[:, part] += 0.1 * np.sign(np.sin(2 * np.pi * pitch * times[part]))
    return np.int16(np.clip(signal, -1, 1) * 32767)


def write_track(path: Path, packets: list[bytes], title: str) -> None:
    """Write packets as one mp3 with its headers (Info and ID3), but no genre."""
    with av.open(str(path), "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE_HZ)
        stream.layout = "stereo"
        container.metadata.update(title=title, artist="GenreBeam benchmark")
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream = stream
            packet.time_base = Fraction(1, RATE_HZ)
            packet.pts = packet.dts = number * _FRAME
            packet.duration = _FRAME
            container.mux(packet)


def make_library(folder: Path, n_tracks: int, music: Path = MUSIC) -> list[Path]:
    """Fill a folder with tracks; those that are there stay.

    Returns
    -------
    list of Path
        The first `n_tracks`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tracks = [folder / f"track {number:04d}.mp3" for number in range(n_tracks)]
    if all(path.exists() for path in tracks):
        return tracks
    sources: list[Path | int] = sorted(music.rglob("*.mp3")) if music.is_dir() else []
    sources = sources or list(range(24))
    excerpts: dict[tuple[str, int], list[list[bytes]]] = {}
    with ProcessPoolExecutor() as pool:
        for genre, bitrate, packets in pool.map(encode, sources, chunksize=4):
            excerpts.setdefault((genre, bitrate), []).append(packets)
    kinds = sorted(excerpts)
    for number, path in enumerate(tracks):
        chance = random.Random(number)
        pieces = excerpts[kinds[number % len(kinds)]]
        length = round(chance.uniform(120, 360) * RATE_HZ / _FRAME)
        packets: list[bytes] = []
        while len(packets) < length:
            packets += chance.choice(pieces)
        if not path.exists():
            write_track(path, packets[:length], f"Track {number}")
    return tracks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("tracks", type=int)
    parser.add_argument("--music", type=Path, default=MUSIC)
    arguments = parser.parse_args()
    tracks = make_library(arguments.folder, arguments.tracks, arguments.music)
    size = sum(path.stat().st_size for path in tracks)
    print(f"{len(tracks)} tracks, {size / 1e9:.2f} GB", file=sys.stderr)


if __name__ == "__main__":
    main()
