"""A run's folder: names that sort by time, a manifest that is true whatever happens."""

import dataclasses
import json
import os
import time

import pytest

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.job import TaggingJob
from genrebeam.pipeline.options.option import declared_in
from genrebeam.pipeline.options.tagging import TaggingOptions
from genrebeam.pipeline.runs.journal import Journal
from genrebeam.pipeline.runs.run import (
    close_run,
    find_run,
    known_runs,
    record_run,
    runs_before,
    start_run,
)
from genrebeam.transforms.records import Outcome, Track
from genrebeam.transforms.reports.write import RunFacts, row, write_part
from genrebeam.transforms.tags.change import Change


@pytest.fixture
def job(tiny_bundle, tmp_path) -> TaggingJob:
    options = TaggingOptions(
        report=str(tmp_path),
        formats=("mp3",),
        level="style",
        min_confidence=0.0,
        vote="mean",
        segments="all",
        processes=2,
    )
    return TaggingJob("/music", tiny_bundle, options)


def changed(job, **options) -> TaggingJob:
    return dataclasses.replace(job, options=dataclasses.replace(job.options, **options))


def test_later_runs_sort_after_earlier_ones(tmp_path):
    runs = []
    for _ in range(5):
        runs.append(start_run(str(tmp_path)))
        time.sleep(0.002)
    assert [run.id for run in runs] == sorted(run.id for run in runs)


def past(job, *, interrupted=False, **changes):
    """A run that was."""
    run = start_run(job.report)

    def see_a_file():
        outcome = Outcome(Track("/music/a.mp3", "mp3"), "kept", "read_tags", "")
        write_part([row(outcome, RunFacts(job.bundle, "settings"))], run.tracks, run.folder)

    record_run(run, changed(job, **changes), see_a_file, lambda: interrupted)
    time.sleep(0.002)
    return run


def seen_before(job, now=None):
    return [run for run, _, still_holds in runs_before(job, now) if still_holds]


@pytest.fixture
def libraries_are_there(monkeypatch) -> None:
    monkeypatch.setattr("genrebeam.pipeline.runs.run.os.path.lexists", lambda path: True)


def test_asks_runs_back_to_the_last_that_saw_the_whole_library(job, libraries_are_there):
    past(job)
    whole = past(job)
    stopped = past(job, interrupted=True)
    past(dataclasses.replace(job, library="/other"))
    part = past(job, formats=("mp3",))
    all_formats = changed(job, formats=("flac", "mp3"))
    now = start_run(job.report)
    assert seen_before(job, now) == [part]
    assert seen_before(dataclasses.replace(job, library="/third"), now) == []
    wide = past(all_formats)
    now = start_run(job.report)
    assert seen_before(all_formats, now) == [wide]
    assert whole.id < stopped.id < part.id < wide.id


def known(job):
    now = start_run(job.report)
    return {id: tuple(facts) for _, id, *facts in known_runs(job, now) if id != now.id}


def test_asks_runs_over_what_is_in_a_library_or_around_it(job, libraries_are_there):
    around = past(job)
    album = past(dataclasses.replace(job, library="/music/album"))
    assert seen_before(job) == [album, around]
    assert seen_before(dataclasses.replace(job, library="/music/album")) == [album]
    assert seen_before(dataclasses.replace(job, library="/music/other")) == [around]


def test_asks_runs_over_a_library_that_is_gone(job):
    gone = past(job)
    assert seen_before(dataclasses.replace(job, library="/moved")) == [gone]


def test_a_dry_run_does_not_hide_what_files_were_given_before_it(job):
    real = past(job)
    past(job, dry_run=True)
    dry = past(job, dry_run=True)
    assert seen_before(job) == [dry, real]


def test_what_was_before_an_undo_tells_what_files_were_given_and_settles_nothing(job):
    undone = past(job)
    undone.mark_undone()
    time.sleep(0.002)
    later = past(job, interrupted=True)
    assert seen_before(job) == [later]
    assert known(job) == {later.id: (True, ""), undone.id: (False, "")}
    anew = changed(job, incremental=False)
    assert known(anew) == {later.id: (False, ""), undone.id: (False, "")}


def test_of_a_library_around_an_album_the_albums_rows_are_read(job, libraries_are_there):
    around = past(job)
    assert known(dataclasses.replace(job, library="/music/album")) == {
        around.id: (True, "/music/album")
    }


def test_an_interrupted_run_does_not_hide_those_before_it(job):
    whole = past(job)
    stopped = past(job, interrupted=True)
    assert seen_before(job, start_run(job.report)) == [stopped, whole]


def test_a_run_over_what_had_failed_does_not_hide_those_before_it(job):
    whole = past(job)
    retry = past(job, retry_failed=True)
    assert seen_before(job) == [retry, whole]


def test_a_run_over_parts_of_a_library_has_seen_these_parts_alone(job):
    whole = past(job)
    parts = dataclasses.replace(job, paths=("/music/a", "/music/b.mp3"))
    some = past(parts)
    assert seen_before(job) == [some, whole]
    assert seen_before(parts) == [some]
    assert seen_before(dataclasses.replace(job, paths=("/music/b.mp3",))) == [some]
    assert seen_before(dataclasses.replace(job, paths=("/music/c",))) == [some, whole]


def test_a_library_without_reports_has_no_seen_before(job, tmp_path):
    assert seen_before(changed(job, report=str(tmp_path / "missing"))) == []


