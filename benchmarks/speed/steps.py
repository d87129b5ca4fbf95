"""CPU of each step of the main job, one track after the other in one process and one thread.

The job's own functions are called, with a stopwatch around them; what Beam adds is measured by
`speed.py listing`, where hardly anything else happens.
"""

from __future__ import annotations

import os

# Before numpy and TensorFlow are loaded: as in a process of the pool.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import contextlib  # noqa: E402
import json  # noqa: E402
import pickle  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402
from unittest import mock  # noqa: E402

import soundfile  # noqa: E402
import soxr  # noqa: E402

from genrebeam.model.bundle import DEFAULT_BUNDLE, load_bundle  # noqa: E402
from genrebeam.pipeline.runs.journal import Journal  # noqa: E402
from genrebeam.transforms.audio import decode, features, pool, windows  # noqa: E402
from genrebeam.transforms.genre.classify import open_classifier  # noqa: E402
from genrebeam.transforms.genre.vote import decider  # noqa: E402
from genrebeam.transforms.library.walk import walk  # noqa: E402
from genrebeam.transforms.records import Prediction, Track, with_tags  # noqa: E402
from genrebeam.transforms.reports.write import RunFacts, row, write_part  # noqa: E402
from genrebeam.transforms.storage import local  # noqa: E402
from genrebeam.transforms.tags import header, rewrite, tag  # noqa: E402


class Stopwatch:
    """Adds up the CPU time of steps; of a step inside another one only the inner counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[float] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the block."""
        self._open.append(0.0)
        begun = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - begun
            inner = self._open.pop()
            if self._open:
                self._open[-1] += spent
            self.seconds[name] = self.seconds.get(name, 0.0) + spent - inner

    def around(self, owner: Any, function: str, name: str) -> Any:
        """Measure every call of a function of a module or class, while the patch holds."""
        original: Callable[..., Any] = getattr(owner, function)

        def measured(*arguments: Any, **named: Any) -> Any:
            with self.step(name):
                return original(*arguments, **named)

        return mock.patch.object(owner, function, measured)


def cpu_of_steps(library: Path) -> dict[str, Any]:
    """Milliseconds of CPU a track of each step, and of decoding the whole file.

    Parameters
    ----------
    library : Path
        Its files are changed.
    """
    bundle = load_bundle(DEFAULT_BUNDLE)
    classifier = open_classifier(bundle, embeddings=True, threads=1)
    classifier.load()
    decide, watch = decider(bundle), Stopwatch()
    policy, n_segments = tag.TagPolicy("replace"), 0
    with contextlib.ExitStack() as stack:
        reports = stack.enter_context(tempfile.TemporaryDirectory())
        # In this process, for its clock to see it.
        stack.enter_context(mock.patch.object(pool, "call", _called))
        for owner, function, name in (
            (soundfile.SoundFile, "seek", "decode: seek"),
            (soundfile.SoundFile, "read", "decode: samples"),
            (decode, "_mono", "decode: mono"),
            (soxr, "resample", "resample"),
            (windows, "window_power", "features: mel power"),
            (windows, "log_mel", "features: logarithm"),
            (type(classifier.outputs), "__call__", "backbone"),
            (local.shutil, "copyfile", "write: copy"),
            (tag, "write_fields", "write: tag"),
            (rewrite, "check_same_sound", "write: proof of the sound"),
            (rewrite, "make_patch", "write: patch for undo"),
            (local, "_sync", "write: to the disk"),
        ):
            stack.enter_context(watch.around(owner, function, name))
        warm = Path(reports, "warm")
        warm.mkdir()
        shutil.copy(min(library.iterdir()), warm)

        def process(folder: Path) -> list[Track]:
            nonlocal n_segments
            with watch.step("walk"):
                tracks = [found for found in walk(str(folder)) if isinstance(found, Track)]
            journal, rows = Journal(os.path.join(reports, "journal.jsonl")), []
            for track in tracks:
                with watch.step("read tags"):
                    track = with_tags(track, *header.read_header(track.uri))
                with watch.step("decode and features: rest"):
                    found = features.extract(
                        track.uri, track.format, bundle.features, bundle.n_segments,
                        track.audio.duration_s, skip_silent=True,
                    )  # fmt: skip
                with watch.step("between processes"):
                    found = pickle.loads(pickle.dumps(found))
                n_segments += len(found.values)
                with watch.step("head"):
                    (judgement,) = classifier.of_tracks([found.values])
                with watch.step("vote"):
                    decision = decide(
                        Prediction(
                            track, extract_seconds=0.0, classify_seconds=0.0, **vars(judgement)
                        )
                    )
                with watch.step("write: rest"):
                    outcome = tag.tag(decision, policy, journal)
                with watch.step("report"):
                    rows.append(row(outcome, RunFacts(bundle, "digest")))
            with watch.step("report"):
                write_part(rows, reports, reports)
            return tracks

        process(warm)  # what is loaded and made once is not counted
        watch.seconds.clear()
        n_segments = 0
        tracks = process(library)
        steps = dict(watch.seconds)
    begun = time.process_time()
    for track in tracks:
        soundfile.read(track.uri, dtype="float32")
    floor = time.process_time() - begun
    shares = {name: round(spent / floor, 3) for name, spent in steps.items()}
    return {
        "tracks": len(tracks),
        "segments": n_segments,
        "cpu_ms_per_track": {k: round(v / len(tracks) * 1e3, 2) for k, v in steps.items()},
        "of_decoding_whole": shares,
        "cpu_ms_per_track_total": round(sum(steps.values()) / len(tracks) * 1e3, 1),
        "decoding_the_whole_file": round(floor / len(tracks) * 1e3, 1),
        "total_of_decoding_whole": round(sum(steps.values()) / floor, 3),
    }


def _called(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
    return function(*arguments)


if __name__ == "__main__":
    print(json.dumps(cpu_of_steps(Path(sys.argv[1]))))
