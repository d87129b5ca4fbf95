"""A page's policy and text, whatever is in it."""

import base64
import hashlib
import re

from genrebeam.model.pages.page import percent, web_page

PACKAGE = "genrebeam.pipeline.views"


def page_of(**facts):
    facts = {"groups": [], "model": "m", "n_spare": 0, "spare": "0", "data": {}, **facts}
    return web_page(PACKAGE, "duplicates.html.j2", ["player.js"], **facts).decode()


def test_the_policy_allows_the_scripts_of_the_page_by_their_digest():
    page = page_of(library="let a = 1;")
    *_, library, script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert library == "let a = 1;"
    for text in (library, script):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page
    assert "script-src 'sha256-" in page
    assert "unsafe-inline'; img-src" in page  # of styles alone
    assert "media-src file:;" in page


def test_text_is_escaped_and_bytes_that_are_no_text_are_shown():
    page = page_of(model="</script><b>\udce9")
    assert "&lt;/script&gt;&lt;b&gt;\\udce9" in page
    assert "<b>" not in page


def test_percents_have_a_space_that_does_not_break():
    assert percent(0.614) == "61\u00a0%"
