"""Manifest: what ``run.json`` says of a run."""

from __future__ import annotations

import datetime
import json
from typing import Any, TypedDict

from genrebeam.transforms.strict import RecordError, check, check_version, parse

FORMAT = 1
MOST_BYTES = 16 * 2**20
# What is asked of the options again; all others are only kept.
_OPTIONS: dict[str, type | tuple[type, ...]] = {
    "existing": str,
    "dry_run": bool,
    "top_k": int,
    "min_confidence": (int, float),
    "vote": str,
    "segments": (int, str, type(None)),
    "formats": list,
    "embeddings": bool,
    "retry_failed": bool,
}


class Model(TypedDict):
    """What chose the genres."""

    name: str
    version: str


class Manifest(TypedDict, total=False):
    """What a run says of itself; early versions and runs that died say less.

    The times are ISO 8601. ``state`` is ``running``, ``finished``, ``interrupted``, ``crashed`` or
    ``launched``. ``counts`` has the number of files by status. ``seal`` says that this user's
    program saw the library (see ``transforms/storage/seal.py``).
    """

    version: int
    run: str
    state: str
    library: str
    paths: list[str]  # the parts of the library that it took, if not all
    seal: str
    command: str
    options: dict[str, Any]
    settings: str  # of early versions: `decision_digest`
    decision_digest: str
    analysis_digest: str  # of what its rows store for another head, if they do
    model: Model
    versions: dict[str, str]
    schema_version: int
    started_at: str
    finished_at: str
    seconds: float
    counts: dict[str, int]
    undone_at: str
    rows_in: str  # the run whose rows hold for this one, which has none (see news.py)


def read_manifest(content: bytes) -> Manifest:
    """Read ``run.json``.

    Raises
    ------
    RecordError
        If it is damaged, of a later version, or anything in it is of another type.
    """
    if len(content) > MOST_BYTES:
        raise RecordError(f"larger than {MOST_BYTES >> 20} MB")
    facts = parse(content)
    check_version(facts, FORMAT)
    check(Manifest, facts)
    for name in ("started_at", "finished_at", "undone_at"):
        _check_time(facts.get(name))
    for name, value in facts.get("options", {}).items():
        if not isinstance(value, _OPTIONS.get(name, object)):
            raise RecordError(f"its option {name!r:.40} is not what it should be")
    facts["version"] = FORMAT
    manifest: Manifest = facts  # type: ignore[assignment]
    return manifest


def write_manifest(manifest: Manifest) -> bytes:
    """The content of ``run.json``."""
    facts = {"version": FORMAT, **manifest}
    return f"{json.dumps(facts, indent=2)}\n".encode("ascii")


def _check_time(text: str | None) -> None:
    try:
        zone = datetime.datetime.fromisoformat(text).tzinfo if text is not None else datetime.UTC
    except ValueError as error:
        raise RecordError("a time is not ISO 8601") from error
    if zone is None:
        raise RecordError("a time has no zone")
