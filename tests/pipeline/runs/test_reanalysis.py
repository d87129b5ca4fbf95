"""Reanalysis: before another model or other options decide anew, it is said; or decisions stay."""

import json

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs import reanalysis
from tests.conftest import read_rows, tone, write_audio


@pytest.fixture
def tag(tmp_path, tiny_bundle, capsys, monkeypatch):
    """Run over two files; the exit code, what is counted, and what is said."""
    monkeypatch.setattr(reanalysis, "_MANY", 2)
    monkeypatch.setattr(reanalysis, "_ENOUGH", 2)
    for name in ("a.flac", "b.flac"):
        (tmp_path / "music").mkdir(exist_ok=True)
        write_audio(tmp_path / "music" / name, tone(8, seed=ord(name[0])), 22050)

    def run(*options: str) -> tuple[dict[str, int], str]:
        capsys.readouterr()
        arguments = ["--bundle", tiny_bundle.path, "--report", str(tmp_path / "reports")]
        main(["tag", str(tmp_path / "music"), *arguments, "--json", *options])
        printed = capsys.readouterr()
        return json.loads(printed.out)["counts"], printed.err

    return run


def test_a_library_that_is_analysed_again_is_told_with_the_time(tag):
    tag("--existing", "replace")
    _, said = tag("--existing", "replace", "--top-k", "2")
    assert "decided about 2 files with another model or with other options" in said
    assert "about 1 min" in said
    assert "--keep-decisions leaves them alone" in said


def test_nothing_is_said_of_files_that_are_only_looked_at(tag):
    tag()
    assert tag("--segments", "2") == ({"kept": 2}, "")


def test_nothing_is_said_of_few_files(tag, monkeypatch):
    monkeypatch.setattr(reanalysis, "_MANY", 3)
    tag("--existing", "replace")
    assert tag("--existing", "replace", "--top-k", "2")[1] == ""


@pytest.mark.parametrize("in_the_graph", [False, True])
def test_decisions_stay_where_that_is_wanted_and_from_then_on(
    tag, tmp_path, monkeypatch, in_the_graph
):
    if in_the_graph:
        monkeypatch.setattr("genrebeam.pipeline.graphs.local.runs_here", lambda arguments: False)
    tag("--existing", "replace")
    other = ("--existing", "replace", "--top-k", "2")
    assert tag(*other, "--keep-decisions") == ({"unchanged": 2}, "")
    assert tag(*other) == ({"unchanged": 2}, "")
    write_audio(tmp_path / "music" / "c.flac", tone(8, seed=5), 22050)
    assert tag("--existing", "replace", "--keep-decisions")[0] == {"unchanged": 2, "tagged": 1}
    assert len(read_rows(tmp_path / "reports")) == 2 + 2 + 3


@pytest.mark.parametrize("in_the_graph", [False, True])
def test_a_dry_run_between_changes_no_decision(tag, monkeypatch, in_the_graph):
    if in_the_graph:
        monkeypatch.setattr("genrebeam.pipeline.graphs.local.runs_here", lambda arguments: False)
    unsure = ("--min-confidence", "1")
    assert tag(*unsure)[0] == {"unsure": 2}
    assert tag("--existing", "replace", "--dry-run")[0] == {"would_tag": 2}
    assert tag("--top-k", "2", "--keep-decisions")[0] == {"unchanged": 2}


def test_decisions_cannot_stay_and_be_ignored(tag, tmp_path, tiny_bundle):
    arguments = [str(tmp_path / "music"), "--bundle", tiny_bundle.path]
    assert main(["tag", *arguments, "--keep-decisions", "--no-incremental"]) == 2
