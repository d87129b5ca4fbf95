"""``apply`` as a person calls it: what it writes, what it leaves alone, and what lasts."""

import csv
import io
import json
import os
import shutil

import pytest
from mutagen import File
from mutagen.flac import FLAC

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs.lock import locked
from genrebeam.transforms.library.skip import Earlier, unchanged
from genrebeam.transforms.records import Stage, Track
from tests.conftest import files_of, read_rows, tone, write_audio


def genres_of(path):
    return (File(path).tags or {}).get("genre", [])


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    write_audio(folder / "a.flac", tone(8), 22050)
    for name in ("b", "c"):
        shutil.copy(folder / "a.flac", folder / f"{name}.flac")
    return folder


@pytest.fixture
def reports(tmp_path):
    return tmp_path / "reports"


@pytest.fixture
def tag(library, reports, tiny_bundle, capsys):
    """Run ``tag`` and give the rows of the run by file name."""

    def run(*options, path=library):
        arguments = ["--bundle", tiny_bundle.path, "--report", str(reports), "--quiet", *options]
        assert main(["tag", str(path), *arguments]) == 0
        capsys.readouterr()
        return latest(reports)

    return run


def latest(reports):
    """Rows of the latest run by file name."""
    rows = read_rows(max((reports / "tracks").iterdir()))
    return {os.path.basename(row["uri"]): row for row in rows}


@pytest.fixture
def save(library, reports, tmp_path):
    """Save choices as the page of the latest run would: file name to genres."""

    def save(chosen, **changes):
        (run,) = {path.name for path in [max((reports / "runs").iterdir())]}
        rows = latest(reports)
        choices = [
            {
                "uri": str(library / name),
                "run": run,
                "choice": "corrected",
                "genres": genres,
                "in_file": rows[name]["genres_after"] if name in rows else [],
                **changes,
            }
            for name, genres in chosen.items()
        ]
        path = tmp_path / "corrections.json"
        facts = {"genrebeam_corrections": 1, "report": str(reports), "choices": choices}
        path.write_text(json.dumps(facts))
        return str(path)

    return save


def test_writes_what_was_chosen_with_journal_rows_and_page(library, reports, tag, save, capsys):
    before = tag()["a.flac"]["genres_after"]
    sound = FLAC(library / "a.flac").info.md5_signature
    assert main(["apply", save({"a.flac": ["Punk", "Ska"]})]) == 0
    printed = capsys.readouterr().out
    assert "1 choice: 1 tagged" in printed
    assert genres_of(library / "a.flac") == ["Punk", "Ska"]
    assert FLAC(library / "a.flac").info.md5_signature == sound
    row = latest(reports)["a.flac"]
    assert (row["status"], row["stage"], row["reason"]) == (
        "tagged",
        "by_hand",
        "corrected by hand",
    )
    assert (row["genres_before"], row["genres_after"]) == (before, ["Punk", "Ska"])
    run = max((reports / "runs").iterdir())
    assert "Genres written by genrebeam apply" in (run / "report.html").read_text()
    assert main(["undo", str(reports)]) == 0
    assert genres_of(library / "a.flac") == before


def test_a_dry_run_is_written_as_it_was_shown_and_not_decided_again(
    library, reports, tag, capsys, monkeypatch
):
    shown = tag("--dry-run", "--existing", "merge")
    run = max((reports / "runs").iterdir()).name
    changed = FLAC(library / "b.flac")
    changed["genre"] = "Mine"
    changed.save()
    assert main(["apply", run, "--report", str(reports), "-n"]) == 1
    assert genres_of(library / "a.flac") == []
    assert main(["apply", str(reports / "runs" / run)]) == 1
    printed = capsys.readouterr()
    assert "3 files: 2 tagged, 1 refused" in printed.out
    assert f"{library}/b.flac: changed since the dry run" in printed.err
    assert genres_of(library / "a.flac") == shown["a.flac"]["genres_after"]
    assert genres_of(library / "b.flac") == ["Mine"]
    rows = latest(reports)
    for column in ("genres_after", "confidence", "probabilities", "settings", "model_version"):
        assert rows["a.flac"][column] == shown["a.flac"][column]
    assert (rows["a.flac"]["status"], rows["b.flac"]["status"]) == ("tagged", "refused")
    again = tag("--existing", "merge")
    assert (again["a.flac"]["status"], again["a.flac"]["stage"]) == ("unchanged", "skip")
    assert main(["undo", str(reports)]) == 0


