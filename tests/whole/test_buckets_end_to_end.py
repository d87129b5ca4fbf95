"""Library, report and model in a bucket, from the first run to the last undo."""

import contextlib
import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genrebeam.model.bundle import BundleError, load_bundle
from genrebeam.pipeline.cli import main
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.runs.journal import Journal
from genrebeam.pipeline.runs.lock import locked
from genrebeam.pipeline.runs.run import find_run, runs_of
from genrebeam.transforms.storage import buckets, storage_of
from genrebeam.transforms.tags.change import Unreadable
from tests.conftest import tone, write_audio
from tests.pipeline.runs.test_run import change_of
from tests.storages import amazon, google, put_folder


@pytest.fixture(scope="module", params=[google, amazon])
def storage(request):
    with request.param() as storage:
        yield storage


@pytest.fixture
def empty(storage):
    for name in storage.names():
        storage.remove(name)
    return storage


def rows_of(storage, run) -> dict[str, dict]:
    """Rows of a run by the end of their files' names."""
    parts = [name for name in storage.names() if f"tracks/run={run.id}/part-" in name]
    rows = pa.concat_tables(pq.read_table(io.BytesIO(storage.get(name))) for name in parts)
    return {row["uri"].rpartition("/")[2]: row for row in rows.to_pylist()}


def statuses(storage, run) -> dict[str, str]:
    return {name: row["status"] for name, row in rows_of(storage, run).items()}


def test_nights_on_a_bucket_and_back(empty, tiny_bundle, tmp_path, capsys, monkeypatch):
    storage, originals = empty, {}
    for name in ("a.mp3", "b.flac", "c.ogg"):
        write_audio(tmp_path / name, tone(8), 22050)
        originals[f"album/{name}"] = (tmp_path / name).read_bytes()
        storage.put(f"album/{name}", originals[f"album/{name}"])
    storage.put("album/d.mp3", b"no music")
    model = put_folder(storage, tmp_path.parent / tiny_bundle.path, "models/tiny")
    home = f"{storage.home}/reports/album"
    command = ["tag", f"{storage.home}/album/", "--report", f"{home}/", "--bundle", model]

    assert main(command) == 1
    out = capsys.readouterr().out
    assert "3 tagged, 1 failed" in out
    (first,) = runs_of(home)
    assert f"report: {first.page}" in out
    tagged = dict.fromkeys(("a.mp3", "b.flac", "c.ogg"), "tagged")
    assert statuses(storage, first) == {**tagged, "d.mp3": "failed"}
    assert first.read_manifest()["counts"] == {"tagged": 3, "failed": 1}
    assert len(list(first.journal.lines())) == 3
    assert all(storage.get(name) != original for name, original in originals.items())

    originals["album/d.mp3"] = originals["album/a.mp3"]
    storage.put("album/d.mp3", originals["album/d.mp3"])
    assert main([*command, "--retry-failed"]) == 0
    retry = runs_of(home)[-1]
    assert statuses(storage, retry) == {"d.mp3": "tagged"}

    monkeypatch.setattr("genrebeam.pipeline.graphs.tag._FEW_RUNS", 1)
    # As the launcher of a template does, which leaves the page to the job.
    assert main([*command, "--template_location=unused"]) == 0
    assert "launched;" in capsys.readouterr().out
    last = runs_of(home)[-1]
    assert statuses(storage, last) == dict.fromkeys((*tagged, "d.mp3"), "unchanged")
    not_analysed = [row["genres_after"] for row in rows_of(storage, last).values()]
    assert all(genres for genres in not_analysed)
    assert not [name for name in storage.names() if "/earlier/" in name or name.endswith("/lock")]

    assert main(["report", home]) == 0
    assert b"4 of 4 files tagged" in storage.get("reports/album/report.html")
    assert b"1 failed" not in storage.get(f"reports/album/runs/{last.id}/report.html")

    assert main(["undo", home, "--dry-run"]) == 0
    assert "1 would restore" in capsys.readouterr().out
    for run in (retry, first):
        assert main(["undo", home, "--run", run.id]) == 0
    assert {name: storage.get(name) for name in originals} == originals
    assert main(["undo", home, "--run", first.id]) == 0
    assert "3 as before" in capsys.readouterr().out


def test_a_second_run_says_who_is_at_work_and_how_to_go_on_where_it_was_killed(empty, capsys):
    home = f"{empty.home}/reports"
    with locked(home) as note:
        note("20261120T101500.123Z-3fa9")
        with pytest.raises(UsageError) as refused:
            locked(home).__enter__()
        printed = str(refused.value)
        assert printed.startswith(f"{home}: run 20261120T101500.123Z-3fa9 (process ")
        assert printed.endswith(f" rm {home}/lock)")
    assert empty.names() == []


def test_a_run_that_has_only_begun_is_seen_too(empty):
    with locked(empty.home), pytest.raises(UsageError, match=r"another run \(process .* at work"):
        locked(empty.home).__enter__()


