"""What an installation holds: built, installed and used as by somebody without the checkout."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import genrebeam
from tests import REPOSITORY
from tests.conftest import read_rows, tone, write_audio

# What a wheel holds. The folders of the repository's top level are in genrebeam/ by links.
PACKAGES = ("beetsplug", "genrebeam")
FOLDERS = ("beetsplug", "genrebeam", "model", "pipeline", "transforms")


def sources(folder: Path) -> set[str]:
    """Paths of what the packages are made of, below a folder."""
    return {
        path.relative_to(folder).as_posix()
        for package in PACKAGES
        for parent, _, names in os.walk(folder / package, followlinks=True)
        for path in (Path(parent) / name for name in names)
        if path.suffix != ".pyc"
    }


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run to the end, without the checkout on the path and without the network."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**kept, "HOME": str(cwd), "PIP_NO_INDEX": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The unpacked source distribution, made as Beam makes it for workers."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in (*FOLDERS, "requirements", "docs", "tests", "benchmarks"):
        shutil.copytree(
            REPOSITORY / name,
            folder / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "NOTICE.md"):
        shutil.copy(REPOSITORY / name, folder)
    run(sys.executable, "setup.py", "--quiet", "sdist", cwd=folder)
    (archive,) = (folder / "dist").iterdir()
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (root,) = (folder / "unpacked").iterdir()
    return root


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    """Built from the source distribution, as ``python -m build`` does."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, sdist, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A virtual environment with the wheel; what it needs is taken from the tests' own."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    options = ("--quiet", "--disable-pip-version-check", "--no-deps")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, cwd=folder)
    # A path in a .pth file is searched last, and .pth files found there are not followed:
    # neither the checkout nor an editable installation of it can stand in for the wheel.
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "needs.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder


def test_source_distribution_has_all_that_the_packages_need(sdist):
    assert sources(sdist) == sources(REPOSITORY)
    assert (sdist / "requirements" / "base.in").is_file()
    assert not (sdist / "tests").exists()


def test_wheel_has_the_packages_and_nothing_else(wheel):
    names = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if not re.search(r"\.(dist-info|data)/", name)
    }
    assert names == sources(REPOSITORY)


def test_metadata_is_complete(metadata):
    assert (metadata["Name"], metadata["Version"]) == ("genrebeam", genrebeam.__version__)
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# GenreBeam")
    low, high = sorted(int(minor) for minor in re.findall(r"3\.(\d+)", metadata["Requires-Python"]))
    minors = re.findall(r"Python :: 3\.(\d+)", " ".join(metadata.get_all("Classifier")))
    assert [int(minor) for minor in minors] == list(range(low, high))
    assert metadata.get_all("Provides-Extra") == [
        *("train", "pages", "watch", "gcp", "aws", "dataflow", "beets", "all")
    ]


def test_every_import_is_a_declared_need(metadata):
    """Also of modules that are imported late: a missing one would be noticed by users only."""
    declared = {
        _normal(re.match(r"[\w.-]+", need)[0]) for need in metadata.get_all("Requires-Dist")
    }
    providers = packages_distributions()
    undeclared = {
        (path, module)
        for path in sources(REPOSITORY)
        if path.endswith(".py")
        for module in _imports((REPOSITORY / path).read_text(encoding="utf-8"))
        if module not in sys.stdlib_module_names and module not in PACKAGES
        if declared.isdisjoint(map(_normal, providers.get(module, [module])))
    }
    assert undeclared == set()


def _imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_modules_come_from_the_installation(installed, tmp_path):
    modules = ("beetsplug.genrebeam", *(f"genrebeam.{name}" for name in FOLDERS[2:]))
    source = f"import {', '.join(modules)}; print({'.__file__, '.join(modules)}.__file__)"
    printed = run(installed / "bin" / "python", "-c", source, cwd=tmp_path).stdout.split()
    assert len(printed) == 4
    assert all(Path(path).is_relative_to(installed) for path in printed)


