"""The page of queries: every one runs on reports and answers what it says."""

import dataclasses
import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest

from genrebeam.model.bundle import Bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.pipeline.runs.run import Run
from genrebeam.transforms.records import (
    AudioFacts,
    Decision,
    FileTags,
    Outcome,
    Track,
    TrackError,
    dropped,
)
from genrebeam.transforms.reports.write import RunFacts, row, write_part
from tests import REPOSITORY

PAGE = (REPOSITORY / "docs" / "queries.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sql\n(.+?)```", PAGE, re.DOTALL)
VIEWS = "".join(block for block in BLOCKS if block.startswith("CREATE VIEW"))
SECTIONS = {
    section.partition("\n")[0]: section.partition("\n## ")[0]
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)
}
QUERIES = {
    heading: re.search(r"```sql\n(.+?)```", section, re.DOTALL)[1]
    for heading, section in SECTIONS.items()
    if "```sql" in section and section is not SECTIONS[next(iter(SECTIONS))]
}
SNIPPETS = {
    heading: re.search(r"```python\n(.+?)```", section, re.DOTALL)[1]
    for heading, section in SECTIONS.items()
    if "```python" in section
}
RUNS = ("20261119T101500.123Z-3fa9", "20261120T101500.123Z-1234")


def analysed(
    name: str,
    *probabilities: float,
    before: tuple[str, ...] = (),
    embedding: list[float] | None = None,
    votes: tuple[int, int] = (4, 0),
    status: str = "tagged",
    seconds: float | None = None,
    alone: tuple[str, ...] | None = None,
) -> Outcome:
    """A track of one album that was analysed; two probabilities, of Jazz and Rock."""
    tags = FileTags(Path(name).stem, "Miles", "Blue", before)
    track = Track(f"/m/{name}", Path(name).suffix[1:], 1, 2, tags, AudioFacts(seconds))
    by_genre = dict(zip(("Jazz", "Rock"), probabilities, strict=True))
    guess = max(by_genre, key=by_genre.get)
    decision = Decision(
        track,
        (guess,),
        max(probabilities),
        "mean of 4 segments",
        by_genre,
        dict(zip(by_genre, votes, strict=True)),
        4,
        extract_seconds=1.0,
        classify_seconds=0.5,
        embedding=None if embedding is None else np.array(embedding, np.float32),
        genres_alone=alone,
        tracks_voted=None if alone is None else 3,
        decided_by="audio" if alone is None else "album",
        family_alone=None if alone is None else ("Rock", 0.75),
    )
    return Outcome(
        track,
        status,
        "tag",
        decision.reason,
        genres_after=decision.genres,
        decision=decision,
        write_seconds=0.25,
    )


@pytest.fixture(scope="module")
def folder_with_reports(tmp_path_factory, tiny_bundle) -> Path:
    folder = tmp_path_factory.mktemp("queries")
    broken = dropped(Track("/m/broken.mp3", "mp3"), "decode", TrackError("", "no audio"))
    rows_of_runs = (
        [
            analysed("So What.flac", 0.75, 0.25, before=("Jazz",)),
            analysed("Red.mp3", 0.5, 0.25, before=("Rock",), votes=(2, 2)),
            broken,
        ],
        [
            analysed(
                "So What.flac", 0.8125, 0.1875, before=("Jazz",), embedding=[1, 0, 0], seconds=200
            ),
            analysed("Red.mp3", 0.25, 0.75, before=("Rock",), embedding=[0, 1, 0], seconds=200),
            analysed("New.mp3", 0.875, 0.125, embedding=[4, 1, 0], seconds=201, alone=("Rock",)),
            broken,
        ],
    )
    for id, outcomes, model in zip(RUNS, rows_of_runs, ("old", "new"), strict=True):
        run = Run(id, str(folder / "genre-report"))
        for made in (run.tracks, run.folder):
            Path(made).mkdir(parents=True)
        bundle = dataclasses.replace(tiny_bundle, version=model)
        if model == "old":  # of its first two files an engine repeated the work
            before = [row(outcome, RunFacts(bundle, "settings")) for outcome in outcomes[:2]]
            write_part(before, run.tracks, run.folder)
        rows = [row(outcome, RunFacts(bundle, "settings")) for outcome in outcomes]
        write_part(rows, run.tracks, run.folder)
        run.write_manifest({"run": id, "seconds": 7.2, "library": "/m"})
    return folder


