#!/usr/bin/env python3
"""Kill tagging at random moments and look whether every file is whole.

    .venv/bin/python benchmarks/safety/kill_nine.py --kills 200 --command-kills 10 --files 300

Most kills hit a process that does nothing but write genres and their journal, as the job does
it, so that every kill falls into the writing; the last ones hit the whole command with all its
processes, after its first change. After each kill every file has to be there, with its sound
and with the tag that it had before or the one that was being written. At last the command has
to finish, nothing temporary may be left, and undoing all runs, the newest first, has to bring
every byte back.

Prints one JSON object; `faults` has to be empty. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import mutagen  # noqa: E402
from mutagen.id3 import APIC, ID3, TCON, TIT2  # noqa: E402

from genrebeam.pipeline.cli import main as genrebeam  # noqa: E402
from genrebeam.pipeline.runs.run import start_run  # noqa: E402
from genrebeam.transforms.library.walk import walk  # noqa: E402
from genrebeam.transforms.records import Track, with_tags  # noqa: E402
from genrebeam.transforms.storage.local import is_temporary  # noqa: E402
from genrebeam.transforms.tags.header import read_header  # noqa: E402
from genrebeam.transforms.tags.rewrite import WritePolicy  # noqa: E402
from genrebeam.transforms.tags.tag import TagPolicy, write_genres  # noqa: E402
from tests.audio_bytes import audio_hash  # noqa: E402
from tests.conftest import tone, write_audio  # noqa: E402

FORMATS = ("mp3", "flac", "ogg", "wav", "m4a")
_RATE = 16000


def make_library(folder: Path, n_files: int) -> None:
    """Files of 3 s in several formats; every other one has a genre, every third a picture."""
    for format in FORMATS:
        # What encodes m4a knows stereo only.
        write_audio(folder / f"sound.{format}", tone(3, _RATE, 2), _RATE)
    for number in range(n_files):
        format = FORMATS[number % len(FORMATS)]
        album = folder / f"album {number % 7}"
        album.mkdir(exist_ok=True)
        path = Path(shutil.copy(folder / f"sound.{format}", album / f"{number:03d}.{format}"))
        file = mutagen.File(path)
        if file.tags is None:
            file.add_tags()
        genre = ["Folk"] if number // len(FORMATS) % 2 else []
        if isinstance(file.tags, ID3):
            file.tags.add(TIT2(encoding=3, text=f"Song {number}"))
            if genre:
                file.tags.add(TCON(encoding=3, text=genre))
            if number % 3 == 0:
                file.tags.add(APIC(encoding=0, mime="image/png", type=3, data=os.urandom(20000)))
        else:
            keys = ("\xa9nam", "\xa9gen") if format == "m4a" else ("title", "genre")
            file.tags[keys[0]] = [f"Song {number}"]
            if genre:
                file.tags[keys[1]] = genre
        file.save()
    for format in FORMATS:
        (folder / f"sound.{format}").unlink()


def write_all(library: Path, report: Path, genres: tuple[str, ...]) -> None:
    """What the job does with files that it has analysed: give each its genre."""
    journal = start_run(str(report)).journal
    policy = TagPolicy("replace", write=WritePolicy(library=str(library)))
    for found in walk(str(library), tidy=True):
        assert isinstance(found, Track), found
        track = with_tags(found, *read_header(found.uri))
        if track.tags.genres != genres:
            write_genres(track, genres, journal, policy)


class Library:
    """The files under attack, and what they may be.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self.originals = {path: self._state(path) for path in self.paths}
        self.sounds = {path: audio_hash(path) for path in self.paths}
        self.genres = {path: read_header(str(path))[0].genres for path in self.paths}
        self.titles = {path: read_header(str(path))[0].title for path in self.paths}

    @staticmethod
    def _state(path: Path) -> tuple[bytes, int, int]:
        facts = path.stat()
        return path.read_bytes(), facts.st_mtime_ns, facts.st_mode

    def look(self, new: tuple[tuple[str, ...], ...] | None) -> tuple[int, list[str]]:
        """How many files have changed, and what is wrong with them.

        `new` are the genres that may have been written, None where any may.
        """
        faults, changed = [], 0
        for path in self.paths:
            try:
                tags = read_header(str(path))[0]
                sound = audio_hash(path)
            except Exception as error:
                faults.append(f"{path.name}: {type(error).__name__}: {error}")
                continue
            if sound != self.sounds[path]:
                faults.append(f"{path.name}: its sound changed")
            if tags.title != self.titles[path]:
                faults.append(f"{path.name}: its title is {tags.title}")
            if tags.genres != self.genres[path]:
                changed += 1
                if new is not None and tags.genres not in new:
                    faults.append(f"{path.name}: was {self.genres[path]}, is {tags.genres}")
            self.genres[path] = tags.genres
        there = {path for path in self.folder.rglob("*") if path.is_file()}
        faults += [f"{path.name}: appeared" for path in there - {*self.paths, *self.temporary()}]
        return changed, faults

    def temporary(self) -> list[Path]:
        """Temporary files that lie about."""
        return [path for path in self.folder.rglob("*") if is_temporary(path.name)]

    def not_original(self) -> list[str]:
        """Files whose bytes, time or mode are not as they were in the beginning."""
        return [path.name for path in self.paths if self._state(path) != self.originals[path]]


