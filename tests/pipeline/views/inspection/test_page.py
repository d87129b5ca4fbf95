"""An inspection as page and picture: any name stays text."""

import dataclasses
import html.parser
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from genrebeam.model.colours import FAMILY_COLOURS
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES
from genrebeam.pipeline.views.inspection.page import write_page
from genrebeam.pipeline.views.inspection.picture import write_png
from genrebeam.pipeline.views.inspection.words import MOST_GENRES, colours, time_ticks
from genrebeam.transforms.records import FileTags
from tests.conftest import GENRES
from tests.inspections import EVIL, SPEC, in_families, inspection_of
from tests.pipeline.commands.test_inspect import printed


class Elements(html.parser.HTMLParser):
    """Elements of a page with their attributes, and the text of its heading."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.heading = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.found and self.found[-1][0] == "h1":
            self.heading += data


@given(st.floats(0.01, 1e6), st.integers(1, 20))
def test_times_on_the_axis_are_few_and_within_the_track(duration, most):
    ticks = time_ticks(duration, most)
    assert ticks[0] == 0
    assert ticks == sorted(ticks)
    assert ticks[-1] <= duration
    assert len(ticks) <= most + 1


def test_names_stay_text_in_the_page(tmp_path):
    path = tmp_path / "page.html"
    genres = ("<b>Rock</b>", "</script>", 'Pop"')
    write_page(str(path), inspection_of(genres, FileTags(EVIL, EVIL, EVIL, (EVIL,)), EVIL))
    page = path.read_text(encoding="utf-8")
    elements = Elements(page)
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 2
    assert "b" not in tags
    assert elements.heading.strip() == EVIL.replace("\udce9", "\\udce9")
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)


def test_the_page_needs_nothing_but_itself(tmp_path):
    path = tmp_path / "page.html"
    write_page(str(path), inspection_of())
    page = path.read_text(encoding="utf-8")
    sources = [a.get("src") or a.get("href") for _, a in Elements(page).found]
    sources = [source for source in sources if source]
    assert len(sources) >= 3 + 1 + len(GENRES)
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    assert "http" not in re.sub(r'"data:image/[^"]+"', "", page).replace("http-equiv", "")
    assert len(page) < 1_000_000


@pytest.mark.parametrize("kind", ["log_mel", "descriptors", "window"])
def test_the_picture_shows_any_name_and_any_kind_of_features(tmp_path, kind):
    others = {
        "descriptors": dataclasses.replace(SPEC, kind=kind, segment_frames=1),
        "window": BACKBONE_FEATURES,
    }
    spec = others.get(kind, SPEC)
    inspection = inspection_of(tags=FileTags(title=EVIL, artist="日本 $\\frac{$"), spec=spec)
    write_png(str(tmp_path / "a.png"), inspection)
    write_page(str(tmp_path / "a.html"), inspection)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == 1650
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 500
        assert picture.info["Software"].startswith("genrebeam inspect")


def test_of_very_many_genres_the_likeliest_are_shown(tmp_path):
    inspection = inspection_of(tuple(f"Genre {i}" for i in range(40)))
    path = tmp_path / "page.html"
    write_page(str(path), inspection)
    page = path.read_text(encoding="utf-8")
    rows = re.findall(r'class="side" title="(Genre \d+)"', page)
    assert rows == [f"Genre {i}" for i in inspection.ranking[:MOST_GENRES]]
    assert "The 28 least probable are not shown" in page


def test_what_is_no_music_is_reported_before_all_else(tmp_path):
    inspection = in_families("Static (0.51), music 0.01")
    shown = printed(inspection, width=120)
    assert shown.splitlines()[1].startswith("Not music: Static (0.51), music 0.01;")
    assert inspection.figures()["not_music"] == "Static (0.51), music 0.01"
    write_page(str(tmp_path / "a.html"), inspection)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.index("Not music:") < page.index("genrebeam tag would write")
    assert "These segments" not in page


def test_a_family_has_the_colour_that_it_has_on_every_page():
    inspection = in_families()
    assert colours(inspection) == [FAMILY_COLOURS[name] for name in ("Rock", "Jazz", "Pop")]
