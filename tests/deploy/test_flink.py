"""The job on Flink: in Beam's job server alone, and on a cluster with two task managers."""

import os
import shutil
import subprocess
from pathlib import Path

import mutagen
import pytest

from genrebeam.pipeline.cli import main
from tests import REPOSITORY
from tests.conftest import read_rows
from tests.engines import Runs, assert_same, free_ports, make_library

FLINK = REPOSITORY / "deploy" / "flink"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genrebeam" / "flink"
JAR = CACHE / "target" / "flink-job-server.jar"
# What the script needs of the system before anything of Flink is started.
TOOLS = ("bash", "cat", "cmp", "curl", "dirname", "pgrep", "rm", "sed")


def script(*arguments, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(FLINK / "flink.sh"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.fixture(scope="module")
def job_server() -> Path:
    if not JAR.is_file():
        pytest.skip("Beam's job server for Flink is not at hand: deploy/flink/flink.sh fetch")
    if not shutil.which("java"):
        pytest.skip("there is no Java to run Flink with")
    return JAR


@pytest.fixture(scope="module")
def port(job_server):
    """Of a cluster that is at work."""
    port = str(free_ports(3))
    started = script("start", FLINK_PORT=port)
    assert started.returncode == 0, started.stderr
    yield port
    assert script("stop", FLINK_PORT=port).returncode == 0
    assert script("status", FLINK_PORT=port).stdout.count("not running") == 4
    shutil.rmtree(CACHE / f"cluster-{port}")


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("runs")
    make_library(folder / "library")
    return Runs(folder / "library", folder, tiny_bundle)


@pytest.fixture(scope="module")
def here(run):
    """What comes of the library without Flink."""
    return run("here", tag)


def tag(arguments: list[str]) -> int:
    return main(["tag", *arguments])


def test_a_cluster_of_two_does_what_the_local_runner_does(run, here, port):
    def tag_there(arguments: list[str]) -> int:
        return script("tag", *arguments, FLINK_PORT=port).returncode

    assert_same(run("cluster", tag_there), here)
    assert here.statuses == ["failed", "kept", *["tagged"] * 4]


def test_albums_agree_on_flink_too(shared_data, tmp_path, job_server):
    library, reports = tmp_path / "library", tmp_path / "reports"
    library.mkdir()
    for number, path in enumerate(sorted((shared_data / "magnatune" / "classical").glob("*"))[:12]):
        (library / f"disc {number % 2 + 1}").mkdir(exist_ok=True)
        copy = shutil.copy(path, library / f"disc {number % 2 + 1}" / path.name)
        file = mutagen.File(copy, easy=True)
        file["album"] = f"Complete Works (Disc {number % 2 + 1})"
        del file["genre"]
        file.save()
    options = ["--report", str(reports), "--consistent", "album", "--quiet"]
    flink = ["--runner=FlinkRunner", "--flink_master=[local]", "--parallelism=2"]
    assert tag([str(library), *options, *flink, f"--flink_job_server_jar={job_server}"]) == 0
    rows = read_rows(reports)
    together = [row for row in rows if row["tracks_voted"] > 1]
    assert len(rows) == 12
    assert len(together) >= 8
    assert {row["tracks_voted"] for row in together} == {len(together)}
    assert len({tuple(row["genres_after"]) for row in together}) == 1


def test_what_is_started_twice_is_there_once(port):
    before = script("status", FLINK_PORT=port)
    assert before.returncode == 0
    assert script("start", FLINK_PORT=port).stdout == before.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["start"], "first: flink.sh fetch"),
        (["tag", "music"], "first: flink.sh start"),
        (["tag"], "flink.sh tag LIBRARY"),
        ([], "flink.sh tag LIBRARY"),
        (["begin"], "flink.sh tag LIBRARY"),
    ],
)
def test_script_tells_what_is_to_be_done_first(tmp_path, arguments, complaint):
    if not shutil.which("java") and arguments == ["start"]:
        pytest.skip("there is no Java to run Flink with")
    printed = script(*arguments, XDG_CACHE_HOME=str(tmp_path))
    assert (printed.returncode, complaint in printed.stderr) == (2, True), printed.stderr


def test_script_stops_what_does_not_run(tmp_path):
    printed = script("stop", XDG_CACHE_HOME=str(tmp_path))
    assert (printed.returncode, printed.stdout, printed.stderr) == (0, "", "")


@pytest.mark.parametrize(("tools", "missing"), [((), "no Java found"), (("java",), "no Maven")])
def test_script_tells_which_program_is_missing(tmp_path, tools, missing):
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in (*TOOLS, *tools):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here")
        (programs / tool).symlink_to(shutil.which(tool))
    printed = script("fetch", PATH=str(programs), XDG_CACHE_HOME=str(tmp_path))
    assert (printed.returncode, missing in printed.stderr) == (2, True), printed.stderr


@pytest.mark.parametrize("port", ["8081x", "80", "65535", "-1"])
def test_script_refuses_what_is_no_port(tmp_path, port):
    printed = script("status", FLINK_PORT=port, XDG_CACHE_HOME=str(tmp_path))
    assert (printed.returncode, "not a port" in printed.stderr) == (2, True)


def test_script_tells_of_a_port_that_is_taken(job_server, port):
    printed = script("start", FLINK_PORT=str(int(port) - 2))
    assert (printed.returncode, f"port {port} is taken" in printed.stderr) == (2, True), (
        printed.stderr
    )
