"""Runs that tag without a model, for tests of what comes after."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from genrebeam.pipeline.runs.manifest import Manifest
from genrebeam.pipeline.runs.run import Run, record, start_run
from genrebeam.transforms.tags.rewrite import WritePolicy
from genrebeam.transforms.tags.tag import TagPolicy, write_genres
from tests.conftest import tone, write_audio
from tests.music_files import listed


def make_library(folder: Path, *names: str) -> Path:
    """Songs without a genre, each with a sound of its own."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_audio(path, tone(1, 44100, 1, seed=seed), 44100)
    return folder


def tag_all(home: Path, library: Path, genre: str, paths: Iterable[Path] | None = None) -> Run:
    """A run that gives songs a genre."""
    run = start_run(str(home))
    policy = TagPolicy("replace", write=WritePolicy(library=str(library)))

    def execute() -> None:
        for path in sorted(library.rglob("*.flac")) if paths is None else paths:
            write_genres(listed(Path(os.path.realpath(path))), [genre], run.journal, policy)

    facts: Manifest = {"library": str(library), "options": {"formats": ["flac"], "dry_run": False}}
    record(run, facts, execute, lambda: False)
    return run
