"""What the pages with a table or a map have in common: jinja2's settings and one script.

Names come from people's tags and may hold anything: jinja2 escapes what becomes HTML or
JSON, the scripts set text only, and a page's own policy lets no other script run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from genrebeam import __version__
from genrebeam.transforms.storage import storage_of

_TEMPLATES = PackageLoader("genrebeam.pipeline.views")


def write_web_page(path: str, template: str, scripts: Sequence[str], **facts: Any) -> None:
    """Write a page: one HTML file that needs no network.

    Parameters
    ----------
    path : str
        The HTML file, whole or not at all; one that is there is replaced.
    template : str
    scripts : sequence of str
        What follows ``page.js``.
    **facts
        What the template shows.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    environment = _environment()
    names = ("page.js", *scripts)
    script = "\n".join(_TEMPLATES.get_source(environment, name)[0] for name in names)
    page = environment.get_template(template).render(
        version=__version__,
        script=script,
        # In the page's policy: no script runs but this one, whatever a name may try.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **facts,
    )
    with storage_of(path).writing(path) as stream:
        # What is no text in the path of a folder appears as `printable` would show it, which
        # is an escape of the same character inside JSON.
        stream.write(page.encode("utf-8", errors="backslashreplace"))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=_TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.filters["number"] = "{:,}".format
    environment.filters["percent"] = percent
    environment.filters["words"] = lambda name: name.replace("_", " ")
    environment.filters["share"] = "{:.4g}".format
    return environment


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")
