"""Prune: remove what old runs have left and nobody needs any more.

What stays: everything that undo reads (journals and their notes), every row that says more than
that a file was skipped, and all rows of runs that skipping still reads.
"""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genrebeam.model import files
from genrebeam.pipeline.runs.changes import began
from genrebeam.pipeline.runs.manifest import Manifest
from genrebeam.pipeline.runs.run import Run, runs_of, saw_all
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.reports.read import parts_of, were_skipped
from genrebeam.transforms.storage.local import open_regular


@dataclass(frozen=True)
class Removable:
    """Something that can go.

    Parameters
    ----------
    kind : {"page", "part", "run"}
        ``run``: one that has changed no file, and of which no row is left.
    paths : tuple of str
        Files, and then the folders that they were in.
    home : str
        The report folder.
    """

    kind: str
    paths: tuple[str, ...]
    home: str
    n_bytes: int

    @property
    def path(self) -> str:
        """What to call it: the file, or the run's folder."""
        return os.path.dirname(self.paths[0]) if self.kind == "run" else self.paths[0]

    @classmethod
    def of(cls, kind: str, paths: Sequence[str], home: str) -> Removable:
        """With the size that the files have now."""
        facts = map(os.lstat, paths)
        n_bytes = sum(one.st_size for one in facts if stat.S_ISREG(one.st_mode))
        return cls(kind, tuple(paths), home, n_bytes)

    def remove(self) -> None:
        """Remove it; links on the way are not followed."""
        for path in self.paths:
            files.remove(path, below=self.home)


def removable(report: str, before: datetime.datetime) -> Iterator[Removable]:
    """What can go of the runs that began before some time.

    Parameters
    ----------
    report : str
        The report folder, on a disk of this machine.
    """
    known = [(run, run.read_manifest()) for run in runs_of(report)]
    for number, (run, facts) in enumerate(known):
        if began(run) >= before or facts.get("state") not in ("finished", "interrupted"):
            continue
        if "rows_in" not in facts and not _is_covered(
            facts, [later for _, later in known[number + 1 :]]
        ):
            continue
        if os.path.lexists(run.page):
            yield Removable.of("page", [run.page], report)
        parts = parts_of(run.tracks)
        can_go = [path for path in parts if _says_only_unchanged(path)]
        for path in can_go:
            yield Removable.of("part", [path], report)
        if len(can_go) == len(parts) and not any(True for _ in run.journal.lines()):
            yield from _whole(run)


def _whole(run: Run) -> Iterator[Removable]:
    """What else a run has, if nothing in its folder is unexpected."""
    names = set(os.listdir(run.folder)) - {os.path.basename(run.page)}
    if names <= {"run.json", "journal.jsonl"}:
        paths = [os.path.join(run.folder, name) for name in sorted(names)]
        tracks = [run.tracks] if os.path.isdir(run.tracks) else []
        yield Removable.of("run", [*paths, run.folder, *tracks], run.home)


def _is_covered(facts: Manifest, later: Sequence[Manifest]) -> bool:
    """Whether a later run has rows for every file that this one saw, so that skipping reads it."""
    options = facts.get("options", {})
    return any(
        other.get("library") == facts.get("library")
        and "rows_in" not in other
        and (options.get("dry_run") or not other.get("options", {}).get("dry_run"))
        and saw_all(
            other,
            options.get("formats") or FORMATS,
            options.get("exclude") or (),
            facts.get("paths", ()),
        )
        for other in later
    )


def _says_only_unchanged(path: str) -> bool:
    """Whether a part has only rows of files that were skipped under their own names."""
    try:
        with open_regular(path) as stream:
            rows = pq.ParquetFile(stream).read(columns=["status", "stage", "reason"])
        # What was moved is in the history of the file.
        moved = pc.starts_with(rows["reason"], "moved from ")
        return bool(pc.all(pc.and_not(were_skipped(rows), moved)).as_py())
    except (pa.ArrowException, KeyError):
        return False
