"""README: what it says is what the code does."""

import argparse
import re
import shutil
from pathlib import Path

import duckdb
import pytest

from model.bundle import DEFAULT_BUNDLE, load_bundle
from pipeline.cli import main
from pipeline.options import add_tagging_arguments
from tests.conftest import tone, write_audio
from transforms.formats import FORMATS
from transforms.records import CATCH_ALL
from transforms.report import SCHEMA
from transforms.taxonomy import load_taxonomy

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.+?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder_with_reports(tmp_path_factory, tiny_bundle) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    library = folder / "Music"
    library.mkdir()
    write_audio(library / "a.wav", tone(8), 22050)
    shutil.copy(library / "a.wav", library / "b.wav")
    (library / "broken.mp3").touch()
    for options in (["--dry-run"], [], []):
        reports = ["--report", str(folder / "genre-report"), "--bundle", tiny_bundle.path]
        assert main(["tag", str(library), *reports, *options]) == 1
    return folder


def test_has_three_queries():
    assert len(QUERIES) == 3


@pytest.mark.parametrize("number", range(3))
def test_every_query_runs_and_finds_rows(folder_with_reports, monkeypatch, number):
    monkeypatch.chdir(folder_with_reports)
    rows = duckdb.sql(QUERIES[number]).fetchall()
    assert rows
    if number == 0:  # each file once, as the latest run saw it
        assert sum(tracks for _, tracks, _ in rows) == 2
        assert all(hours is not None for _, _, hours in rows)


def test_documents_every_column_of_the_report():
    table = README.partition("| column |")[2].partition("\n\n")[0]
    documented = re.findall(
        r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[1:])
    )
    assert documented == [*SCHEMA.names, "run"]


def test_documents_every_option():
    parser = argparse.ArgumentParser(add_help=False)
    add_tagging_arguments(parser)
    declared = {option for action in parser._actions for option in action.option_strings}
    table = README.partition("| option |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(--[\w-]+)", table, re.MULTILINE)) == declared


def test_example_of_a_taxonomy_fits_the_shipped_model(tmp_path):
    (tmp_path / "taxonomy.toml").write_text(re.search(r"```toml\n(.+?)```", README, re.DOTALL)[1])
    taxonomy = load_taxonomy(str(tmp_path / "taxonomy.toml"))
    taxonomy.check(load_bundle(DEFAULT_BUNDLE).genres)
    assert taxonomy.rename == {"Hip-Hop": "Rap"}


def test_list_of_genres_that_count_as_none_is_the_one_that_is_used():
    assert f"`default` stands for {', '.join(CATCH_ALL)}" in README


def test_names_every_format():
    sentence = re.search(r"Read are (.+?)\. Raw `\.(\w+)`", README, re.DOTALL)
    named = set(re.split(r",\s+|\s+and\s+", sentence[1])) | {sentence[2]}
    assert named == FORMATS - {"oga", "aif"}  # other names of ogg and aiff


def test_figures_are_those_of_the_shipped_model():
    figures = load_bundle(DEFAULT_BUNDLE).metrics["test"]
    low, high = figures["track_accuracy_ci95"]
    told = re.search(
        r"\*\*([\d.]+ %)\*\* of them \(95 % interval ([\d.]+ %) to ([\d.]+ %)\)", README
    )
    assert told.groups() == tuple(
        f"{f:.1%}".replace("%", " %") for f in (figures["track_accuracy"], low, high)
    )
