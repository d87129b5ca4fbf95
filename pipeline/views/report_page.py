"""A page that shows what runs did to a library: one HTML file that needs no network.

Counts, charts and lists are plain HTML and CSS, written by the template: they show at once
and without a script. (Plotly would add 4 MB to the folder of every run.) The table's rows
are data inside the page, column by column, each text once; ``templates/report.js`` searches
and sorts the columns and shows a page of rows at a time; ``templates/player.js`` plays a track;
``templates/review.js`` lets a person correct genres, and saves that as a file (see
``pipeline/runs/corrections.py``).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from genrebeam.model.colours import colour_of
from genrebeam.model.pages.page import percent
from genrebeam.pipeline.runs.manifest import Manifest
from genrebeam.pipeline.runs.run import Run, superseded
from genrebeam.pipeline.views.report_figures import figures, headline
from genrebeam.pipeline.views.report_statuses import shown
from genrebeam.pipeline.views.web_page import made_in, write_web_page
from genrebeam.transforms.records import Status, printable


def write_report_page(reports: Sequence[Run], rows: Iterable[pa.Table], path: str) -> None:
    """Write the page of one or many runs.

    Of each file the latest row counts. One that only says that nothing has changed since
    an earlier run leaves the row of that run, where it is among those given. A file that was gone
    when a later run saw the whole library is left out.

    Parameters
    ----------
    reports : sequence of Run
        In any order.
    rows : iterable of pyarrow.Table
        Their rows (see `genrebeam.pipeline.runs.run.rows_of`).
    path : str
        The HTML file, whole or not at all; one that is there is replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    runs = sorted(reports, key=lambda run: run.id)
    manifests = {run: run.read_manifest() for run in runs}
    found = figures(rows, [run.id for run in runs], superseded(manifests))
    write_web_page(
        path,
        "report.html.j2",
        ["player.js", "report.js", "review.js"],
        below=next((run.home for run in runs if path.startswith(f"{run.home}/")), None),
        shown=shown,
        colour_of=colour_of,
        headline=headline(found.counts),
        runs=[_facts(run, manifests[run], found.counts_of_runs[run.id]) for run in runs],
        n_files=sum(found.counts.values()),
        counts=found.counts,
        genres=found.genres,
        confidence=found.confidence,
        albums=found.albums,
        artists=found.artists,
        problems=found.problems,
        tracks={
            **found.tracks,
            "homes": [printable(run.home) for run in runs],
            "made_in": made_in(path),
        },
    )


@dataclass(frozen=True)
class _RunFacts:
    """What the page tells of a run; None where its manifest does not."""

    id: str
    undo_command: str
    counts: dict[str, int]
    library: str | None
    model: str | None
    policy: str | None
    is_dry_run: bool
    state: str | None
    started: str | None
    took: str | None
    undone: str | None

    @property
    def undo(self) -> str | None:
        """The command that takes its changes back."""
        if self.undone or not self.counts.get(Status.TAGGED):
            return None
        return self.undo_command


def _facts(run: Run, manifest: Manifest, counts: dict[str, int]) -> _RunFacts:
    model, options = manifest.get("model"), manifest.get("options", {})
    policy = _policy(options) if options.keys() >= _OPTIONS else None
    if manifest.get("command") == "apply":
        policy = "Genres written by genrebeam apply"
    return _RunFacts(
        id=run.id,
        undo_command=printable(run.undo_command),
        counts=counts,
        library=manifest.get("library"),
        model=f"{model['name']} {model['version']}" if model else None,
        policy=policy,
        is_dry_run=options.get("dry_run", False),
        state=manifest.get("state"),
        started=_moment(manifest.get("started_at")),
        took=_span(manifest.get("seconds")),
        undone=_moment(manifest.get("undone_at")),
    )


_OPTIONS = {"existing", "vote", "segments", "top_k", "min_confidence", "dry_run"}


def _policy(options: dict[str, Any]) -> str:
    """A run's options in words."""
    existing = {"keep": "kept", "merge": "kept, ours added", "replace": "replaced"}
    if options["existing"] == "clean":
        return "Genres that were there are cleaned up by the taxonomy; nothing is analysed"
    parts = [
        f"Genres that were there are {existing.get(options['existing'], options['existing'])}",
        f"{options['vote']} of {options['segments']} segments",
        f"at most {options['top_k']} genre{'' if options['top_k'] == 1 else 's'}",
    ]
    if options["min_confidence"]:
        parts.append(f"unsure below {percent(options['min_confidence'])}")
    if options["dry_run"]:
        parts.append("dry run")
    return "; ".join(parts)


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    moment = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def _span(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
