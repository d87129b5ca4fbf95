"""The house: imports go one way, and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

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


# Modules, or folders of modules, whose tests are not at their own path.
TESTED_ELSEWHERE = {
    # Scripts that only run inside of what they are for.
    "deploy/dataflow": "tests/deploy/test_deploy.py",
    "deploy/flink": "tests/deploy/test_flink.py",
    # A command is its arguments and its output: several are tested together.
    "pipeline/commands/completion.py": "tests/pipeline/commands/test_output.py",
    "pipeline/commands/config.py": "tests/pipeline/options/test_config.py",
    "pipeline/commands/duplicates.py": "tests/pipeline/commands/test_by_ear_commands.py",
    "pipeline/commands/evaluate.py": "tests/pipeline/commands/test_learning_commands.py",
    "pipeline/commands/history.py": "tests/pipeline/runs/test_history.py",
    "pipeline/commands/map.py": "tests/pipeline/commands/test_by_ear_commands.py",
    "pipeline/commands/playlist.py": "tests/pipeline/commands/test_by_ear_commands.py",
    "pipeline/commands/prepare.py": "tests/pipeline/commands/test_learning_commands.py",
    "pipeline/commands/prune.py": "tests/pipeline/runs/test_unchanged.py",
    "pipeline/commands/report.py": "tests/pipeline/views/test_report_page.py",
    "pipeline/commands/similar.py": "tests/pipeline/commands/test_by_ear_commands.py",
    "pipeline/commands/tag.py": "tests/pipeline/graphs/test_tag.py",
    "pipeline/commands/train.py": "tests/pipeline/commands/test_learning_commands.py",
    "pipeline/commands/watch.py": "tests/pipeline/runs/test_watching.py",
    "pipeline/runs/changes.py": "tests/pipeline/runs/test_history.py",
    "pipeline/runs/failures.py": "tests/pipeline/runs/test_nightly.py",
    "pipeline/runs/plan.py": "tests/pipeline/commands/test_apply.py",
    "pipeline/runs/prune.py": "tests/pipeline/runs/test_unchanged.py",
    # Networks and data sets: one test goes over all of them.
    "model/recipes": "tests/model/test_recipes.py",
    "model/embedding.py": "tests/model/evaluation/test_predict.py",
    "model/training/card.py": "tests/pipeline/commands/test_learning_commands.py",
    "model/training/linear.py": "tests/model/test_head.py",
    "model/evaluation/correspondence.py": "tests/model/test_vocabulary.py",
    "model/data/arrays.py": "tests/pipeline/training/test_music.py",
    "pipeline/training/datasets": "tests/pipeline/training/test_music.py",
    # Pieces of a page are seen on the page.
    "pipeline/views/inspection/panels.py": "tests/pipeline/views/inspection/test_page.py",
    "pipeline/views/report_figures.py": "tests/pipeline/views/test_report_page.py",
    "pipeline/views/report_statuses.py": "tests/pipeline/views/test_report_page.py",
    "pipeline/views/web_page.py": "tests/pipeline/views/test_report_page.py",
    # What they make is tested.
    "tools/fit_projection.py": "tests/model/backbones/test_projection.py",
    "tools/note_decisions.py": "tests/whole/test_decisions_stay.py",
    # Processes, and what connects steps to Beam.
    "pipeline/graphs/local.py": "tests/pipeline/graphs/test_tag.py",
    "transforms/audio/extract.py": "tests/transforms/test_reasons.py",
    "transforms/audio/pool_process.py": "tests/transforms/audio/test_pool.py",
    "transforms/outcomes.py": "tests/pipeline/graphs/test_types.py",
    "transforms/matching.py": "tests/pipeline/graphs/test_types.py",
    "transforms/genre/predict.py": "tests/transforms/genre/test_classify.py",
    "transforms/library/ptransforms.py": "tests/pipeline/graphs/test_types.py",
    "transforms/reports/ptransforms.py": "tests/pipeline/graphs/test_types.py",
    # Every storage does the same; a seal and a fingerprint are seen in what they are for.
    "transforms/fingerprint.py": "tests/transforms/library/test_skip.py",
    "transforms/storage/google.py": "tests/transforms/storage/test_buckets.py",
    "transforms/storage/ranges.py": "tests/transforms/storage/test_buckets.py",
    "transforms/storage/seal.py": "tests/pipeline/runs/test_strangers.py",
    "transforms/storage/state.py": "tests/pipeline/options/test_home.py",
    "transforms/storage/storage.py": "tests/transforms/storage/test_local.py",
    # Every format is written and read back by the same tests.
    "transforms/tags/formats": "tests/transforms/tags/formats/test_formats.py",
    "transforms/tags/ape_bytes.py": "tests/transforms/tags/test_foreign_tags.py",
    "transforms/tags/edges.py": "tests/transforms/tags/test_foreign_tags.py",
    "transforms/tags/mp4_boxes.py": "tests/transforms/tags/formats/test_mp4.py",
    # Nothing but the base of all errors.
    "model/errors.py": "tests/model/test_bundle.py",
}


def _is_tested_at_its_path(path: PurePosixPath) -> bool:
    """By a test of its name, or by another one in the folder of its tests that imports it."""
    folder = REPOSITORY / "tests" / path.parent
    if (folder / f"test_{path.name}").exists():
        return True
    name = ".".join(path.with_suffix("").parts)
    return any(
        name in {word.removeprefix("genrebeam.") for word in _imported_names(test)}
        for test in folder.glob("test_*.py")
    )


def _imported_names(path: Path) -> Iterator[str]:
    module = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    yield from _imported(module)


def test_every_module_has_tests_at_its_path_or_says_where_they_are():
    modules = [
        PurePosixPath(path.relative_to(REPOSITORY).as_posix())
        for folder in ("beetsplug", "deploy", "tools", *FOLDERS)
        for path in (REPOSITORY / folder).rglob("*.py")
        if path.name != "__init__.py"
    ]
    untested = {path for path in modules if not _is_tested_at_its_path(path)}
    elsewhere = {
        path: name
        for path in untested
        for name in (str(path), str(path.parent))
        if name in TESTED_ELSEWHERE
    }
    assert sorted(map(str, untested - elsewhere.keys())) == []
    assert set(TESTED_ELSEWHERE) == set(elsewhere.values()), "an exception is no longer needed"
    missing = [test for test in TESTED_ELSEWHERE.values() if not (REPOSITORY / test).is_file()]
    assert missing == []