def test_plugins_of_beets_are_there_beside_ours(installed, tmp_path):
    """`beetsplug` is a package of beets': neither part of it hides the other."""
    source = "import beetsplug.genrebeam, beetsplug.info; print(beetsplug.info.__file__)"
    printed = run(installed / "bin" / "python", "-c", source, cwd=tmp_path).stdout
    assert not Path(printed.strip()).is_relative_to(installed)


@pytest.mark.parametrize("command", [["bin/genrebeam"], ["bin/python", "-m", "genrebeam"]])
def test_command_is_there(installed, tmp_path, command):
    program, *arguments = command
    printed = run(installed / program, *arguments, "--version", cwd=tmp_path).stdout
    assert printed == f"genrebeam {genrebeam.__version__}\n"


def test_tags_and_shows_with_what_the_wheel_brings(installed, tmp_path):
    """The bundles, the backbone and the pages' templates; nothing is written where they lie."""
    (tmp_path / "Music").mkdir()
    write_audio(tmp_path / "Music" / "tone.wav", tone(7), 22050)
    before = sources_and_times(installed)
    genrebeam, report = installed / "bin" / "genrebeam", ("--report", "genre-report")
    # To the backbone a tone is no music; the network of ten genres takes it for some.
    assert "1 refused" in run(genrebeam, "tag", "Music", "--dry-run", *report, cwd=tmp_path).stdout
    shutil.rmtree(tmp_path / "genre-report")
    printed = run(genrebeam, "tag", "Music", "--bundle", "gtzan", *report, cwd=tmp_path).stdout
    assert "1 tagged" in printed
    (row,) = read_rows(tmp_path / "genre-report")
    assert row["genres_after"]
    (page,) = (tmp_path / "genre-report").rglob("report.html")
    assert "tone" in page.read_text(encoding="utf-8")
    run(genrebeam, "inspect", "Music/tone.wav", cwd=tmp_path)
    assert "tone.wav" in (tmp_path / "tone.inspect.html").read_text(encoding="utf-8")
    assert sources_and_times(installed) == before


def sources_and_times(folder: Path) -> dict[Path, int]:
    """All files but the interpreter's own caches."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_template_is_found(installed, tmp_path):
    source = (
        "from jinja2 import Environment, PackageLoader\n"
        "for package in ('model.evaluation', 'model.pages', 'pipeline.views'):\n"
        "    package = 'genrebeam.' + package\n"
        "    print(*Environment(loader=PackageLoader(package)).list_templates())\n"
    )
    printed = run(installed / "bin" / "python", "-c", source, cwd=tmp_path).stdout.split()
    assert set(printed) == {
        path.name for package in FOLDERS for path in (REPOSITORY / package).rglob("templates/*")
    }


def test_only_our_names_are_at_the_top_of_an_installation(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names if not re.search(r"\.(dist-info|data)/", name)}
    assert top == set(PACKAGES)
    (licences,) = {name.partition("/licenses/")[0] for name in names if name.endswith("/LICENSE")}
    assert f"{licences}/licenses/NOTICE.md" in names


def test_a_users_own_modules_do_not_stand_in_for_ours(installed, tmp_path):
    """A ``model.py`` beside the user, or on their path, is not imported."""
    for folder in (tmp_path / "here", tmp_path / "path"):
        folder.mkdir()
        for name in FOLDERS[2:]:
            (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    write_audio(tmp_path / "here" / "tone.wav", tone(7), 22050)
    for command in (["bin/genrebeam"], ["bin/python", "-m", "genrebeam"]):
        program, *arguments = command
        printed = run(
            *(installed / program, *arguments, "tag", ".", "--dry-run"),
            *("--report", tmp_path / Path(program).name),
            cwd=tmp_path / "here",
            PYTHONPATH=str(tmp_path / "path"),
        ).stdout
        assert "1 file " in printed
