"""A page that shows what runs did to a library: one HTML file that needs no network.

Counts, charts and lists are plain HTML and CSS, written by the template: they show at once
and without a script. (Plotly would add 4 MB to the folder of every run.) The table's rows
are data inside the page, column by column, each text once; ``templates/report.js`` searches
and sorts the columns and shows a page of rows at a time; ``templates/review.js`` lets a person
correct them, and saves that as a file (see ``transforms/reports/corrections.py``).

Names come from people's tags and may hold anything: jinja2 escapes what becomes HTML or
JSON, the script sets text only, and the page's own policy lets no other script run.
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline import __version__
from pipeline.runs.run import Run
from pipeline.views.report_figures import (
    confidence,
    consistency,
    genres,
    headline,
    latest_of_all,
    problems,
    table,
)
from transforms.records import printable
from transforms.reports.read import statuses_of
from transforms.storage import storage_of

_TEMPLATES = PackageLoader("pipeline.views")


def write_report_page(reports: Mapping[Run, pa.Table], path: str) -> None:
    """Write the page of one or many runs.

    Of each file the latest row counts. One that only says that nothing has changed since
    an earlier run leaves the row of that run, where it is among those given.

    Parameters
    ----------
    reports : mapping of Run to pyarrow.Table
        Runs in any order, and their rows (see `Run.read_rows`).
    path : str
        The HTML file, whole or not at all; one that is there is replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    runs = sorted(reports, key=lambda run: run.id)
    rows = latest_of_all([reports[run] for run in runs])
    counts = statuses_of(rows)
    environment = _environment()
    # In the page's policy: no script runs but this one, whatever a name may try.
    script = "".join(
        _TEMPLATES.get_source(environment, name)[0] for name in ("report.js", "review.js")
    )
    page = environment.get_template("report.html.j2").render(
        version=__version__,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        headline=headline(counts),
        runs=[_facts(run, reports[run]) for run in runs],
        n_files=len(rows),
        counts=counts,
        genres=genres(rows),
        confidence=confidence(rows),
        albums=consistency(rows, ("album", "folder")),
        artists=consistency(rows, ("artist",)),
        problems=problems(rows),
        tracks={
            **table(rows, [run.id for run in runs]),
            "homes": [printable(run.home) for run in runs],
        },
    )
    with storage_of(path).writing(path) as stream:
        # What is no text in the path of a folder appears as `printable` would show it, which
        # is an escape of the same character inside JSON.
        stream.write(page.encode("utf-8", errors="backslashreplace"))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=_TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.filters["number"] = "{:,}".format
    environment.filters["percent"] = _percent
    environment.filters["words"] = lambda name: name.replace("_", " ")
    environment.filters["share"] = "{:.4g}".format
    return environment


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


@dataclass(frozen=True)
class _RunFacts:
    """What the page tells of a run; None where its manifest does not."""

    id: str
    home: str
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
        if self.undone or not self.counts.get("tagged"):
            return None
        return f"genrebeam undo {shlex.quote(self.home)} --run {self.id}"


def _facts(run: Run, rows: pa.Table) -> _RunFacts:
    manifest = run.read_manifest() or {}
    model, options = manifest.get("model"), manifest.get("options", {})
    policy = _policy(options) if "existing" in options else None
    if manifest.get("command") == "apply":
        policy = "Genres that a person chose"
    return _RunFacts(
        id=run.id,
        home=printable(run.home),
        counts=statuses_of(rows),
        library=manifest.get("library"),
        model=f"{model['name']} {model['version']}" if model else None,
        policy=policy,
        is_dry_run=options.get("dry_run", False),
        state=manifest.get("state"),
        started=_moment(manifest.get("started_at")),
        took=_span(manifest.get("seconds")),
        undone=_moment(manifest.get("undone_at")),
    )


def _policy(options: dict[str, Any]) -> str:
    """A run's options in words."""
    existing = {"keep": "kept", "merge": "kept, ours added", "replace": "replaced"}
    parts = [
        f"Genres that were there are {existing[options['existing']]}",
        f"{options['vote']} of {options['segments']} segments",
        f"at most {options['top_k']} genre{'' if options['top_k'] == 1 else 's'}",
    ]
    if options["min_confidence"]:
        parts.append(f"refused below {_percent(options['min_confidence'])}")
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
