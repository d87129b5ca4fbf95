"""Report page: counts, order, and that any name stays text."""

import datetime
import io
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs.run import Run, rows_of, superseded
from genrebeam.pipeline.views import report_table
from genrebeam.pipeline.views.report_page import write_report_page
from genrebeam.pipeline.views.table_file import COLUMNS, write_csv
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.reports import partitions
from genrebeam.transforms.reports.read import parts_of
from genrebeam.transforms.reports.write import write_part
from genrebeam.transforms.storage import local

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'"
OPTIONS = {
    "existing": "replace",
    "dry_run": False,
    "top_k": 1,
    "min_confidence": 0.25,
    "vote": "mean",
    "segments": 8,
}


def row(uri="/music/a.mp3", status="tagged", **changes):
    """A row of a report; a tagged one has a genre, a confidence and probabilities."""
    analysed = status in ("tagged", "would_tag")
    return {
        "uri": uri,
        "status": status,
        "stage": "tag",
        "reason": "mean of 8 segments",
        "title": None,
        "artist": None,
        "album": None,
        "format": "mp3",
        "duration_s": 60.0,
        "size_bytes": 1,
        "mtime": 0,
        "mtime_ns": 0,
        "genres_before": [],
        "genres_after": ["Jazz"] if analysed else [],
        "confidence": 0.5 if analysed else None,
        "probabilities": [("Rock", 0.3), ("Jazz", 0.5), ("Pop", 0.1), ("Folk", 0.1)]
        if analysed
        else None,
        "model_name": "backbone",
        "model_version": "1",
        "settings": "",
        "finished_at": datetime.datetime.now(datetime.UTC),
        **changes,
    }


def make_run(home, rows, id="20261120T101500.123Z-3fa9", **facts):
    """A run with these rows."""
    run = Run(id, str(home))
    for folder in (run.tracks, run.folder):
        os.makedirs(folder)
    if rows:
        write_part(rows, run.tracks, run.folder)
    printed: Any = {
        "library": "/music",
        "options": OPTIONS,
        "model": {"name": "backbone", "version": "1"},
        "started_at": "2026-11-20T10:15:00.123+00:00",
        "seconds": 75.2,
        "state": "finished",
        **facts,
    }
    run.write_manifest(printed)
    return run


def manifests_of(runs):
    return {run: run.read_manifest() for run in runs}


def write_page(runs, path):
    """Write the page of runs from their reports."""
    write_report_page(runs, rows_of(runs), path)


