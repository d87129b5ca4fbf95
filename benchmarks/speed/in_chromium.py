"""Measure a page in Chromium."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCREEN = {"viewport": {"width": 1200, "height": 900}}
# What the scripts begin with: layout is forced, to count it.
TIMED = """
  const timed = (act) => {
    const start = performance.now();
    act();
    document.body.getBoundingClientRect();
    return performance.now() - start;
  };
"""
# For scripts about a page's search.
SEARCH = """
  const box = document.getElementById("search");
  const search = (text) => timed(() => {
    box.value = text;
    box.dispatchEvent(new Event("input"));
  });
"""


def medians(
    page_path: Path,
    scripts: Sequence[str],
    *,
    loads: int,
    screens: Mapping[str, Mapping[str, Any]],
    options: Sequence[str] = (),
) -> dict[str, float]:
    """Load a page some times and let scripts measure it.

    Parameters
    ----------
    scripts : sequence of str
        Functions that return an object of numbers.
    screens : mapping
        Prefix of the measures' names to what Playwright needs to know of a screen.
    options : sequence of str
        Of Chromium.

    Returns
    -------
    dict
        The median of each measure; empty where Chromium or Playwright is missing.
    """
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if chromium is None:
        return {}
    found: dict[str, list[float]] = {}
    arguments = [*(["--no-sandbox"] if os.geteuid() == 0 else []), *options]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for prefix, screen in screens.items():
            for _ in range(loads):
                page = browser.new_page(**screen)
                page.goto(page_path.as_uri())
                page.wait_for_timeout(1500)
                for script in scripts:
                    for measure, value in page.evaluate(script).items():
                        found.setdefault(prefix + measure, []).append(value)
                page.close()
        browser.close()
    return {measure: statistics.median(values) for measure, values in found.items()}