ANSWERS = {
    "What changed in the last run?": [
        ("/m/New.mp3", None, "tagged", [], ["Jazz"]),
        ("/m/Red.mp3", "tagged", "tagged", ["Jazz"], ["Rock"]),
    ],
    "Which genre became which?": [
        (["Jazz"], ["Jazz"], 2),
        ([], ["Jazz"], 1),
        (["Rock"], ["Jazz"], 1),
        (["Rock"], ["Rock"], 1),
    ],
    "What did the library's own genres decide?": [
        ("Miles", "New", "album", "Rock", 0.75, ["Jazz"])
    ],
    "Where did an album outvote a track?": [("Miles", "Blue", "New", ["Rock"], ["Jazz"], 3)],
    "On which albums do tracks disagree?": [("Miles", "Blue", 3, {"Jazz": 2, "Rock": 1})],
    "In which tracks is there no majority?": [("Miles", "Red", 4, {"Jazz": 2, "Rock": 2})],
    "Which files failed in every run?": [("/m/broken.mp3", 2, "no audio")],
    "Is its confidence calibrated?": [(0.5, 1, 0.5, 0), (0.7, 2, 0.75, 1), (0.8, 1, 0.81, 1)],
    "Which genres does it confuse?": [("Jazz", 2, 0), ("Rock", 1, 1)],
    "Where do two models differ?": [("old", "new", 2, 0.5, 0.16)],
    "Which tracks sound like this one?": [
        ("Miles", "New", 0.97),
        ("Miles", "Red", 0),
    ],
    "What would make a playlist like this track?": [("/m/So What.flac",), ("/m/New.mp3",)],
    "Which files could hold one recording?": [("/m/So What.flac", "/m/New.mp3", 0.97)],
    "How fast was each run, and where did the time go?": [
        (RUNS[0], 2, 7.2, 1000, 2, 1, 0.5),
        (RUNS[1], 3, 7.2, 1500, 3, 1.5, 0.8),
    ],
}


def test_every_query_has_an_answer_here():
    assert list(QUERIES) == list(ANSWERS)


@pytest.mark.parametrize("question", QUERIES)
def test_query_finds_the_answer(folder_with_reports, monkeypatch, question):
    monkeypatch.chdir(folder_with_reports / "genre-report")
    with duckdb.connect() as database:
        database.execute(VIEWS)
        found = database.sql(QUERIES[question]).fetchall()
    assert [tuple(map(_rounded, row)) for row in found] == ANSWERS[question]


def test_after_apply_of_a_dry_run_only_what_it_changed_has_changed(
    folder_with_reports, tmp_path, monkeypatch
):
    reports = tmp_path / "genre-report"
    shutil.copytree(folder_with_reports / "genre-report", reports)
    chosen = Track("/m/Red.mp3", "mp3")
    by_hand = RunFacts(Bundle("", "by hand", "", (), (), FeatureSpec()), "by_hand", "/m")
    dry = dataclasses.replace(by_hand, dry_run=True)
    for id, status, facts in (
        ("20261121T09", "would_tag", dry),
        ("20261121T10", "tagged", by_hand),
    ):
        run = Run(id, str(reports))
        Path(run.tracks).mkdir(parents=True)
        outcome = Outcome(chosen, status, "by_hand", "a person chose it", genres_after=("Ska",))
        write_part([row(outcome, facts)], run.tracks, run.tracks)
    monkeypatch.chdir(reports)
    with duckdb.connect() as database:
        database.execute(VIEWS)
        found = database.sql(QUERIES["What changed in the last run?"]).fetchall()
    assert found == [("/m/Red.mp3", "tagged", "tagged", ["Rock"], ["Ska"])]


def _rounded(value):
    """Parquet's floats are single."""
    return round(value, 4) if isinstance(value, float) else value


@pytest.mark.parametrize("tool", SNIPPETS)
def test_snippet_reads_all_runs(folder_with_reports, monkeypatch, tool):
    for library in re.findall(r"^import (\w+)", SNIPPETS[tool], re.MULTILINE):
        pytest.importorskip(library)
    monkeypatch.chdir(folder_with_reports / "genre-report")
    found = {}
    exec(SNIPPETS[tool], found)
    if "totals" in found:
        totals = found["totals"]
        totals = totals.to_dict() if tool == "pandas" else dict(totals.drop_nulls().rows())
        assert totals == {"Jazz": 2, "Rock": 1}
    elif "failed" in found:
        assert found["failed"]["run"].to_pylist() == list(RUNS)
    else:
        np.testing.assert_array_equal(found["matrix"], [[1, 0, 0], [0, 1, 0], [4, 1, 0]])
