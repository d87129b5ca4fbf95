#!/usr/bin/env python3
"""Make the report page of synthetic runs and measure it: size, time, and how fast it is to use.

    .venv/bin/python benchmarks/speed/report_page.py [ROWS ...]

Prints one JSON object for each number of rows (default 1,000 and 50,000). With Debian's
chromium and Playwright at hand, also the time to first paint (from the start of navigation),
until the table is there, of the slowest of some searches and sorts, and of a review: the
slowest of 100 keys before and after all rows have a choice, loading a file of all choices, and
keeping it; all in ms, the median of five loads. ``heap_mb`` is the script's memory at the end.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.speed.in_chromium import SCREEN, SEARCH, TIMED, medians  # noqa: E402
from genrebeam.pipeline.runs.run import Run, rows_of, start_run  # noqa: E402
from genrebeam.pipeline.views.report_page import write_report_page  # noqa: E402
from genrebeam.transforms.reports.write import write_part  # noqa: E402

GENRES = ("Blues", "Classical", "Country", "Disco", "Hip-Hop", "Jazz", "Metal", "Pop", "Rock")
WORDS = (
    *("night", "blue", "river", "stone", "glass", "echo", "summer", "winter", "light", "paper"),
    *("silver", "garden", "moon", "fire", "road", "ocean", "house", "dream", "shadow", "wild"),
    *("golden", "broken", "quiet", "café", "señor", "Straße", "夜", "Ελλάδα"),
)
LOADS = 5


def make_run(home: Path, n_rows: int) -> Run:
    """Rows as a run over a plausible library leaves them: albums of twelve tracks."""
    run = start_run(str(home))
    chance = np.random.default_rng(0)

    def name(words: int) -> str:
        return " ".join(chance.choice(WORDS, words)).title()

    rows: list[dict[str, Any]] = []
    for i in range(n_rows):
        if i % 12 == 0:
            if i % 48 == 0:
                artist = name(2)
            album, style = name(3), chance.integers(len(GENRES))
        if i % 10_000 == 0 and rows:
            write_part(rows, run.tracks, run.folder)
            rows = []
        title = name(3)
        p = chance.dirichlet(np.where(np.arange(len(GENRES)) == style, 3, 0.3)).astype(float)
        best, failed = int(p.argmax()), bool(chance.random() < 0.005)
        track = f"{i % 12 + 1:02d} {title}.mp3"
        before = [GENRES[chance.integers(len(GENRES))]] if chance.random() < 0.3 else []
        rows.append(
            {
                "uri": f"/home/somebody/Music/{artist}/{album}/{track}",
                "status": "failed" if failed else "tagged",
                "stage": "decode" if failed else "tag",
                "reason": "no audio could be decoded" if failed else "mean of 8 segments",
                "title": title,
                "artist": artist,
                "album": album,
                "format": "mp3",
                "duration_s": float(chance.uniform(60, 400)),
                "size_bytes": 5_000_000,
                "mtime": 0,
                "mtime_ns": 0,
                "genres_before": before,
                "genres_after": before if failed else [GENRES[best]],
                "confidence": None if failed else p[best],
                "probabilities": None if failed else list(zip(GENRES, p, strict=True)),
                "model_name": "genrebeam-default",
                "model_version": "0",
                "settings": "",
                "finished_at": datetime.datetime.now(datetime.UTC),
            }
        )
    write_part(rows, run.tracks, run.folder)
    return run


# Searches and sorts are over when the new rows are in the table; layout is forced to count it.
_MEASURE = (
    f"() => {{{TIMED}{SEARCH}"
    """
  const texts = ["e", "ri", "river", "river stone", "CAFE", "no such", ""];
  const heads = [...document.querySelectorAll("[data-sort] button")];
  return {
    first_paint_ms: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    loaded_ms: performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart,
    search_ms: Math.max(...texts.map(search)),
    sort_ms: Math.max(...[...heads, ...heads].map((head) => timed(() => head.click()))),
  };
}"""
)


# `corrections`, `load`, `keep` and `data` are the page's own (see templates/review.js).
_REVIEW = (
    f"() => {{{TIMED}"
    """
  const press = (key) => timed(() => {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  });
  const slowest = (keys) =>
    Math.max(...Array.from({ length: 100 }, (_, i) => press(keys[i % keys.length])));
  document.getElementById("reviewing").click();
  const first = slowest("a1jA2nku");
  const all = JSON.stringify({
    genrebeam_corrections: 1,
    choices: Array.from(
      { length: data.rows }, (_, row) => ({ uri: uriOf(row), genres: ["Zeuhl"] })
    ),
  });
  const load_ms = timed(() => load(all));
  const full = slowest("a1jA2xku");
  const text = corrections();
  return {
    key_ms: first,
    key_when_all_chosen_ms: full,
    load_all_ms: load_ms,
    keep_all_ms: timed(keep),
    save_all_ms: timed(corrections),
    saved_mb: text.length / 1e6,
    heap_mb: performance.memory.usedJSHeapSize / 1e6,
  };
}"""
)


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [1_000, 50_000]
    for n_rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            run = make_run(Path(folder), n_rows)
            path = Path(folder) / "report.html"
            seconds = []
            for _ in range(3):
                started = time.perf_counter()
                write_report_page([run], rows_of([run]), str(path))
                seconds.append(time.perf_counter() - started)
            figures: dict[str, float] = {
                "rows": n_rows,
                "size_mb": round(os.path.getsize(path) / 1e6, 2),
                "first_make_s": round(seconds[0], 2),
                "make_s": round(min(seconds), 2),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
            }
            found = medians(
                *(path, [_MEASURE, _REVIEW]),
                loads=LOADS,
                screens={"": SCREEN},
                options=["--enable-precise-memory-info"],
            )
            figures |= {measure: round(value) for measure, value in found.items()}
            print(json.dumps(figures))


if __name__ == "__main__":
    main()