def test_a_lock_whose_answer_was_lost_is_ones_own(empty, monkeypatch):
    put = buckets.put

    def lose_answer(*arguments, **options):
        put(*arguments, **options)
        return put(*arguments, **options)  # as clients do by themselves

    monkeypatch.setattr(buckets, "put", lose_answer)
    with locked(empty.home) as note:
        note("a run")
        assert b'"a run"' in empty.get("lock")
    assert empty.names() == []


def test_anothers_lock_is_not_removed(empty):
    with locked(empty.home):
        empty.remove("lock")
        empty.put("lock", b"{}")
    assert empty.get("lock") == b"{}"


def test_a_journal_keeps_its_order_and_names_what_is_damaged(empty):
    journal = Journal(f"{empty.home}/runs/1/journal.jsonl")
    assert list(journal.lines()) == []
    paths = [f"{empty.home}/{number}.mp3" for number in range(20)]
    for path in paths:
        journal(change_of(path))
    assert [change.path for change in journal.changes()] == paths
    empty.put(empty.names()[7], b"{\n")
    assert list(journal.changes())[-1] == Unreadable(8, 1, "not JSON")


def test_what_is_being_written_when_it_fails_is_not_seen(empty):
    path = f"{empty.home}/a/run.json"
    with contextlib.suppress(ValueError), storage_of(path).writing(path) as stream:
        stream.write(b"half")
        raise ValueError
    assert empty.names() == []
    with pytest.raises(FileNotFoundError):
        storage_of(path).read(path)
    assert storage_of(path).files_in(f"{empty.home}/a") == []


def test_a_home_without_runs_has_none(empty):
    assert runs_of(f"{empty.home}/reports") == []
    with pytest.raises(UsageError, match="has no run 0"):
        find_run(f"{empty.home}/reports", "0")


def test_a_model_that_was_replaced_since_the_run_began_is_not_used(empty, tiny_bundle, tmp_path):
    path = put_folder(empty, tmp_path.parent / tiny_bundle.path, "tiny")
    bundle = load_bundle(path, buckets.read)
    assert (bundle.path, bundle.version) == (path, tiny_bundle.version)
    facts = json.loads(empty.get("tiny/bundle.json"))
    empty.put("tiny/bundle.json", json.dumps({**facts, "temperature": 2.0}).encode())
    with pytest.raises(BundleError, match=f"^{path}: files do not belong together"):
        load_bundle(path, lambda name: buckets.read(name))
    with pytest.raises(BundleError, match="not a model bundle"):
        load_bundle(f"{empty.home}/none", buckets.read)


@pytest.mark.parametrize("folder", ["music/none", "nowhere"])
def test_a_bucket_without_music_is_wrong_usage(empty, folder, capsys):
    scheme = empty.home.partition("://")[0]
    assert main(["tag", f"{scheme}://{folder}"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_dry_run_leaves_no_report_in_the_library(empty, capsys):
    write = ["--report", f"{empty.home}/album/reports", "--dry-run"]
    empty.put("album/a.mp3", b"")
    assert main(["tag", f"{empty.home}/album", *write]) == 2
    assert "is inside the library" in capsys.readouterr().err


def test_an_s3_endpoint_can_be_an_option_of_the_command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["genrebeam", "tag", "--s3_endpoint_url=http://mine.example"])
    monkeypatch.setattr("apache_beam.io.filesystems.FileSystems._pipeline_options", None)
    assert buckets._options().get_all_options()["s3_endpoint_url"] == "http://mine.example"


def test_what_a_person_chose_is_written_into_objects(empty, tiny_bundle, tmp_path, capsys):
    storage = empty
    for name in ("a.mp3", "b.flac"):
        write_audio(tmp_path / name, tone(8), 22050)
        storage.put(f"album/{name}", (tmp_path / name).read_bytes())
    library, home = f"{storage.home}/album", f"{storage.home}/reports/album"
    command = ["tag", library, "--report", home, "--bundle", tiny_bundle.path, "--quiet"]
    assert main(command) == 0
    (run,) = runs_of(home)
    choices = [
        {
            "uri": row["uri"],
            "run": run.id,
            "choice": "corrected",
            "genres": ["Punk"],
            "in_file": row["genres_after"],
        }
        for row in rows_of(storage, run).values()
    ]
    facts = {"genrebeam_corrections": 1, "report": home, "choices": choices}
    (tmp_path / "corrections.json").write_text(json.dumps(facts))
    assert main(["apply", str(tmp_path / "corrections.json")]) == 0
    assert "2 choices: 2 tagged" in capsys.readouterr().out
    assert main([*command, "--existing", "replace"]) == 0
    found = rows_of(storage, runs_of(home)[-1])
    assert {(row["stage"], *row["genres_after"]) for row in found.values()} == {("by_hand", "Punk")}
