#!/usr/bin/env python3
"""How far one machine's run grows with its cores, on a machine that has only a few.

    .venv/bin/python benchmarks/scale/many_processes.py [--processes 1,2,4,8,16] [--seconds 10]

Decoders and network only sleep, for as long as they were measured to take; sleeping needs no core.
All else is the command's own: the walk, the pool and its pipes (with features of the real size),
what is in flight, batches, Beam's graph and runner, tags written to files, and the report. So the
figures tell where our own machinery ends.

``gpu``: the network takes a fixed time for each batch. ``cpu``: it shares as many cores as there
are processes with the decoders, so that both take longer by the other's share.

Prints JSON. Linux only.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402

from benchmarks.scale.slept_extracting import slept_extracting  # noqa: E402
from benchmarks.speed.process_tree import cost_of  # noqa: E402
from genrebeam.model.bundle import Bundle  # noqa: E402
from genrebeam.model.recipes.backbone import N_WINDOWS  # noqa: E402
from genrebeam.transforms.audio.ptransforms import ExtractInPool  # noqa: E402
from genrebeam.transforms.genre.classify import (  # noqa: E402
    BATCH_SEGMENTS,
    BackboneClassifier,
    BackboneRun,
)

_TRACK_S = 2.0
# Longer than what is in flight takes to be used up, twice over.
_IN_FLIGHT = 64


@dataclass
class Watch:
    """What the thread that runs Beam's steps does between the first and the last batch."""

    batches: list[tuple[float, float, int]] = field(default_factory=list)
    waited_s: float = 0.0
    cpu_s: list[tuple[float, float]] = field(default_factory=list)


WATCH = Watch()


class WatchedExtract(ExtractInPool):
    """`ExtractInPool`, with the time that it waits for decoders."""

    def _done(self, most: int) -> Iterator[Any]:
        found = super()._done(most)
        while True:
            begun = time.perf_counter()
            try:
                one = next(found)
            except StopIteration:
                return
            finally:
                if WATCH.batches:
                    WATCH.waited_s += time.perf_counter() - begun
            yield one


class SleepingBackbone(BackboneRun):
    """A backbone that puts out the same for everything, after a while."""

    def __init__(self, seconds_of: Callable[[int], float], bundle: Bundle) -> None:
        super().__init__(bundle.features)
        self.seconds_of = seconds_of

    def load(self) -> None:
        pass

    def __call__(self, segments: np.ndarray) -> np.ndarray:
        begun = time.perf_counter()
        time.sleep(self.seconds_of(len(segments)))
        WATCH.batches.append((begun, time.perf_counter(), len(segments)))
        WATCH.cpu_s.append((time.thread_time(), time.process_time()))
        # Logits of a sound that may be music.
        return np.full((len(segments), self.spec.n_outputs), 1.0, np.float32)


def run(
    library: str, reports: str, processes: int, decode_s: float, network: dict[str, float]
) -> None:
    """One run of the command; prints what was seen."""
    from genrebeam.pipeline.cli import main
    from genrebeam.transforms.genre.ptransforms import GenreModelHandler

    def seconds_of(n_segments: int) -> float:
        return network["per_segment"] * n_segments + network["per_batch"] * math.ceil(
            n_segments / BATCH_SEGMENTS
        )

    def load_model(handler: GenreModelHandler) -> BackboneClassifier:
        classifier = BackboneClassifier(handler.bundle)
        classifier.outputs = SleepingBackbone(seconds_of, handler.bundle)
        return classifier

    def watched_extract(*arguments: Any, **options: Any) -> WatchedExtract:
        slept = functools.partial(slept_extracting, decode_s, N_WINDOWS)
        return WatchedExtract(*arguments, **options | {"extract": slept})

    options = ["--processes", str(processes), "--min-confidence", "0", "--no-incremental"]
    with (
        mock.patch("genrebeam.transforms.audio.ptransforms.ExtractInPool", watched_extract),
        mock.patch.object(GenreModelHandler, "load_model", load_model),
    ):
        code = main(["tag", library, "--report", reports, "--quiet", *options])
    print(json.dumps({"exit_code": code, **seen(processes, decode_s)}))


