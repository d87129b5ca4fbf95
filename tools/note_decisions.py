#!/usr/bin/env python3
"""Note what the default model says of some tracks, for `tests/whole/test_decisions_stay.py`.

    .venv/bin/python tools/note_decisions.py DATA

DATA has ``songs`` and ``world``. Run it when the model has changed, never to make the test pass
after any other change: work on speed may not change a genre.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from genrebeam import TrackClassifier, load_bundle  # noqa: E402
from genrebeam.transforms.records import Decision  # noqa: E402

NOTED = REPOSITORY / "tests" / "whole" / "golden" / "decisions.json"
_LEAST = 0.005
_FROM_WORLD = 50


def tracks_in(data: Path) -> list[Path]:
    """All songs, and tracks spread over the families of `world`."""
    songs = [path for path in sorted((data / "songs").iterdir()) if path.suffix in (".mp3", ".ogg")]
    world = sorted((data / "world").glob("*/*.opus"))
    return songs + world[:: max(1, len(world) // _FROM_WORLD)][:_FROM_WORLD]


def probabilities(paths: list[Path]) -> dict[str, dict[str, float]]:
    """Genres that are likely at all, by the file's name; empty where there is no decision."""
    with TrackClassifier(load_bundle()) as classifier:
        found = zip(paths, classifier(map(str, paths)), strict=True)
        return {
            path.name: {
                genre: round(value, 4)
                for genre, value in decision.probabilities.items()
                if value >= _LEAST
            }
            if isinstance(decision, Decision)
            else {}
            for path, decision in found
        }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    facts = {
        "model": load_bundle().version,
        "tracks": probabilities(tracks_in(arguments.data)),
    }
    NOTED.write_text(f"{json.dumps(facts, indent=1, sort_keys=True)}\n", encoding="utf-8")
    print(f"{NOTED}: {len(facts['tracks'])} tracks")


if __name__ == "__main__":
    main()
