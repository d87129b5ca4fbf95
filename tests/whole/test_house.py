"""The house: imports go one way, and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests import REPOSITORY

FOLDERS = ("model", "pipeline", "transforms")
# What a package may import beside itself.
BELOW = {"model": (), "transforms": ("model",), "pipeline": ("model", "transforms")}


def modules() -> dict[str, ast.Module]:
    """Every module by its name, a package by the name of its folder."""
    found = {}
    for package in FOLDERS:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """Modules that a module imports, at its head or late, for its types or its work."""
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            named = [alias.name.removeprefix("genrebeam.") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = str(node.module).removeprefix("genrebeam.")
            named = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for full in named:
            while full and full not in MODULES:
                full = full.rpartition(".")[0]
            if full and full != name:
                yield full


@pytest.mark.parametrize("package", FOLDERS)
def test_a_package_imports_only_what_is_below_it(package):
    above = set(FOLDERS) - {package, *BELOW[package]}
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        if name.split(".")[0] == package
        for other in imports(name)
        if other.split(".")[0] in above
    ]
    assert wrong == []


def test_what_is_installed_needs_nothing_that_is_not():
    """``tools``, ``deploy``, ``benchmarks`` and ``tests`` are no part of a wheel."""
    left_out = {"benchmarks", "deploy", "tests", "tools"}
    wrong = [
        f"{path.relative_to(REPOSITORY)}: {word}"
        for folder in ("beetsplug", "genrebeam", *FOLDERS)
        for path in (REPOSITORY / folder).rglob("*.py")
        for word in _imported(ast.parse(path.read_text(encoding="utf-8")))
        if word.partition(".")[0] in left_out
    ]
    assert wrong == []


def circles() -> list[list[str]]:
    """Groups of modules that import each other (Tarjan 1972), late imports included."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in set(imports(name)):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in MODULES:
        if name not in index:
            visit(name)
    return found


def test_no_modules_import_each_other_in_a_circle():
    assert circles() == []


def test_the_rooms_of_the_steps_import_each_other_in_one_direction():
    """Storage and tags at the bottom; a library is skipped by its tags and its reports."""
    order = ("storage", "audio", "tags", "reports", "genre", "library")
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        for other in imports(name)
        if name.startswith("transforms.") and other.startswith("transforms.")
        if (room := name.split(".")[1]) in order and (below := other.split(".")[1]) in order
        if order.index(below) > order.index(room)
    ]
    assert wrong == []


def test_storage_is_below_all_steps():
    known = {"transforms", "transforms.records"}
    below = ("transforms.storage", "model.errors", "model.files")
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        if name.startswith("transforms.storage")
        for other in imports(name)
        if not (other in known or other.startswith(below))
    ]
    assert wrong == []


def test_what_storage_a_path_is_in_is_asked_in_one_place():
    """Neither schemes nor the classes of storages are named outside of their room."""
    words = ('"gs://', '"s3://', "'gs://", "'s3://", "Bucket(", "isinstance(storage", "is_remote")
    outside = [
        path.relative_to(REPOSITORY).as_posix()
        for package in FOLDERS
        for path in (REPOSITORY / package).rglob("*.py")
        if "storage" not in path.parts and any(word in path.read_text() for word in words)
    ]
    assert outside == []


def test_nothing_imports_the_folders_by_their_own_names():
    """Their names are too common to be names at the top of an installation."""
    wrong = [
        f"{path.relative_to(REPOSITORY)}: {word}"
        for folder in ("beetsplug", "benchmarks", "deploy", "genrebeam", "tests", "tools", *FOLDERS)
        for path in (REPOSITORY / folder).rglob("*.py")
        for word in _imported(ast.parse(path.read_text(encoding="utf-8")))
        if word.partition(".")[0] in FOLDERS
    ]
    assert wrong == []


def _imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
