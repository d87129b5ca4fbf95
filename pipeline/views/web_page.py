"""Write the web pages of this package (see `genrebeam.model.pages`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from genrebeam.model.pages.page import web_page
from genrebeam.transforms.records import printable
from genrebeam.transforms.storage import storage_of


def write_web_page(
    path: str, template: str, scripts: Sequence[str], below: str | None = None, **facts: Any
) -> None:
    """Write a page: one HTML file that needs no network.

    Parameters
    ----------
    path : str
        The HTML file, whole or not at all; one that is there is replaced.
    scripts : sequence of str
        What follows ``page.js``.
    below : str, optional
        A folder below which no folder on the way may be a link.
    **facts
        What the template shows.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    page = web_page("genrebeam.pipeline.views", template, scripts, **facts)
    with storage_of(path).writing(path, below=below) as stream:
        stream.write(page)


def made_in(path: str) -> str:
    """The folder of a page, for its player: music is looked for from there too."""
    return printable(os.path.dirname(os.path.abspath(path))) if "://" not in path else path