def seen(processes: int, decode_s: float) -> dict[str, float]:
    """Figures of the time from the end of the first batch to the end of the last."""
    batches = WATCH.batches
    span = batches[-1][1] - batches[0][1]
    tracks = sum(n for _, _, n in batches[1:]) / N_WINDOWS
    busy = sum(end - begun for begun, end, _ in batches[1:])
    (thread_0, process_0), (thread_1, process_1) = WATCH.cpu_s[0], WATCH.cpu_s[-1]
    return {
        "tracks_per_s": round(tracks / span, 1),
        "network_at_work": round(busy / span, 3),
        "network_waits_for_decoders": round(WATCH.waited_s / span, 3),
        "network_waits_for_other_steps": round(1 - (busy + WATCH.waited_s) / span, 3),
        "decoders_at_work": round(min(1.0, tracks * decode_s / processes / span), 3),
        "cpu_ms_per_track_of_beams_thread": round((thread_1 - thread_0) / tracks * 1e3, 2),
        "cpu_ms_per_track_of_main_process": round((process_1 - process_0) / tracks * 1e3, 2),
    }


def make_files(folder: Path, count: int) -> None:
    """Short files, so that writing a tag does not take what decoding should."""
    import soundfile

    folder.mkdir()
    one = folder / "0000.mp3"
    noise = np.random.default_rng(0).normal(scale=0.1, size=int(_TRACK_S * 44100))
    soundfile.write(one, noise, 44100, format="MP3")
    for number in range(1, count):
        (folder / f"{number:04d}.mp3").write_bytes(one.read_bytes())


def measure(device: str, processes: int, costs: argparse.Namespace, work: Path) -> dict[str, Any]:
    """One number of processes, in a Python of its own."""
    decode_s, network_s = costs.analyse_ms / 1e3, costs.network_ms / 1e3
    if device == "gpu":
        network = {"per_segment": 0.0, "per_batch": costs.gpu_ms / 1e3}
        expected = min(processes / decode_s, BATCH_SEGMENTS / N_WINDOWS / network["per_batch"])
    else:
        decode_s += network_s
        network = {"per_segment": decode_s / processes / N_WINDOWS, "per_batch": 0.0}
        expected = processes / decode_s
    count = _IN_FLIGHT * processes + round(min(expected, costs.most) * costs.seconds)
    library = work / f"{device} {processes}"
    make_files(library, count)
    call = (str(library), str(work / f"report {device} {processes}"), processes, decode_s, network)
    code = f"from benchmarks.scale.many_processes import run; run(*{call!r})"
    output = work / "output"
    cost = cost_of([sys.executable, "-c", code], REPOSITORY, output)
    said = output.read_text(errors="replace")
    if cost.exit_code:
        raise SystemExit(f"{device}, {processes} processes: {said[-2000:]}")
    row = {"network": device, "processes": processes, "tracks": count}
    row |= json.loads(said.splitlines()[-1])
    row |= {"expected": round(expected, 1), "peak_memory_mb": round(cost.peak_memory / 1e6)}
    print(row, file=sys.stderr)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--processes", default="1,2,4,8,16")
    parser.add_argument("--network", default="gpu,cpu")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run, about")
    parser.add_argument("--most", type=float, default=400.0, help="tracks/s that are provided for")
    parser.add_argument(
        "--analyse-ms", type=float, default=117.0, help="decoder's time for a track"
    )
    parser.add_argument("--network-ms", type=float, default=30.0, help="network's, on one core")
    parser.add_argument("--gpu-ms", type=float, default=5.0, help="a batch on a GPU")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        rows = [
            measure(device, int(processes), arguments, Path(work))
            for device in arguments.network.split(",")
            for processes in arguments.processes.split(",")
        ]
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