def test_other_things_in_the_home_are_no_runs(job, tmp_path):
    for folder in (tmp_path / "runs", tmp_path):
        (folder / "run=0").mkdir(parents=True)
        (folder / "run=1").mkdir()
        (folder / "run=1" / "run.json").write_text("{")
        (folder / "run=notes.txt").touch()
    (tmp_path / "old").mkdir()
    assert seen_before(job, start_run(str(tmp_path))) == []
    with pytest.raises(UsageError, match="has no run 0"):
        find_run(str(tmp_path), "0")


def test_only_parts_of_reports_are_where_tools_look(job, tmp_path):
    past(job)
    files = [path for path in (tmp_path / "tracks").rglob("*") if path.is_file()]
    assert [path.suffix for path in files] == [".parquet"]


def test_a_run_that_was_launched_is_closed_by_its_job(job):
    run = start_run(job.report)
    assert record_run(run, job, lambda: True, lambda: False).manifest["state"] == "launched"
    assert seen_before(job) == [run]
    outcome = Outcome(Track("/music/a.mp3", "mp3"), "kept", "read_tags", "")
    write_part([row(outcome, RunFacts(job.bundle, "settings"))], run.tracks, run.folder)
    for _ in range(2):
        ended = close_run(run)
        facts = manifest(run)
        assert ended.manifest == facts
        assert [uri for rows in ended.rows for uri in rows["uri"].to_pylist()] == ["/music/a.mp3"]
        assert (facts["state"], facts["counts"]) == ("finished", {"kept": 1})
        assert facts["library"] == "/music"


def test_what_breaks_while_the_run_is_ended_early_is_no_crash(job):
    run = start_run(job.report)
    ended = record_run(run, job, lambda: _raise(RuntimeError("pool broken")), lambda: True)
    assert ended.manifest["state"] == manifest(run)["state"] == "interrupted"


def manifest(run) -> dict:
    with open(f"{run.folder}/run.json") as stream:
        return json.load(stream)


@pytest.mark.parametrize(("interrupted", "state"), [(False, "finished"), (True, "interrupted")])
def test_manifest_tells_how_the_run_ended(job, interrupted, state):
    run = start_run(job.report)
    states = []
    ended = record_run(run, job, lambda: states.append(manifest(run)["state"]), lambda: interrupted)
    facts = ended.manifest
    assert states == ["running"]
    assert manifest(run) == facts
    assert facts["state"] == state
    assert facts["options"]["segments"] == "all"


def test_manifest_of_a_run_that_raised_says_so(job):
    run = start_run(job.report)
    with pytest.raises(RuntimeError):
        record_run(run, job, lambda: _raise(RuntimeError("broken")), lambda: False)
    assert manifest(run)["state"] == "crashed"


def _raise(error: Exception) -> None:
    raise error


OTHER_VALUES = {
    "existing": "merge",
    "top_k": 2,
    "level": "family",
    "styles": "all",
    "mood": "report",
    "min_confidence": 0.5,
    "max_genres": 3,
    "treat_as_missing": ("Schlager",),
    "taxonomy": "/my.toml",
    "segments": 3,
    "vote": "majority",
    "consistent": "album",
    "learn_from": "off",
    "write_confidence": True,
    "id3_version": "2.4",
    "separator": "; ",
    "embeddings": False,
    "processes": 9,
    "dry_run": True,
    "keep_mtime": True,
    "in_place_links": True,
    "formats": (),
    "exclude": ("Demos/",),
    "bundle": "/mine",
    "incremental": False,
    "keep_decisions": True,
    "retry_failed": True,
    "min_age": 60,
    "report": "/other",
}


@pytest.mark.parametrize("option", declared_in(TaggingOptions), ids=lambda option: option.name)
def test_the_decision_digest_changes_with_what_decides_and_nothing_else(job, option):
    other = changed(job, **{option.name: OTHER_VALUES[option.name]})
    assert (other.decision_digest != job.decision_digest) == option.decides


def test_the_decision_digest_changes_with_the_model_and_not_with_the_library(job):
    other = dataclasses.replace(job, bundle=dataclasses.replace(job.bundle, version="other"))
    assert other.decision_digest != job.decision_digest
    assert dataclasses.replace(job, library="/other").decision_digest == job.decision_digest


def test_a_value_that_is_the_models_own_is_no_decision(job):
    own = changed(job, vote=job.bundle.vote, level=job.bundle.level)
    assert own.decision_digest == job.decision_digest


def change_of(path: str, **facts) -> Change:
    patch = {"pieces": "", "old_digest": "", "new_digest": ""}
    return Change(path, patch, "mp3", 1, 1, **facts)


def test_a_line_behind_a_stump_stands_alone(tmp_path):
    journal = Journal(str(tmp_path / "journal.jsonl"))
    (tmp_path / "journal.jsonl").write_text('{"path": "/a.mp3", "und')
    journal(change_of("/b.mp3"))
    change, damaged = journal.changes()
    assert (change.path, damaged.first) == ("/b.mp3", 1)


def test_a_line_that_does_not_fit_is_an_error(tmp_path, monkeypatch):
    # What write(2) does on a disk that fills up in the middle of it.
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:20]))
    with pytest.raises(OSError, match="No space left"):
        Journal(str(tmp_path / "journal.jsonl"))(change_of("/a.mp3"))
    assert (tmp_path / "journal.jsonl").read_bytes() == b""


def test_journal_keeps_names_that_are_no_text(tmp_path):
    journal = Journal(str(tmp_path / "journal.jsonl"))
    journal(change_of("/caf\udce9\n.mp3", genres_after=("Škola",)))
    journal(change_of("/b.mp3"))
    lines = (tmp_path / "journal.jsonl").read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["/caf\udce9\n.mp3", "/b.mp3"]
