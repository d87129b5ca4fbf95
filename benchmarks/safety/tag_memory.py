#!/usr/bin/env python3
"""Peak memory of tagging and undoing one file, by format and size.

    .venv/bin/python benchmarks/safety/tag_memory.py --megabytes 50 400

Every file gets its first tag in a process of its own, which undoes the change too. Its peak is
given above that of a process that has imported the same, in MB. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

FORMATS = ("wav", "aiff", "flac", "mp3", "m4a", "ogg", "wv")
_ENCODERS = {"ogg": ("libvorbis", "320k"), "mp3": ("libmp3lame", "320k"), "m4a": ("aac", "320k")}


def make(folder: Path, format: str, megabytes: int) -> Path:
    """A file of noise without a tag, of about this size."""
    seconds = megabytes * 1e6 / (40_000 if format in _ENCODERS else 176_400)
    codec, rate = _ENCODERS.get(format, ("", ""))
    options = ["-c:a", codec, "-b:a", rate] if codec else []
    path = folder / f"{megabytes}.{format}"
    noise = f"anoisesrc=r=44100:d={seconds}:a=0.5:c=pink"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", noise, "-ac", "2"]
    tagless = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
    subprocess.run([*command, *tagless, *options, str(path)], check=True)
    return path


def measure(path: str) -> dict[str, float]:
    """Tag a file and undo it, in this process."""
    import av  # noqa: F401

    from genrebeam.pipeline.runs.undo import undo
    from genrebeam.transforms.records import Decision
    from genrebeam.transforms.tags.tag import TagPolicy, tag
    from tests.music_files import listed

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    journal: list[dict] = []
    started = time.process_time()
    decision = Decision(listed(Path(path)), ("Jazz",), 0.9, "", {}, {}, 1, 0.0, 0.0)
    outcome = tag(decision, TagPolicy("replace"), journal.append)
    tagged = time.process_time() - started
    assert outcome.status == "tagged", outcome.reason
    assert undo(journal[0]).status == "restored"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"MB": (peak - before) / 1024, "all": peak / 1024, "cpu_s": tagged}


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of tagging and undoing one file.")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[50, 400])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    print("| format | file, MB | peak above the start, MB | process, MB | CPU s |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for format in arguments.formats:
            for megabytes in arguments.megabytes:
                path = make(Path(temporary), format, megabytes)
                command = [sys.executable, __file__, "--measure", str(path)]
                found = json.loads(subprocess.run(command, check=True, stdout=-1).stdout)
                facts = f"{found['MB']:.0f} | {found['all']:.0f} | {found['cpu_s']:.2f}"
                size = path.stat().st_size / 1e6
                print(f"| {format} | {size:.0f} | {facts} |", flush=True)
                path.unlink()


if __name__ == "__main__":
    main()
