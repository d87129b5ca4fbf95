"""The evaluation page: whole, safe whatever tags hold, and the same each time."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from genrebeam.model.bundle import Bundle
from genrebeam.model.calibration import probabilities_of
from genrebeam.model.evaluation.metrics import evaluate_logits
from genrebeam.model.evaluation.page import most_confidently_wrong, write_page
from genrebeam.model.evaluation.plots import map_of
from genrebeam.model.evaluation.predict import TrackScores
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.genre.vote import vote

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(1)">'
BUNDLE = Bundle(
    path="",
    name="trio",
    version="1",
    labels=("a", "b", "c"),
    genres=("Blues", "Jazz", "Rock"),
    features=FeatureSpec(),
)


class _Elements(HTMLParser):
    """Tags and ids of a page, and what its scripts hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.ids, self.scripts = [], set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids.add(dict(attrs).get("id"))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script" and self.scripts:
            self.scripts[-1] += data


@pytest.fixture
def page_of(tmp_path, monkeypatch):
    """Write a page of random logits and parse it; plotly's own five megabytes left out."""
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* plotly */")

    def write(bundle=BUNDLE, n_tracks=12, names=None, embedded=True, **more) -> tuple:
        rng = np.random.default_rng(0)
        targets = np.arange(n_tracks) % 2
        segments = [rng.normal(size=(4, 3)).astype(np.float32) for _ in range(n_tracks)]
        logits = TrackScores(segments)
        figures = evaluate_logits(
            logits, targets, temperature=1.0, vote=vote, genres=bundle.genres, n_resamples=20
        )
        path = tmp_path / "page.html"
        write_page(
            path,
            bundle,
            figures | more,
            rng.normal(size=(n_tracks, 5)) if embedded else None,
            names=names or [f"song {i}" for i in range(n_tracks)],
            targets=targets,
            probabilities=logits.mapped(lambda rows: probabilities_of(rows, 1.0)).tracks,
            dataset="songs",
        )
        text = path.read_text(encoding="utf-8")
        return text, _Elements(text), _plots(text)

    return write


def _plots(page: str) -> dict:
    return json.loads(
        re.search(r'<script id="data" type="application/json">(.*?)</script>', page)[1]
    )


def test_page_has_all_that_was_measured(page_of):
    epochs = {k: [1.0, 0.5] for k in ("loss", "val_loss", "accuracy", "val_accuracy")}
    row = {"track_accuracy": 0.5, "track_accuracy_ci95": [0.4, 0.6]}
    text, elements, plots = page_of(
        dataclasses.replace(BUNDLE, training={"history": [epochs, epochs]}),
        accuracy_by_segments=[
            {"segments": n, "analysed": analysed, **row}
            for n, analysed in ((1, 1.0), (8, 6), (None, 6))
        ],
        cost={"cpu_ms_per_segment": 1.5, "cpu_ms_per_track": 12.0, "segments_per_track": 8},
    )
    assert set(plots) == {
        "confusion", "roc", "reliability", "map", "segments", "loss", "accuracy",
    }  # fmt: skip
    assert set(plots) <= elements.ids
    assert plots["segments"]["layout"]["xaxis"]["ticktext"] == ["1", "6"]
    assert [line["name"] for line in plots["loss"]["data"]] == [
        "train, network 1", "valid, network 1", "train, network 2", "valid, network 2",
    ]  # fmt: skip
    assert "12 ms" in text


def test_families_have_a_table_and_a_curve_of_their_own(page_of):
    logits = [np.eye(2, dtype=np.float32)[[number % 2]] for number in range(12)]
    families = evaluate_logits(
        TrackScores(logits),
        np.arange(12) % 2,
        temperature=1.0,
        vote=vote,
        genres=["Rock & Roll", "Jazz"],
        n_resamples=20,
    )
    text, elements, plots = page_of(families=families)
    assert "family_reliability" in plots
    assert set(plots) <= elements.ids
    assert "Rock &amp; Roll" in text.partition("Family by family")[2]
    assert text.startswith("<!doctype html>")


