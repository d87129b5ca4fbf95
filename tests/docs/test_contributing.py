"""CONTRIBUTING.md: every file and every name that the tour passes is there."""

import ast
import re

import pytest

from tests import REPOSITORY

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
STOPS = sorted({tuple(code.split(":")) for code in CODE if re.fullmatch(r"[\w/]+\.py:\w+", code)})
# What begins like a path of this repository, without what follows a space.
PATHS = sorted(
    {
        path
        for path in (re.split(r"[ :]", code)[0] for code in CODE)
        if "*" not in path and (path.endswith("/") or re.fullmatch(r"\.?[\w/.]+/[\w.]+", path))
    }
)


@pytest.mark.parametrize("path", PATHS)
def test_path_is_there(path):
    assert (REPOSITORY / path).exists()


@pytest.mark.parametrize(("path", "name"), STOPS)
def test_name_is_defined_in_its_file(path, name):
    module = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in module.body if hasattr(node, "name")}


def test_tour_goes_through_every_stage():
    folders = {path.split("/")[1] for path, _ in STOPS if path.startswith("transforms/")}
    stages = {path.parent.name for path in (REPOSITORY / "transforms").glob("*/__init__.py")}
    assert folders == stages