class Page(HTMLParser):
    """What a browser would make of a page: its text, its scripts, its rows."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.source, self.tags, self.scripts, texts = source, [], [], []
        self.handle_data = texts.append
        self.feed(source)
        self.text = " ".join(" ".join(texts).split())
        (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', source)
        self.data = json.loads(data)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def column(self, name):
        column = self.data["columns"][name]
        return [None if n < 0 else column["values"][n] for n in column["numbers"]]


@pytest.fixture
def page_of(tmp_path):
    def page_of(*rows, **facts):
        path = tmp_path / "report.html"
        write_page([make_run(tmp_path / "reports", rows, **facts)], str(path))
        return Page(path.read_text(encoding="utf-8"))

    return page_of


def test_tells_what_was_done_and_how_to_undo_it(page_of, tmp_path):
    page = page_of(
        row("/music/a.mp3"),
        row("/music/b.mp3", "kept", genres_before=["Folk"], genres_after=["Folk"]),
        row("/music/c.mp3", "failed", stage="decode", reason="all broken"),
    )
    assert "<title>1 of 3 files tagged" in page.source
    assert "files 3 seen in the library" in page.text
    assert "tagged 1 got a new genre kept 1 had a genre already failed 1" in page.text
    assert "backbone 1 classified /music on 20 Nov 2026, 10:15 UTC and took 1 min 15 s" in page.text
    assert "Genres that were there are replaced; mean of 8 segments; at most 1 genre" in page.text
    undo = f"genrebeam undo {tmp_path / 'reports'} --run 20261120T101500.123Z-3fa9"
    assert undo in page.text


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"undone_at": "2026-11-21T08:00:00.000+00:00"}, "undone on 21 Nov 2026, 08:00 UTC"),
        ({"state": "interrupted"}, "Interrupted."),
        ({"state": "running"}, "Unfinished."),
    ],
)
def test_a_run_that_is_not_the_whole_story_says_so(page_of, facts, note):
    assert note in page_of(row(), **facts).text


def test_a_dry_run_has_nothing_to_undo(page_of):
    page = page_of(row(status="would_tag"), options={**OPTIONS, "dry_run": True})
    assert "1 of 1 file would be tagged" in page.text
    assert "A dry run: nothing was written." in page.text
    assert "nothing to undo" in page.text


def test_a_run_without_manifest_has_a_page(tmp_path):
    run = make_run(tmp_path, [row()])
    os.remove(os.path.join(run.folder, "run.json"))
    write_page([run], str(tmp_path / "page.html"))
    assert "1 of 1 file tagged" in (tmp_path / "page.html").read_text()


def test_an_empty_report_has_a_page(page_of):
    page = page_of()
    assert "No file was seen" in page.text
    assert page.data["rows"] == 0


def test_only_failures_have_a_page(page_of):
    reasons = ["all broken", "all broken", "empty file"]
    page = page_of(
        *(row(f"/m/{i}.mp3", "failed", stage="decode", reason=r) for i, r in enumerate(reasons))
    )
    assert "3 files left as they were, for 2 reasons." in page.text
    assert page.text.index("all broken") < page.text.index("empty file")
    assert {"/m/0.mp3", "/m/1.mp3", "/m/2.mp3"} <= set(page.text.split())
    assert "How sure the model was" not in page.text


def test_a_refusal_by_the_vote_is_no_problem_but_a_read_only_file_is(page_of):
    page = page_of(
        row("/m/a.mp3", "refused", stage="vote", reason="no majority"),
        row("/m/b.mp3", "refused", stage="tag", reason="read-only"),
    )
    assert "1 file left as they were" in page.text
    assert page.column("reason") == ["no majority", "read-only"]


def test_tracks_that_were_not_analysed_have_a_page(page_of):
    page = page_of(row(status="kept", genres_before=["Folk"], genres_after=["Folk"]))
    assert page.data["confidence"] == [-1]
    assert page.data["best"] == [[]]
    assert "How sure the model was" not in page.text
    assert "Folk 1 track" in page.text


def test_least_certain_first_then_failures_then_the_rest(page_of):
    page = page_of(
        row("/m/kept.mp3", "kept"),
        row("/m/sure.mp3", confidence=0.9),
        row("/m/failed.mp3", "failed"),
        row("/m/unsure.mp3", confidence=0.2),
        row("/m/nan.mp3", confidence=float("nan"), probabilities=[("Jazz", float("nan"))]),
    )
    files = page.column("file")
    assert files[:3] == ["unsure.mp3", "sure.mp3", "failed.mp3"]
    assert page.data["confidence"] == [200, 900, -1, -1, -1]


def test_a_confidence_just_above_one_is_in_the_last_bar(page_of):
    page = page_of(row(confidence=1.0000001))
    titles = [attributes.get("title") for _, attributes in page.tags]
    assert "95\u00a0% to 100\u00a0%: 1 track" in titles


def test_the_three_best_genres_are_there(page_of):
    data = page_of(row()).data
    (best,) = data["best"]
    assert [data["genres"][number] for number in best[::2]] == ["Jazz", "Rock", "Pop"]
    assert best[1::2] == [500, 300, 100]


def test_numbers_of_texts_sort_as_the_texts_do(page_of):
    titles = ["Zebra", "elan", "Élan vital", "apple", "Ärger"]
    page = page_of(*(row(f"/m/{i}.mp3", title=title) for i, title in enumerate(titles)))
    assert page.data["columns"]["title"]["values"] == [
        "apple",
        "Ärger",
        "elan",
        "Élan vital",
        "Zebra",
    ]


def test_a_blank_title_gives_way_to_the_file_name(page_of):
    page = page_of(row("/m/a.mp3", title="  "), row("/m/b.mp3", title="B"))
    assert sorted(page.column("title")) == ["B", "a.mp3"]


def test_new_genres_are_reported_from_those_that_were_there(page_of):
    page = page_of(
        row("/m/a.mp3", genres_before=["Folk"], genres_after=["Folk", "Jazz"]),
        row("/m/b.mp3", genres_before=["Jazz"], genres_after=["Jazz"]),
    )
    assert "Jazz 2 tracks, 1 of them new" in page.text
    assert "Folk 1 track" in page.text


def test_most_divided_albums_come_first(page_of):
    def album(name, *genres, folder="m"):
        return [
            row(f"/{folder}/{name}/{i}.mp3", album=name, artist=f"A{i}", genres_after=[genre])
            for i, genre in enumerate(genres)
        ]

    page = page_of(
        *album("Mostly", "Jazz", "Jazz", "Jazz", "Pop"),
        *album("Torn", "Jazz", "Pop", "Rock"),
        *album("United", "Jazz", "Jazz"),
        *album("Alone", "Jazz"),
        *album("Alone", "Pop", folder="other"),
    )
    assert "2 of 3 albums with several tracks have more than one genre." in page.text
    names = [attributes["data-album"] for _, attributes in page.tags if "data-album" in attributes]
    assert names == ["Torn", "Mostly"]
    assert "Various artists" in page.text
    assert "3 of 4" in page.text


def test_of_many_runs_the_latest_row_of_a_file_counts(tmp_path):
    runs = [
        make_run(tmp_path / "two", [row("/m/a.mp3", "failed"), row("/m/b.mp3")], "2026-2"),
        make_run(tmp_path / "one", [row("/m/a.mp3"), row("/m/c.mp3", confidence=0.1)], "2026-1"),
    ]
    write_page(runs, str(tmp_path / "page.html"))
    page = Page((tmp_path / "page.html").read_text())
    assert "2 of 3 files tagged" in page.text
    rows = dict(zip(page.column("file"), page.column("status"), strict=True))
    assert rows == {"a.mp3": "failed", "b.mp3": "tagged", "c.mp3": "tagged"}
    assert [page.data["runs"][i] for i in page.data["run"]] == ["2026-1", "2026-2", "2026-2"]
    assert "After 2 runs" in page.text
    assert "2 tagged" in page.text
    assert f"genrebeam undo {tmp_path / 'one'} --run 2026-1" in page.text


def test_a_file_that_was_gone_when_the_whole_library_was_seen_is_left_out(tmp_path):
    counts = {"counts": {"tagged": 1}}
    whole = {"options": OPTIONS | {"formats": sorted(FORMATS)}, **counts}
    first, second, third = (f"2026112{day}T000000.000Z-3fa9" for day in range(3))
    gone, there, part = row("/music/a.mp3"), row("/music/b.mp3"), row("/music/c.mp3")
    runs = [make_run(tmp_path, [gone, there], first, **whole)]
    runs.append(make_run(tmp_path, [there], second, **whole))
    assert superseded(manifests_of(runs)) == {first}
    runs.append(make_run(tmp_path, [part], third, **whole, paths=["/music/c.mp3"]))
    assert superseded(manifests_of(runs)) == {first}
    write_page(runs, str(tmp_path / "page.html"))
    page = Page((tmp_path / "page.html").read_text())
    assert sorted(page.column("file")) == ["b.mp3", "c.mp3"]
    stream = io.StringIO()
    write_csv(
        rows_of(runs, COLUMNS[:-1]),
        [run.id for run in runs],
        stream,
        superseded(manifests_of(runs)),
    )
    assert "a.mp3" not in stream.getvalue()


def test_a_row_that_nothing_has_changed_leaves_the_row_of_the_run_before(tmp_path):
    same = row(status="unchanged", stage="skip", genres_before=["Jazz"], genres_after=["Jazz"])
    runs = [make_run(tmp_path, [row()], "1"), make_run(tmp_path, [same], "2")]
    write_page(runs, str(tmp_path / "page.html"))
    page = Page((tmp_path / "page.html").read_text())
    assert page.column("status") == ["tagged"]
    assert page.data["best"] != [[]]
    write_page(runs[1:], str(tmp_path / "page.html"))
    assert Page((tmp_path / "page.html").read_text()).column("status") == ["unchanged"]


def test_a_huge_run_shows_its_least_certain_tracks(page_of, monkeypatch):
    monkeypatch.setattr(report_table, "_MOST_ROWS", 2)
    page = page_of(*(row(f"/m/{i}.mp3", confidence=1 - i / 10) for i in range(4)))
    assert page.column("file") == ["3.mp3", "2.mp3"]
    assert "The table has 2 of 4 tracks: " in page.text
    assert "The Parquet files have all; docs/queries.md shows how" in page.text


def test_a_huge_run_shows_first_what_failed_was_refused_or_was_changed(page_of, monkeypatch):
    monkeypatch.setattr(report_table, "_MOST_ROWS", 4)
    page = page_of(
        *(row(f"/m/same {i}.mp3", "unchanged", confidence=0.1) for i in range(9)),
        row("/m/new.mp3", confidence=0.9),
        row("/m/broken.mp3", status="failed"),
        row("/m/doubtful.mp3", status="refused", stage="vote", confidence=0.3),
    )
    assert page.column("file") == ["same 0.mp3", "doubtful.mp3", "new.mp3", "broken.mp3"]
    assert "The table has 4 of 12 tracks" in page.text


def test_a_page_of_rows_that_do_not_fit_in_memory_is_the_same(tmp_path, monkeypatch):
    def rows(run):
        for number in range(60):
            artist, album = f"Artist {number % 11}", f"Album {number % 3}"
            genres = {
                "genres_before": ["Folk"],
                "genres_after": ["Folk", "Jazz", "Rock"][number % 2 :],
            }
            yield row(f"/m/{artist}/{album}/{number}.mp3", artist=artist, album=album, **genres)
            yield row(f"/m/{artist}/{run}{number}.mp3", "failed", reason=f"bad {number % 4}")
            yield row(f"/m/{artist}/no{number}.mp3", "refused", confidence=number / 100)
            yield row(f"/m/{artist}/as{number}.mp3", "unchanged", stage="skip")

    runs = [make_run(tmp_path, list(rows(id)), id) for id in "12"]
    for run in runs:  # reported twice
        write_part([row("/m/twice.mp3"), row("/m/twice.mp3", "kept")], run.tracks, run.folder)
    monkeypatch.setattr(report_table, "_MOST_ROWS", 90)
    found = []
    for most in (1_000_000, 50):
        monkeypatch.setattr(partitions, "_MOST_IN_MEMORY", most)
        write_page(runs, str(tmp_path / "page.html"))
        found.append((tmp_path / "page.html").read_text())
    assert found[0] == found[1]
    assert "The table has 90 of 301 tracks" in Page(found[0]).text


def test_any_name_stays_text(page_of):
    page = page_of(
        row(
            f"/music/{HOSTILE}/{HOSTILE}.mp3",
            title=HOSTILE,
            artist=HOSTILE,
            album=HOSTILE,
            genres_before=[HOSTILE],
            genres_after=[HOSTILE],
            probabilities=[(HOSTILE, 0.5)],
        ),
        row(
            f"/music/{HOSTILE}/b.mp3",
            artist=HOSTILE,
            album=HOSTILE,
        ),
        row(f"/music/{HOSTILE}.mp3", "failed", reason=HOSTILE),
        library=HOSTILE,
    )
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.tags)
    assert HOSTILE in page.column("title")
    assert [HOSTILE] in page.column("after")
    assert page.text.count(HOSTILE) >= 5


def test_only_its_own_script_may_run_and_nothing_is_fetched(page_of):
    page = page_of(row())
    (policy,) = (t["content"] for _, t in page.tags if "http-equiv" in t)
    assert "default-src 'none'; script-src 'sha256-" in policy
    addresses = [t.get("href") or t.get("src") for _, t in page.tags if {"href", "src"} & set(t)]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page.source) == []
    assert "url(" not in page.source


def test_paths_that_are_no_text_can_be_shown(tmp_path):
    home = os.path.join(tmp_path, os.fsdecode(b"caf\xe9"))
    run = make_run(home, [row("/m/caf\\udce9.mp3")])
    path = os.path.join(home, "report.html")
    write_page([run], path)
    page = Page(Path(path).read_bytes().decode("utf-8"))
    assert page.column("file") == ["caf\\udce9.mp3"]
    assert "caf\\udce9' --run" in page.text


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=4, max_size=4))
def test_texts_come_through_as_they_are(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("run")
    title, artist, genre, reason = texts
    tracks = [
        row(f"/m/{i}.mp3", title=title, artist=artist, genres_after=[g], reason=reason)
        for i, g in enumerate([genre, "Jazz"])
    ]
    write_page([make_run(folder, tracks)], str(folder / "page.html"))
    page = Page((folder / "page.html").read_bytes().decode("utf-8"))
    assert set(page.column("artist")) == {artist if artist.strip() else None}
    assert [genre] in page.column("after")
    assert set(page.column("reason")) == {reason}
    assert sum(tag == "script" for tag, _ in page.tags) == 2


def test_headers_that_lie_do_no_harm(page_of):
    lengths = [1e300, float("inf"), float("nan"), -1.0, None]
    page = page_of(*(row(f"/m/{i}.mp3", duration_s=length) for i, length in enumerate(lengths)))
    assert page.data["seconds"] == [-1] * 5


def test_a_part_that_cannot_be_read_is_left_out_with_a_warning(tmp_path, caplog):
    run = make_run(tmp_path, [row()])
    (Path(run.tracks) / "part-0.parquet").write_bytes(b"PAR1 no more")
    with caplog.at_level("WARNING", logger="genrebeam"):
        write_page([run], str(tmp_path / "page.html"))
    assert "part-0.parquet cannot be read" in caplog.text
    assert "1 of 1 file tagged" in (tmp_path / "page.html").read_text()


def test_a_report_that_lacks_a_column_has_a_page(tmp_path):
    run = make_run(tmp_path, [row()])
    (part,) = parts_of(run.tracks)
    pq.write_table(pq.ParquetFile(part).read().drop_columns(["confidence", "album"]), part)
    write_page([run], str(tmp_path / "page.html"))
    assert Page((tmp_path / "page.html").read_text()).data["confidence"] == [-1]


def test_a_page_that_cannot_be_finished_leaves_the_old_one(page_of, tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")
    before = set(tmp_path.iterdir())

    def full(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(local.os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        page_of(row())
    assert (tmp_path / "report.html").read_text() == "old"
    assert set(tmp_path.iterdir()) - before == {tmp_path / "reports"}


def test_the_command_makes_one_page_of_all_runs(tmp_path, capsys):
    make_run(tmp_path / "a", [row("/m/a.mp3")], "1")
    make_run(tmp_path / "b", [row("/m/b.mp3")], "2")
    homes = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["report", *homes]) == 0
    path = tmp_path / "a" / "report.html"
    assert capsys.readouterr().out == f"page: {path}\n"
    assert "2 of 2 files tagged" in path.read_text()
    assert main(["report", *homes, "--run", "run=2", "--out", str(tmp_path / "one.html")]) == 0
    assert "1 of 1 file tagged" in (tmp_path / "one.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["{home}/none"], "{home}/none: cannot be read"),
        (["{home}"], "{home}: has no run"),
        (["{home}/a", "--run", "2"], "{home}/a: has no run 2"),
        (["{home}/a", "--out", "{home}/none/page.html"], "none/page.html: cannot be written"),
        (["{home}/a", "--out", "{home}/a"], "{home}/a: cannot be written (Is a directory)"),
        (["{home}/a", "--bold"], "unknown option or argument: --bold"),
    ],
)
def test_wrong_usage_of_the_command_is_one_line(tmp_path, capsys, arguments, complaint):
    make_run(tmp_path / "a", [row()], "1")
    assert main(["report", *(argument.format(home=tmp_path) for argument in arguments)]) == 2
    shown = capsys.readouterr()
    assert complaint.format(home=tmp_path) in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""
