"""What all pages have in common, in a real browser: their frame, themes, and no barrier."""

from pathlib import Path

import numpy as np
import pytest

from genrebeam.model.evaluation.metrics import evaluate_logits
from genrebeam.model.evaluation.page import write_page as write_evaluation
from genrebeam.model.evaluation.predict import TrackScores
from genrebeam.pipeline.by_ear.duplicates import Group
from genrebeam.pipeline.views.duplicates_page import write_duplicates_page
from genrebeam.pipeline.views.inspection.page import write_page as write_inspection
from genrebeam.transforms.genre.vote import vote
from tests.inspections import in_families
from tests.model.evaluation.test_evaluation_page import BUNDLE
from tests.pipeline.views import DESK, PHONE
from tests.pipeline.views.test_by_ear import copy
from tests.pipeline.views.test_map_page import song, write_map
from tests.pipeline.views.test_report_page import make_run, row, write_page

AXE = Path(__file__).parents[3] / ".ci" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ("report", "runs", "map", "inspection", "duplicates", "evaluation")


def rows():
    levels = {
        "family": "Rock",
        "family_confidence": 0.9,
        "style": "Indie",
        "style_confidence": 0.3,
        "probabilities": [("Rock", 0.3), ("Indie", 0.3), ("Punk", 0.3), ("Pop", 0.1)],
    }
    given = {**levels, "genres_after": ["Rock"], "confidence": 0.9, "album": "A", "artist": "B"}
    return [
        *(row(f"/music/{i}.mp3", "would_tag", **given) for i in range(9)),
        row("/music/a/u.mp3", "unsure", **{**given, "genres_after": [], "confidence": 0.5}),
        row("/music/p.mp3", album="A", artist="B"),
        row("/music/k.mp3", "kept", genres_before=["Folk"], genres_after=["Folk"]),
        row("/music/f.mp3", "failed", stage="decode", reason="no audio could be decoded"),
        row("/music/r.mp3", "refused", reason="read-only"),
    ]


def evaluation(path):
    rng = np.random.default_rng(0)
    targets = np.arange(30) % 3
    scores = TrackScores([rng.dirichlet(np.ones(3), 4).astype(np.float32) for _ in targets])
    figures = evaluate_logits(
        scores, targets, temperature=1.0, vote=vote, genres=BUNDLE.genres, n_resamples=20
    )
    write_evaluation(
        path,
        BUNDLE,
        figures | {"families": figures},
        rng.normal(size=(30, 5)),
        names=[f"song {i}" for i in range(30)],
        targets=targets,
        probabilities=scores.tracks,
        dataset="songs",
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The folder of a page of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    write_page([make_run(folder / "1", rows(), "1")], str(folder / "report.html"))
    runs = [make_run(folder / "2", rows(), "2"), make_run(folder / "3", rows()[:2], "3")]
    write_page(runs, str(folder / "runs.html"))
    write_map([song(f"/m/{i}.mp3") for i in range(12)], folder / "map.html")
    write_inspection(str(folder / "inspection.html"), in_families())
    groups = [Group([copy("/m/a.flac"), copy("/m/b.mp3", duration_s=None)], 0.98)]
    write_duplicates_page(groups, "model 1", str(folder / "duplicates.html"))
    evaluation(folder / "evaluation.html")
    return folder.as_uri()


@pytest.fixture(scope="module")
def axe():
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci --prefix .ci/axe)")
    return AXE.read_text(encoding="utf-8")


def use(page, name):
    """Open what a page has to open."""
    if name in ("report", "runs"):
        page.click("#reviewing")
        page.keyboard.press("a")
    elif name == "map":
        page.fill("#search", "1.mp3")
        page.click("#select")
        page.click("#rows button")
    elif name == "evaluation":
        page.locator(".main-svg").first.wait_for()


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", DESK), ("dark", PHONE)], ids=["light desk", "dark phone"]
)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_barrier(opened, address, axe, name, scheme, viewport):
    page = opened(f"{address}/{name}.html", viewport=viewport, color_scheme=scheme)
    for step in (lambda: None, lambda: use(page, name)):
        step()
        page.evaluate(axe)
        results = page.evaluate("axe.run()")
        printed = [
            (rule["id"], node["html"][:120], node.get("failureSummary"))
            for rule in results["violations"]
            for node in rule["nodes"]
        ]
        assert printed == []
        assert {"color-contrast", "landmark-one-main"} <= {rule["id"] for rule in results["passes"]}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_same_frame(opened, address, name):
    page = opened(f"{address}/{name}.html", color_scheme="light")
    assert page.locator("main").count() == page.locator("h1").count() == 1
    assert page.inner_text(".brand").startswith("GenreBeam ")
    assert page.title().endswith(" · GenreBeam")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.evaluate(colour) == "rgb(20, 22, 26)"
    page.keyboard.press("Tab")
    assert page.evaluate("document.documentElement.scrollWidth") == DESK["width"]


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_a_phone(opened, address, name):
    page = opened(f"{address}/{name}.html", viewport=PHONE)
    use(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
