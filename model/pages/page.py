"""Web pages: HTML files that need no network.

Names come from people's tags and may hold anything: jinja2 escapes what becomes HTML or
JSON, the scripts set text only, and a page's own policy lets no other script run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from genrebeam import __version__

_OWN = "genrebeam.model.pages"


def web_page(
    package: str, template: str, scripts: Sequence[str], *, library: str = "", **facts: Any
) -> bytes:
    """A page as UTF-8.

    Parameters
    ----------
    package : str
        That has the template and the scripts in its folder ``templates``.
    template : str
        Extends ``base.html.j2``.
    scripts : sequence of str
        What follows ``page.js``.
    library : str
        A script that the others use, as its source.
    **facts
        What the template shows.

    Returns
    -------
    bytes
        What is no text in a path appears as `printable` would show it.
    """
    environment = _environment(package)
    loader: Any = environment.loader
    names = ("page.js", *scripts)
    script = "\n".join(loader.get_source(environment, name)[0] for name in names)
    page = environment.get_template(template).render(
        version=__version__,
        script=script,
        library=library,
        # In the page's policy: no script runs but these, whatever a name may try.
        script_hashes=" ".join(_hash(text) for text in (library, script) if text),
        **facts,
    )
    return page.encode("utf-8", errors="backslashreplace")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@functools.cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_OWN)]),
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
    """A share as people read it.

    Examples
    --------
    >>> percent(0.614).split()
    ['61', '%']
    """
    return f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")