def kill_writer(library: Library, report: Path, genres: tuple[str, ...], after_s: float) -> bool:
    """Start `write_all` in a process and kill it; whether it was still at work."""
    # A fork has all libraries loaded: the time until the kill is spent writing.
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.setsid()
            write_all(library.folder, report, genres)
            code = 0
        finally:
            os._exit(code)
    time.sleep(after_s)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("the writer failed by itself")
    return os.WIFSIGNALED(status)


def start_command(library: Library, report: Path) -> subprocess.Popen:
    """The whole command, in a process group of its own."""
    # Any genre will do, however unsure; the backbone would refuse tones.
    options = ["--existing", "replace", "--min-confidence", "0", "--bundle", "gtzan"]
    options += ["--report", str(report)]
    return subprocess.Popen(
        [sys.executable, "-m", "genrebeam", "tag", str(library.folder), *options],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_command(library: Library, report: Path, after_s: float) -> bool:
    """Start the command and kill its group so long after its first change.

    Whether it was still at work.
    """
    process = start_command(library, report)
    _wait_for_first_change(process, report)
    time.sleep(after_s)
    was_alive = process.poll() is None
    if was_alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return was_alive


def time_command(library: Library, report: Path) -> tuple[float, float]:
    """Time that the whole command takes, and that from its first change on, in s."""
    started = time.perf_counter()
    process = start_command(library, report)
    _wait_for_first_change(process, report)
    first = time.perf_counter()
    if process.wait():
        raise RuntimeError("the command fails without being killed")
    ended = time.perf_counter()
    return ended - started, ended - first


def kill_decoders(
    folder: Path, n_files: int, kills: int, dice: random.Random
) -> tuple[dict[str, Any], list[str]]:
    """Kill decoders, their fork server, or all of them at once, while the command goes on.

    No file may fail, and nothing may stand still for long.
    """
    home, report = folder / "for decoders", folder / "reports of decoders"
    home.mkdir()
    make_library(home, n_files)
    library, faults = Library(home), []
    figures: Counter[str] = Counter()
    longest_s = 0.0
    while figures["decoder_kills"] < kills and figures["runs"] < kills:
        known = set(report.glob("runs/*"))
        figures["runs"] += 1
        process = start_command(library, report)
        _wait_for_first_change(process, report)
        size, changed, kill_at = 0, time.perf_counter(), 0.0
        while process.poll() is None:
            now = time.perf_counter()
            new = set(report.glob("runs/*")) - known
            journals = sum((run / "journal.jsonl").stat().st_size for run in new)
            longest_s = max(longest_s, now - changed)
            if journals != size:
                size, changed = journals, now
            if now > kill_at:
                kill_at = now + dice.uniform(0.1, 1.5)
                what = dice.choices(
                    ("one decoder", "all decoders", "fork server", "all"), (5, 2, 1, 1)
                )
                figures["decoder_kills"] += _kill_some(process.pid, what[0], figures)
            time.sleep(0.02)
        (run,) = set(report.glob("runs/*")) - known
        if process.returncode:
            faults.append(f"{run.name}: exit code {process.returncode}")
        counts = json.loads((run / "run.json").read_text())["counts"]
        figures["files"] += sum(counts.values())
        figures["files_failed"] += counts.get("failed", 0)
        faults += [f"{run.name}: {counts}"] if counts.get("failed") else []
        faults += library.look(None)[1]
        write_all(home, report, (f"Before {figures['runs']}",))
        library.look(None)
    faults += [f"stood still for {longest_s:.1f} s"] if longest_s > 10 else []
    message = {name.replace(" ", "_"): count for name, count in figures.items()}
    return {**message, "longest_stop_s": round(longest_s, 1)}, faults


def _kill_some(session: int, what: str, figures: Counter[str]) -> int:
    """Kill processes of the pool of a session; how many kinds were hit, 0 or 1."""
    servers, decoders = [], []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            facts = (place / "stat").read_text().rpartition(")")[2].split()
            is_pool = b"forkserver" in (place / "cmdline").read_bytes()
            if int(facts[3]) == session and is_pool:
                (servers if int(facts[1]) == session else decoders).append(int(place.name))
    victims = {
        "one decoder": decoders[:1],
        "all decoders": decoders,
        "fork server": servers,
        "all": servers + decoders,
    }[what]
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    figures[f"killed {what}"] += bool(victims)
    return bool(victims)


def _wait_for_first_change(process: subprocess.Popen, report: Path) -> None:
    known = set(report.glob("runs/*"))
    while process.poll() is None:
        new = set(report.glob("runs/*")) - known
        if any((run / "journal.jsonl").stat().st_size for run in new if any(run.iterdir())):
            return
        time.sleep(0.01)


def undo_all_runs(report: Path) -> list[str]:
    """Undo every run, the newest first; what the command says of those that went wrong."""
    said = []
    for run in sorted((path.name for path in report.glob("runs/*")), reverse=True):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = genrebeam(["undo", str(report), "--run", run])
        if code:
            said.append(f"{run}: exit code {code}: {output.getvalue().strip()[:500]}")
    return said


def attack(
    folder: Path, *, n_files: int, kills: int, command_kills: int, decoder_kills: int, seed: int
) -> dict[str, Any]:
    """Make a library, kill what tags it, and see what is left.

    Parameters
    ----------
    folder : Path
        Empty.
    n_files, kills, command_kills, decoder_kills, seed : int

    Returns
    -------
    dict
        Counts, and a list of faults.
    """
    dice = random.Random(seed)
    decoders: dict[str, Any] = {}
    faults: list[str] = []
    if decoder_kills:
        decoders, faults = kill_decoders(folder, n_files, decoder_kills, dice)
    home, report = folder / "library", folder / "reports"
    home.mkdir()
    make_library(home, n_files)
    library = Library(home)
    figures: dict[str, Any] = {"decoders": decoders, "files": n_files}

    started = time.perf_counter()
    write_all(home, report, ("Warm Up",))
    whole_s = time.perf_counter() - started
    changed, wrong = library.look((("Warm Up",),))
    faults += wrong
    figures["one_writing_s"] = round(whole_s, 2)

    started = time.perf_counter()
    done = attempts = in_writing = left = files_changed = 0
    while done < kills:
        attempts += 1
        # Longer and shorter in turn, so that tags have to grow and have room.
        genres = (f"Round {attempts}", *("x" * 1500 for _ in range(attempts % 3 == 0)))
        done += kill_writer(library, report, genres, dice.uniform(0, whole_s))
        changed, wrong = library.look((genres,))
        faults += [f"kill {done}: {fault}" for fault in wrong]
        files_changed += changed
        in_writing += 0 < changed < n_files
        left += len(library.temporary())
    figures |= {
        "kills": done,
        "kills_between_first_and_last_file": in_writing,
        "files_changed_in_killed_runs": files_changed,
        "temporary_files_seen_after_kills": left,
        "kills_s": round(time.perf_counter() - started, 1),
    }

    started = time.perf_counter()
    done = attempts = in_writing = left = 0
    whole_s, writing_s = time_command(library, report) if command_kills else (0.0, 0.0)
    faults += library.look(None)[1]
    while done < command_kills and attempts < 3 * command_kills:
        attempts += 1
        # The command decides as before; without this it would have nothing to write.
        write_all(home, report, (f"Before {attempts}",))
        library.look(None)
        done += kill_command(library, report, dice.uniform(0, writing_s))
        changed, wrong = library.look(None)
        faults += [f"kill {done} of the command: {fault}" for fault in wrong]
        in_writing += 0 < changed < n_files
        left += len(library.temporary())
    figures |= {
        "command_s": round(whole_s, 1),
        "command_writing_s": round(writing_s, 1),
        "command_kills": done,
        "command_kills_between_first_and_last_file": in_writing,
        "temporary_files_seen_after_command_kills": left,
        "command_kills_s": round(time.perf_counter() - started, 1),
    }

    started = time.perf_counter()
    exit_code = start_command(library, report).wait()
    faults += library.look(None)[1]
    faults += [f"{path.name}: left over" for path in library.temporary()]
    if exit_code:
        faults.append(f"the last run ended with exit code {exit_code}")
    figures |= {
        "last_run_exit_code": exit_code,
        "last_run_s": round(time.perf_counter() - started, 1),
        "temporary_files_after_last_run": len(library.temporary()),
        "files_with_old_bytes_before_undo": n_files - len(library.not_original()),
    }

    started = time.perf_counter()
    figures["runs_undone"] = len(list(report.glob("runs/*")))
    faults += undo_all_runs(report)
    not_original = library.not_original()
    faults += [f"{name}: not restored" for name in not_original]
    return figures | {
        "restored": n_files - len(not_original),
        "undo_s": round(time.perf_counter() - started, 1),
        "faults": faults[:50],
        "n_faults": len(faults),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill tagging at random moments.")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--kills", type=int, default=200, help="of a process that writes only")
    parser.add_argument("--command-kills", type=int, default=10, help="of the whole command")
    parser.add_argument("--decoder-kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = attack(
            Path(folder),
            n_files=arguments.files,
            kills=arguments.kills,
            command_kills=arguments.command_kills,
            decoder_kills=arguments.decoder_kills,
            seed=arguments.seed,
        )
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
