"""Decided anew: what an earlier run has stored of a track is not computed again."""

import dataclasses
import json

import numpy as np
import pytest

from genrebeam.model import head as heads
from genrebeam.model.bundle import load_bundle, save_bundle
from genrebeam.pipeline.cli import main
from genrebeam.transforms.audio import ptransforms
from tests.conftest import read_rows, tone, write_audio

REPLACE = ("--existing", "replace")


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Three tones that pass for music."""
    monkeypatch.setattr(heads, "_LEAST_MUSIC", 0.0)
    monkeypatch.setattr(heads, "_LEAST_SHARE", 0.0)
    folder = tmp_path / "music"
    folder.mkdir()
    for number in range(3):
        write_audio(folder / f"{number}.flac", tone(12, 22050, seed=number), 22050)
    return folder


@pytest.fixture
def tag(library, tmp_path, capsys):
    def run(*options: str) -> dict[str, int]:
        capsys.readouterr()
        reports = ["--report", str(tmp_path / "reports")]
        alone = ["--min-confidence", "0", "--consistent", "off"]
        main(["tag", str(library), *alone, *reports, "--json", *options])
        return json.loads(capsys.readouterr().out)["counts"]

    return run


@pytest.fixture
def nothing_is_decoded(monkeypatch):
    def refuse(*arguments, **more):
        raise AssertionError("a file was decoded")

    monkeypatch.setattr(ptransforms, "submit", refuse)


@pytest.fixture
def other_model(tmp_path) -> str:
    """A bundle on the same backbone that says something else."""
    bundle = load_bundle()
    head = bundle.load_head()
    bias = np.roll(head.bias, 1) + np.arange(len(head.bias), dtype=np.float32) / 4
    folder = tmp_path / "other"
    save_bundle(
        dataclasses.replace(bundle, name="other"), dataclasses.replace(head, bias=bias), folder, ""
    )
    return str(folder)


def was_stored(row: dict) -> bool:
    return row["extract_s"] == 0 and not row["votes"]


def newest(tmp_path) -> list[dict]:
    """Rows of the latest run, by name."""
    run = max((tmp_path / "reports" / "tracks").iterdir())
    return sorted(read_rows(run), key=lambda row: row["uri"])


def same_probabilities(one: dict, other: dict) -> None:
    """Tracks are judged in batches, and the last digit depends on the others."""
    found = ([p for _, p in row["probabilities"]] for row in (one, other))
    np.testing.assert_allclose(*found, rtol=1e-4)


@pytest.mark.parametrize("in_the_graph", [False, True])
def test_after_a_dry_run_nothing_is_decoded(tag, tmp_path, request, monkeypatch, in_the_graph):
    if in_the_graph:
        monkeypatch.setattr("genrebeam.pipeline.graphs.local.runs_here", lambda arguments: False)
    assert tag("--dry-run") == {"would_tag": 3}
    before = newest(tmp_path)
    request.getfixturevalue("nothing_is_decoded")
    assert tag() == {"tagged": 3}
    for old, new in zip(before, newest(tmp_path), strict=True):
        for name in ("genres_after", "embedding", "class_logits"):
            assert new[name] == old[name], name
        same_probabilities(old, new)
        assert new["segments_analysed"] == old["segments_analysed"] > 1
        assert new["fingerprint"]
        assert was_stored(new)
        assert not was_stored(old)


def test_another_model_on_the_backbone_decides_as_if_it_analysed(
    tag, tmp_path, other_model, monkeypatch
):
    tag("--dry-run")
    with monkeypatch.context() as patch:
        patch.setattr(ptransforms, "submit", None)
        tag("--dry-run", "--bundle", other_model)
    anew = newest(tmp_path)
    tag("--dry-run", "--bundle", other_model, "--no-incremental")
    analysed = newest(tmp_path)
    assert all(was_stored(row) for row in anew)
    assert not any(was_stored(row) for row in analysed)
    for one, other in zip(anew, analysed, strict=True):
        assert one["genres_after"] == other["genres_after"]
        same_probabilities(one, other)


@pytest.mark.parametrize(
    "options",
    [("--segments", "2"), ("--vote", "majority"), ("--mood", "report"), ("--no-incremental",)],
)
def test_what_needs_more_than_is_stored_is_analysed(tag, tmp_path, options):
    tag("--dry-run")
    tag("--dry-run", *options)
    assert not any(was_stored(row) for row in newest(tmp_path))


def test_a_file_that_changed_is_analysed(tag, library, tmp_path):
    tag("--dry-run")
    write_audio(library / "1.flac", tone(13, 22050, seed=9), 22050)
    tag("--dry-run")
    rows = newest(tmp_path)
    assert [was_stored(row) for row in rows] == [True, False, True]
    assert "segments that run" in rows[0]["reason"]


def test_a_report_without_embeddings_has_nothing_to_decide_by(tag, tmp_path):
    tag("--dry-run", "--no-embeddings")
    tag("--dry-run")
    assert not any(was_stored(row) for row in newest(tmp_path))


def test_decisions_of_an_unchanged_library_read_nothing_that_is_stored(tag, monkeypatch):
    tag()
    monkeypatch.setattr("genrebeam.pipeline.graphs.local.read_stored", None)
    assert tag() == {"unchanged": 3}