def test_page_without_the_rest_is_whole(page_of):
    text, elements, plots = page_of(embedded=False)
    assert set(plots) == {"confusion", "roc", "reliability"}
    assert set(plots) <= elements.ids
    assert "No map" in text


def test_too_few_tracks_for_a_map_are_said_to_be(page_of):
    text, _, plots = page_of(n_tracks=9)
    assert "map" not in plots
    assert "at least 10 tracks" in text


def test_classes_without_tracks_have_no_row_and_no_curve(page_of):
    _, _, plots = page_of()
    assert plots["confusion"]["layout"]["yaxis"]["ticktext"] == ["Blues", "Jazz"]
    assert plots["confusion"]["layout"]["xaxis"]["ticktext"] == ["Blues", "Jazz", "Rock"]
    assert plots["roc"]["legend"] == 2


def test_names_from_tags_stay_text(page_of):
    harmless = page_of()[1]
    bundle = dataclasses.replace(BUNDLE, name=EVIL, genres=(EVIL, "@accent", "{{ 7 * 7 }}"))
    text, elements, plots = page_of(bundle, names=[f"{EVIL}{i}\udcff\u2028" for i in range(12)])
    assert EVIL not in text
    assert elements.tags == harmless.tags
    assert len(elements.scripts) == 3
    assert "{{ 7 * 7 }}" in text
    assert "49" not in plots["confusion"]["layout"]["xaxis"]["ticktext"]
    shown = json.dumps(plots["map"]["data"] + plots["roc"]["data"])
    assert "<img" not in shown
    assert "<script" not in shown
    # What the page takes for a colour cannot be the name of a genre.
    assert plots["confusion"]["layout"]["xaxis"]["ticktext"][1] == "&#64;accent"


def test_page_fetches_nothing(page_of):
    text, _, _ = page_of()
    assert "default-src 'none'" in text
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)


def test_plotly_is_inside_once(tmp_path, page_of, monkeypatch):
    monkeypatch.undo()
    text, _, _ = page_of()
    assert len(re.findall(r"\* plotly\.js v\d", text)) == 1


def test_same_embedding_same_map():
    embedding = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    embedding[:20] += 20
    chosen, places = map_of(embedding)
    np.testing.assert_array_equal(chosen, np.arange(40))
    np.testing.assert_array_equal(places, map_of(embedding)[1])
    apart = np.linalg.norm(places[:20].mean(axis=0) - places[20:].mean(axis=0))
    assert apart > np.linalg.norm(places[:20] - places[:20].mean(axis=0), axis=1).mean()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(10, 1), (11, 300)])
def test_small_embeddings_have_a_map(shape):
    _, places = map_of(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert np.isfinite(places).all()


def test_tracks_all_in_one_place_have_no_map():
    assert map_of(np.ones((30, 4), np.float32)) is None


def test_a_large_set_is_thinned_evenly(monkeypatch):
    monkeypatch.setattr("genrebeam.model.evaluation.plots._MOST_ON_MAP", 12)
    chosen, places = map_of(np.random.default_rng(0).normal(size=(36, 4)))
    assert chosen.tolist() == list(range(0, 36, 3))
    assert len(places) == 12


def test_surest_mistakes_come_first(monkeypatch):
    monkeypatch.setattr("genrebeam.model.evaluation.page._N_WRONG", 2)
    chances = np.array([[0.6, 0.4], [0.1, 0.9], [0.9, 0.1], [0.2, 0.8]])
    wrong = most_confidently_wrong("abcd", np.array([1, 0, 0, 0]), chances, ("Blues", "Jazz"))
    assert wrong == [
        {"name": "b", "true": "Blues", "guessed": "Jazz", "confidence": 0.9},
        {"name": "d", "true": "Blues", "guessed": "Jazz", "confidence": 0.8},
    ]