def test_a_dry_run_is_applied_by_the_link_to_it_and_once(library, reports, tag, capsys):
    tag("--dry-run")
    assert main(["apply", str(reports / "latest")]) == 0
    written = genres_of(library / "a.flac")
    run = min(path.name for path in (reports / "runs").iterdir())
    assert main(["apply", run, "--report", str(reports)]) == 0
    assert "3 unchanged" in capsys.readouterr().out
    assert genres_of(library / "a.flac") == written
    assert main(["report", str(reports), "--csv", "--out", "-"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["status"] for row in rows} == {"tagged"}
    assert {row["library"] for row in rows} == {str(library)}


def test_a_run_that_was_no_dry_run_cannot_be_applied(reports, tag, capsys):
    tag()
    run = max((reports / "runs").iterdir()).name
    assert main(["apply", run, "--report", str(reports)]) == 2
    assert "is not a dry run" in capsys.readouterr().err
    assert main(["apply", "2026", "--report", str(reports)]) == 2
    assert "neither a file of corrections nor a run" in capsys.readouterr().err


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """A folder for downloads, and a person at a terminal who answers."""
    folder = tmp_path / "Downloads"
    folder.mkdir()
    monkeypatch.setattr("platformdirs.user_downloads_dir", lambda: str(folder))

    def answer(text):
        screen = io.StringIO(text)
        screen.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", screen)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    return folder, answer


def test_without_a_path_the_newest_download_is_applied_after_asking(
    library, tag, save, downloads, capsys
):
    folder, answer = downloads
    tag()
    for number, (name, genre) in enumerate(
        [
            ("corrections.json", "Ska"),
            ("corrections (1).json", "Punk"),
            ("corrections (2).json", ""),
        ]
    ):
        path = folder / name
        if genre:
            shutil.move(save({"a.flac": [genre]}), path)
        else:
            path.write_text("cut off")  # newer, but none of ours
        os.utime(path, (number, number))
    before = genres_of(library / "a.flac")
    answer("\n")
    assert main(["apply"]) == 0
    printed = capsys.readouterr().err
    assert f"{folder}/corrections (1).json, saved 1970-01-01" in printed
    assert "1 choice for the report" in printed
    assert printed.endswith("Apply them? [y/N] genrebeam: nothing was written\n")
    assert genres_of(library / "a.flac") == before
    answer("y\n")
    assert main(["apply"]) == 0
    assert genres_of(library / "a.flac") == ["Punk"]


def test_without_a_path_nobody_is_asked_in_a_script(tag, save, downloads, capsys):
    folder, _ = downloads
    tag()
    assert main(["apply"]) == 2
    assert "has no corrections that a page has saved" in capsys.readouterr().err
    shutil.move(save({"a.flac": ["Punk"]}), folder / "corrections.json")
    assert main(["apply"]) == 2
    assert f"name the file; the newest is {folder}/corrections.json" in capsys.readouterr().err
    assert main(["apply", "--dry-run"]) == 0
    assert "-> Punk" in capsys.readouterr().out


def test_history_says_that_a_person_chose(library, reports, tag, save, capsys):
    tag()
    main(["apply", save({"a.flac": ["Punk"]})])
    capsys.readouterr()
    assert main(["history", str(library / "a.flac"), "--report", str(reports)]) == 0
    assert "Punk  (by hand; run" in capsys.readouterr().out


def test_applying_twice_changes_nothing_the_second_time(library, tag, save, capsys):
    tag()
    path = save({"a.flac": ["Punk"], "b.flac": ["Ska"]})
    assert main(["apply", path, "--quiet"]) == 0
    before = files_of(library)
    assert main(["apply", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"unchanged": 2}
    assert files_of(library) == before


def test_a_dry_run_lists_what_would_be_written_and_leaves_no_trace(
    library, reports, tag, save, capsys
):
    before = tag()["a.flac"]["genres_after"]
    kept = files_of(library), files_of(reports)
    assert main(["apply", save({"a.flac": ["Punk"], "b.flac": before}), "--dry-run"]) == 0
    assert f"{library}/a.flac: {before[0]} -> Punk" in capsys.readouterr().out
    assert (files_of(library), files_of(reports)) == kept


def test_what_a_dry_run_of_tag_proposed_can_be_written(library, tag, save):
    proposed = tag("--dry-run")["a.flac"]["genres_after"]
    assert main(["apply", save({"a.flac": proposed}, choice="accepted", in_file=[])]) == 0
    assert genres_of(library / "a.flac") == proposed


def test_files_that_changed_since_are_left_alone_with_a_reason(library, reports, tag, save, capsys):
    tag()
    path = save({"a.flac": ["Punk"], "b.flac": ["Punk"], "c.flac": ["Punk"]})
    file = FLAC(library / "a.flac")
    file["genre"] = "Polka"
    file.save()
    write_audio(library / "b.flac", tone(20), 22050)
    (library / "c.flac").unlink()
    assert main(["apply", path]) == 1
    rows = latest(reports)
    assert [rows[name]["status"] for name in sorted(rows)] == ["refused", "refused", "failed"]
    assert "its genre has changed since the report: Polka, not" in rows["a.flac"]["reason"]
    assert "now holds another recording" in rows["b.flac"]["reason"]
    printed = capsys.readouterr()
    assert "3 choices: 2 refused, 1 failed" in printed.out
    assert f"{library}/c.flac: " in printed.err
    assert genres_of(library / "a.flac") == ["Polka"]


def test_only_files_that_the_report_names_are_written(library, tag, save, tmp_path, capsys):
    tag()
    outside = tmp_path / "outside.flac"
    shutil.copy(library / "a.flac", outside)
    before = outside.read_bytes()
    assert main(["apply", save({"../outside.flac": ["Punk"]})]) == 1
    assert main(["apply", save({"a.flac": ["Punk"]}, uri=str(outside))]) == 1
    assert "not in the report of run" in capsys.readouterr().err
    assert outside.read_bytes() == before


def test_a_link_that_leads_out_of_the_library_is_not_followed(library, tag, save, tmp_path):
    outside = tmp_path / "outside.flac"
    shutil.copy(library / "a.flac", outside)
    (library / "link.flac").symlink_to(outside)
    tag()
    (library / "a.flac").unlink()
    (library / "a.flac").symlink_to(outside)  # since the report
    before = outside.read_bytes()
    assert main(["apply", save({"a.flac": ["Punk"], "link.flac": ["Punk"]})]) == 1
    assert outside.read_bytes() == before


def test_unknown_runs_and_reports_are_reported_and_nothing_is_made(tag, save, tmp_path, capsys):
    tag()
    path = save({"a.flac": ["Punk"]}, run="20200101T000000.000Z-0000")
    assert main(["apply", path]) == 1
    assert "has no run 20200101T000000.000Z-0000" in capsys.readouterr().err
    assert main(["apply", path, "--report", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_hostile_content_is_one_line_and_wrong_usage(tmp_path, capsys):
    path = tmp_path / "corrections.json"
    path.write_text('{"genrebeam_corrections": 1, "report": "/r", "choices": [{"uri": 1}]}')
    assert main(["apply", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f'genrebeam: {path}: choice 1: "uri" is not a text'
    ]


def test_a_name_that_is_no_text_is_found_again(library, tag, save):
    name = os.fsdecode(b"caf\xe9.flac")
    os.rename(library / "c.flac", library / name)
    tag()
    assert main(["apply", save({"caf\\udce9.flac": ["Punk"]})]) == 0
    assert genres_of(library / name) == ["Punk"]


@pytest.mark.parametrize("before_the_graph", [True, False])
def test_no_later_run_replaces_what_a_person_chose(
    library, reports, tag, save, monkeypatch, before_the_graph
):
    if not before_the_graph:
        monkeypatch.setattr("genrebeam.pipeline.graphs.local.runs_here", lambda arguments: False)
    tag()
    path = save({"a.flac": ["Punk"]})
    assert main(["apply", path, "--quiet"]) == 0
    for options in (["--vote", "majority"], ["--segments", "2"]):  # other settings each time
        rows = tag("--existing", "replace", *options)
        assert (rows["a.flac"]["status"], rows["a.flac"]["stage"]) == ("unchanged", "by_hand")
        assert rows["a.flac"]["reason"] == "a person chose its genre"
        assert rows["b.flac"]["stage"] != "by_hand"
    file = FLAC(library / "a.flac")
    file["title"] = "Another title, by another program"
    file.save()
    assert tag("--existing", "replace")["a.flac"]["stage"] == "by_hand"
    assert genres_of(library / "a.flac") == ["Punk"]
    file["genre"] = "Polka"  # no longer what was chosen
    file.save()
    assert tag("--existing", "replace")["a.flac"]["stage"] != "by_hand"


def test_a_file_that_was_moved_keeps_what_a_person_chose(library, tag, save):
    tag()
    assert main(["apply", save({"a.flac": ["Punk"]}), "--quiet"]) == 0
    os.rename(library / "a.flac", library / "moved.flac")
    assert tag("--existing", "replace", "--segments", "2")["moved.flac"]["stage"] == "by_hand"
    assert genres_of(library / "moved.flac") == ["Punk"]


def test_a_run_that_is_interrupted_keeps_what_it_did(library, reports, tag, save, monkeypatch):
    tag()
    path = save({"a.flac": ["Punk"], "b.flac": ["Punk"]})
    answers = iter([False, True, True])
    monkeypatch.setattr("genrebeam.pipeline.runs.interruption.requested", lambda: next(answers))
    assert main(["apply", path, "--quiet"]) == 3
    assert list(latest(reports)) == ["a.flac"]
    run = max((reports / "runs").iterdir())
    assert json.loads((run / "run.json").read_text())["state"] == "interrupted"
    assert genres_of(library / "b.flac") != ["Punk"]


def test_another_run_at_work_is_waited_for_by_nobody(library, reports, tag, save, capsys):
    tag()
    before = files_of(library)
    with locked(str(reports)):
        assert main(["apply", save({"a.flac": ["Punk"]})]) == 2
    assert "is at work here; nothing done" in capsys.readouterr().err
    assert files_of(library) == before


def test_a_file_that_is_named_is_tagged_anew(library, tag, save):
    tag()
    assert main(["apply", save({"a.flac": ["Punk"]}), "--quiet"]) == 0
    tag("--existing", "replace", path=library / "a.flac")
    assert genres_of(library / "a.flac") != ["Punk"]


def test_a_choice_that_could_not_be_written_protects_nothing():
    refused = Earlier("refused", "tag", 1, 1, Stage.BY_HAND, run="1")
    assert unchanged(Track("/a.flac", "flac", 1, 1), [refused], "other") is None
