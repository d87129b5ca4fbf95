#!/usr/bin/env python3
"""The map of a library: how true it is, what it costs, and how smooth it is to use.

    .venv/bin/python benchmarks/speed/map.py REPORT_DIR [TRACKS ...]

REPORT_DIR has the embeddings of real music. First comes that music's own map, then maps of made-up
libraries (default 1,000, 10,000 and 50,000 tracks): each artist lies between two real tracks of one
family, and an artist's tracks lie around him, apart by differences of real tracks. One JSON object
a map:

- ``trustworthiness`` (scikit-learn's, of 10 neighbours among at most 3,000 tracks);
  ``same_family``: of a track's 10 nearest on the map, those of its family
  (``same_family_by_ear``: of its 10 nearest by all numbers of the embedding); ``kept``: of these
  10, those that are among the 10 on the map;
- ``make_s``, ``cpu_s`` and ``peak_MB`` of ``genrebeam map`` in a process of its own;
- with Debian's chromium and Playwright at hand, what the page costs there, in ms and the median
  of three loads: first paint, loaded, the script's part of a picture (``paint``, and the slowest
  of 60 steps of zooming and moving), the whole of such a step until the next picture (``frame``:
  the screen's 60 a second are 16.7 ms), the slowest search, a lasso around a fifth of the map,
  and what is under the mouse; then the same on a phone's screen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.speed.in_chromium import SCREEN, SEARCH, TIMED, medians  # noqa: E402
from genrebeam.pipeline.by_ear import map as by_ear_map  # noqa: E402
from genrebeam.pipeline.by_ear.analysed import analysed_tracks  # noqa: E402
from genrebeam.pipeline.runs.run import start_run  # noqa: E402
from genrebeam.transforms.reports.write import write_part  # noqa: E402

WORDS = ("night", "blue", "river", "stone", "glass", "echo", "summer", "café", "Straße", "夜")
PER_ARTIST = 15
K = 10
LOADS = 3


def real_music(report: str) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings ``(n, d) float32`` and families of what a report has analysed."""
    analysed = analysed_tracks(report, ("family",))
    _, embeddings = by_ear_map._embeddings(analysed, np.arange(len(analysed.tracks)))
    return embeddings, np.array(analysed.tracks["family"].to_pylist())


def made_up(
    real: np.ndarray, families: np.ndarray, n_tracks: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, families and artists of a library of `n_tracks`."""
    chance = np.random.default_rng(0)
    n_artists = n_tracks // PER_ARTIST + 1
    one = chance.integers(len(real), size=n_artists)
    other = np.array([chance.choice(np.flatnonzero(families == families[i])) for i in one])
    share = chance.beta(2, 2, (n_artists, 1)).astype(np.float32)

    def differences(n: int) -> np.ndarray:
        pairs = chance.integers(len(real), size=(2, n))
        return np.asarray(real[pairs[0]] - real[pairs[1]])

    artists = share * real[one] + (1 - share) * real[other] + 0.3 * differences(n_artists)
    artist = np.sort(chance.integers(n_artists, size=n_tracks))
    noise = chance.standard_normal((n_tracks, real.shape[1]), np.float32) * real.std(axis=0)
    tracks = artists[artist] + 0.35 * differences(n_tracks) + 0.2 * noise
    return tracks.astype(np.float32), families[one][artist], artist


def write_report(home: Path, n_tracks: int, real: np.ndarray, families: np.ndarray) -> None:
    """A run over a made-up library, whose files are there and empty."""
    tracks, genres, artists = made_up(real, families, n_tracks)
    chance = np.random.default_rng(1)
    run = start_run(str(home / "reports"))
    music = home / "Music"
    rows: list[dict[str, Any]] = []
    for number in range(n_tracks):
        title = " ".join(chance.choice(WORDS, 3)).title()
        folder = music / f"Artist {artists[number]}" / f"Album {chance.integers(2)}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{number:05} {title}.mp3"
        path.touch()
        rows.append(
            {
                "uri": str(path),
                "status": "would_tag",
                **dict.fromkeys(("stage", "reason", "settings"), ""),
                "title": title,
                "artist": folder.parent.name,
                "album": folder.name,
                "format": "mp3",
                "duration_s": float(chance.uniform(60, 400)),
                **dict.fromkeys(("size_bytes", "mtime", "mtime_ns", "finished_at"), 0),
                "genres_before": [],
                "genres_after": [str(genres[number])],
                "model_name": "made up",
                "model_version": "1",
                "extract_s": 1.0,
                "embedding": tracks[number],
            }
        )
        if len(rows) == 10_000 or number == n_tracks - 1:
            write_part(rows, run.tracks, run.folder)
            rows = []
    run.write_manifest({"run": run.id, "state": "finished", "library": str(music), "options": {}})


def quality(report: str) -> dict[str, float]:
    """How true the map is to the embeddings."""
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    analysed = analysed_tracks(report, by_ear_map.MORE_FACTS)
    embeddings = by_ear_map._embeddings(
        analysed, np.argsort(analysed.tracks["uri"].to_numpy(zero_copy_only=False))
    )[1]
    found = by_ear_map.map_of_library(analysed, [])
    families = np.array(found.families)
    some = np.random.default_rng(0).permutation(len(embeddings))[:3000]

    def nearest(points: np.ndarray) -> np.ndarray:
        k_nearest = NearestNeighbors(n_neighbors=K + 1).fit(points)
        return np.asarray(k_nearest.kneighbors(points[some[:1000]], return_distance=False)[:, 1:])

    by_ear, on_map = nearest(embeddings), nearest(found.places)
    own = families[some[:1000], None]
    shared = [len({*a} & {*b}) / K for a, b in zip(by_ear, on_map, strict=True)]
    trust = trustworthiness(embeddings[some], found.places[some], n_neighbors=K)
    return {
        "trustworthiness": round(float(trust), 3),
        "same_family_by_ear": round(float((families[by_ear] == own).mean()), 3),
        "same_family": round(float((families[on_map] == own).mean()), 3),
        "kept": round(float(np.mean(shared)), 2),
    }


def cost(report: str, page: Path) -> dict[str, float]:
    """Time and memory of the command."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "genrebeam", "map", "--report", report, "--out", str(page)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return {
        "make_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_MB": usage.ru_maxrss // 1000,
        "page_MB": round(page.stat().st_size / 1e6, 2),
    }


_MEASURE = (
    f"async () => {{{TIMED}{SEARCH}"
    """
  const steps = Array.from({ length: 60 }, (_, step) => {
    zoomBy(step < 30 ? 1.1 : 1 / 1.1);
    moveBy(step % 7, step % 5);
    return timed(paint);
  });
  const frames = [];
  for (let step = 0; step < 60; step++) {
    const start = performance.now();
    zoomBy(step < 30 ? 1.1 : 1 / 1.1);
    moveBy(step % 7, step % 5);
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - start);
  }
  frames.sort((a, b) => a - b);
  showWhole();
  const [w, h] = [view.width, view.height];
  const corners = Array.from({ length: 200 }, (_, i) => [
    w / 2 + (w / 4) * Math.cos(i / 31.8), h / 2 + (h / 4) * Math.sin(i / 31.8),
  ]);
  return {
    first_paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    loaded: performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart,
    paint: steps.toSorted((a, b) => a - b)[30],
    paint_slowest: Math.max(...steps),
    frame: frames[30],
    frame_slowest_of_20: frames[56],
    search: Math.max(...["e", "river", "blue stone", "CAFE", "no such", ""].map(search)),
    lasso: timed(() => inside(corners)),
    mouse: timed(() => nearestTo(w / 2, h / 2, 10)),
  };
}"""
)


def use(page_path: Path) -> dict[str, float]:
    """The page in Chromium."""
    phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
    screens = {"": SCREEN, "phone_": phone}
    found = medians(page_path, [_MEASURE], loads=LOADS, screens=screens)
    return {f"{measure}_ms": round(value, 1) for measure, value in found.items()}


def main() -> None:
    report, *sizes = sys.argv[1:]
    real, families = real_music(report)
    with tempfile.TemporaryDirectory(prefix="map-") as place:
        page = Path(place) / "map.html"
        found = {"tracks": len(real), **cost(report, page), **use(page), **quality(report)}
        print(json.dumps(found), flush=True)
        for n_tracks in [int(size) for size in sizes] or [1_000, 10_000, 50_000]:
            home = Path(place) / str(n_tracks)
            write_report(home, n_tracks, real, families)
            found = {"tracks": n_tracks, **cost(str(home / "reports"), page), **use(page)}
            print(json.dumps({**found, **quality(str(home / "reports"))}), flush=True)


if __name__ == "__main__":
    main()
