#!/usr/bin/env python3
"""Tag on Flink: how long it takes beside the local runner, and what a kill does.

    deploy/flink/flink.sh fetch
    .venv/bin/python benchmarks/engines/on_flink.py compare MUSIC --files 300
    .venv/bin/python benchmarks/engines/on_flink.py kill MUSIC --files 100
    .venv/bin/python benchmarks/engines/on_flink.py apart MUSIC --files 60

`compare` tags copies of the music with the local runner, with Flink inside Beam's job server and
on a standalone cluster with one task manager and with two, and compares rows and files. A run over
one file tells what an engine costs before the first track.

`kill` kills a task manager, and in another run a worker, with signal 9 after the first tracks
have been written. Whatever becomes of that run, a second one has to finish the work, no file may
be harmed, and undoing both has to bring every byte back.

`apart` (for root) puts the job manager, the job server, GenreBeam and one task manager into one
network namespace, and the other task manager into a second one, as two machines that share nothing
but folders. It compares rows and files with the local runner's.

All start and stop a cluster of their own and print one JSON object; `faults` has to be empty.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.safety.kill_nine import Library, undo_all_runs  # noqa: E402
from genrebeam.transforms.formats import FORMATS  # noqa: E402
from tests.conftest import files_of, read_rows  # noqa: E402
from tests.engines import free_ports, printed  # noqa: E402

GENREBEAM = [str(REPOSITORY / ".venv" / "bin" / "genrebeam"), "tag"]
SCRIPT = str(REPOSITORY / "deploy" / "flink" / "flink.sh")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genrebeam" / "flink"
EMBEDDED = [
    *("--runner=FlinkRunner", "--flink_master=[local]", "--parallelism=2"),
    f"--flink_job_server_jar={CACHE / 'target' / 'flink-job-server.jar'}",
]
# Any genre will do, however unsure: what counts is that files change.
OPTIONS = ["--existing", "replace", "--min-confidence", "0", "--no-incremental", "--quiet"]


def copy_music(music: Path, folder: Path, n_files: int) -> None:
    """Make `n_files` copies of the music's files, the same ones in the same order every time."""
    found = sorted(path for path in music.rglob("*") if path.suffix[1:].lower() in FORMATS)
    random.Random(0).shuffle(found)
    folder.mkdir(parents=True)
    for number in range(n_files):
        path = found[number % len(found)]
        shutil.copy(path, folder / f"{number:04d}{path.suffix.lower()}")


@contextlib.contextmanager
def cluster() -> Iterator[list[str]]:
    """The command that tags on a cluster that is at work."""
    os.environ["FLINK_PORT"] = str(free_ports(3))
    subprocess.run([SCRIPT, "start"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield [SCRIPT, "tag"]
    finally:
        subprocess.run([SCRIPT, "stop"], check=True)
        shutil.rmtree(CACHE / f"cluster-{os.environ['FLINK_PORT']}")


def _difference(figures: dict, others: dict) -> float:
    """How far confidences and probabilities are apart at most."""
    return max(abs((figures[key] or 0) - (others.get(key) or 0)) for key in figures)


def compare(music: Path, n_files: int) -> dict[str, Any]:
    """Seconds of each engine for all files and for one, and whether they leave the same."""
    figures: dict[str, Any] = {"files": n_files, "cores": os.cpu_count(), "faults": []}
    with tempfile.TemporaryDirectory() as folder, cluster() as on_cluster:
        home = Path(folder)
        copy_music(music, home / "one", 1)
        copy_music(music, home / "all", n_files)
        engines = {
            "local": lambda library: [*GENREBEAM, str(library)],
            "embedded": lambda library: [*GENREBEAM, str(library), *EMBEDDED],
            "cluster, one task manager": lambda library: [
                *on_cluster,
                str(library),
                "--parallelism=1",
            ],
            "cluster": lambda library: [*on_cluster, str(library)],
        }
        rows, sure, files = {}, {}, {}
        for name, engine in engines.items():
            seconds = {}
            for size in ("one", "all"):
                library = shutil.copytree(home / size, home / name / size)
                reports = home / name / f"{size} reports"
                started = time.perf_counter()
                subprocess.run(
                    [*engine(library), *OPTIONS, "--report", str(reports)],
                    check=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                seconds[size] = time.perf_counter() - started
            rows[name], sure[name] = printed(library, reports)
            files[name] = {path: data for path, (data, _) in files_of(library).items()}
            figures[name] = {
                "one_file_s": round(seconds["one"], 1),
                "all_files_s": round(seconds["all"], 1),
                "s_per_further_file": round(
                    (seconds["all"] - seconds["one"]) / max(1, n_files - 1), 4
                ),
                "statuses": dict(Counter(row["status"] for row in rows[name].values())),
                "parts": sum(1 for _ in reports.rglob("part-*.parquet")),
            }
            figures[name]["figures_apart_by_at_most"] = _difference(sure[name], sure["local"])
            here = rows["local"]
            wrong = [path for path in rows[name] | here if rows[name].get(path) != here.get(path)]
            wrong += [path for path, data in files[name].items() if data != files["local"][path]]
            figures["faults"] += [f"{name}: {path}" for path in wrong]
    return figures


# Address in its own namespace, by host.
_HOSTS = {"genrebeam-a": "10.77.0.1", "genrebeam-b": "10.77.0.2"}
_REST, _RPC, _JOBS = 8081, 8082, 8083


@contextlib.contextmanager
def two_hosts() -> Iterator[None]:
    """Two network namespaces, joined by one cable."""
    first, second = _HOSTS
    try:
        for host in _HOSTS:
            _ip("netns", "add", host)
            _ip("-n", host, "link", "set", "lo", "up")
        _ip("-n", first, *("link", "add", "cable", "type", "veth"), *("peer", "name", "cable"),
            *("netns", second))  # fmt: skip
        for host, address in _HOSTS.items():
            _ip("-n", host, "address", "add", f"{address}/24", "dev", "cable")
            _ip("-n", host, "link", "set", "cable", "up")
        yield
    finally:
        for host in _HOSTS:
            subprocess.run(["ip", "netns", "delete", host], stderr=subprocess.DEVNULL)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextlib.contextmanager
def cluster_of_two_hosts(home: Path) -> Iterator[list[str]]:
    """Options that tag on two hosts, with a task manager on each; for the first of them."""
    first = min(_HOSTS)
    jar = str(CACHE / "target" / "flink-job-server.jar")
    flink = "org.apache.flink.runtime"
    settings = [
        *("--configDir", str(REPOSITORY / "deploy" / "flink")),
        *("-D", f"rest.port={_REST}", "-D", f"jobmanager.rpc.port={_RPC}"),
        *("-D", f"jobmanager.rpc.address={_HOSTS[first]}", "-D", f"rest.address={_HOSTS[first]}"),
        *(word for name in ("jobmanager.bind-host", "rest.bind-address", "taskmanager.bind-host")
          for word in ("-D", f"{name}=0.0.0.0")),
    ]  # fmt: skip
    manager = ["java", "-Xmx512m", "-cp", jar, f"{flink}.taskexecutor.TaskManagerRunner"]
    services = [
        (first, ["java", "-Xmx512m", "-cp", jar,
                 f"{flink}.entrypoint.StandaloneSessionClusterEntrypoint", *settings]),
        *((host, [*manager, *settings, "-D", f"taskmanager.host={address}",
                  "-D", f"taskmanager.resource-id={host}"]) for host, address in _HOSTS.items()),
        (first, ["java", "-jar", jar, f"--flink-master={_HOSTS[first]}:{_REST}",
                 f"--job-host={_HOSTS[first]}", f"--job-port={_JOBS}", "--artifact-port=0",
                 "--expansion-port=0", f"--artifacts-dir={home / 'artifacts'}"]),
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        for number, (host, command) in enumerate(services):
            log = stack.enter_context((home / f"{number}.log").open("w"))
            process = subprocess.Popen(
                ["ip", "netns", "exec", host, *command],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            stack.callback(_end, process)
        _wait_for_cluster(first)
        worker = json.dumps({"command": str(REPOSITORY / "deploy" / "flink" / "worker.sh")})
        yield [
            *("--runner=FlinkRunner", f"--job_endpoint={_HOSTS[first]}:{_JOBS}"),
            *("--parallelism=2", "--environment_type=PROCESS", f"--environment_config={worker}"),
        ]


def _end(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_cluster(host: str) -> None:
    ask = ["curl", "--silent", "--fail", f"http://{_HOSTS[host]}:{_REST}/overview"]
    connects = ["bash", "-c", f": <>/dev/tcp/{_HOSTS[host]}/{_JOBS}"]
    for _ in range(120):
        message = subprocess.run(
            ["ip", "netns", "exec", host, *ask], capture_output=True, text=True
        )
        open_port = subprocess.run(["ip", "netns", "exec", host, *connects], capture_output=True)
        if '"taskmanagers":2,' in message.stdout and open_port.returncode == 0:
            return
        time.sleep(0.5)
    raise TimeoutError("the cluster of two hosts did not start within a minute")


def _hosts_at_work() -> set[str]:
    """Namespaces in which Python workers run now."""
    found = set()
    for host in _HOSTS:
        message = subprocess.run(["ip", "netns", "pids", host], capture_output=True, text=True)
        for number in message.stdout.split():
            with contextlib.suppress(OSError):
                if b"flink/worker.py" in Path(f"/proc/{number}/cmdline").read_bytes():
                    found.add(host)
    return found


def apart(music: Path, n_files: int) -> dict[str, Any]:
    """Whether task managers on two hosts leave what the local runner leaves."""
    figures: dict[str, Any] = {"files": n_files, "faults": []}
    rows, sure, files = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder, two_hosts():
        home = Path(folder)
        copy_music(music, home / "original", n_files)
        with cluster_of_two_hosts(home) as on_two_hosts:
            worked: set[str] = set()
            in_first = ["ip", "netns", "exec", min(_HOSTS)]
            for name, options in (("local", []), ("two hosts", on_two_hosts)):
                library = shutil.copytree(home / "original", home / name / "library")
                reports = home / name / "reports"
                log = home / f"{name}.log"
                with log.open("w") as stream:
                    run = subprocess.Popen(
                        [
                            *in_first,
                            *GENREBEAM,
                            str(library),
                            *OPTIONS,
                            *options,
                            "--report",
                            str(reports),
                        ],
                        stderr=stream,
                    )
                    while run.poll() is None:
                        worked |= _hosts_at_work()
                        time.sleep(0.2)
                if run.returncode:
                    figures["faults"].append(f"{name}: {log.read_text()[-1000:]}")
                rows[name], sure[name] = printed(library, reports)
                files[name] = {path: data for path, (data, _) in files_of(library).items()}
                figures[name] = {
                    "exit_code": run.returncode,
                    "statuses": dict(Counter(row["status"] for row in rows[name].values())),
                    "rows": sum(1 for _ in read_rows(reports)),
                }
    figures["hosts_at_work"] = sorted(worked)
    if sure["two hosts"]:
        apart_by = _difference(sure["two hosts"], sure["local"])
        figures["figures_apart_by_at_most"] = apart_by
    if worked != set(_HOSTS):
        figures["faults"].append("not both hosts worked")
    wrong = [path for path in rows["local"] if rows["two hosts"].get(path) != rows["local"][path]]
    wrong += [path for path, data in files["local"].items() if files["two hosts"][path] != data]
    figures["faults"] += wrong
    return figures


def kill(music: Path, n_files: int) -> dict[str, Any]:
    """What becomes of a run whose task manager, or worker, is killed."""
    figures: dict[str, Any] = {"files": n_files, "faults": []}
    with tempfile.TemporaryDirectory() as folder, cluster() as on_cluster:
        for victim in ("task manager", "worker"):
            home = Path(folder) / victim
            copy_music(music, home / "library", n_files)
            figures[victim] = _kill(victim, home, on_cluster, figures["faults"])
    return figures


def _kill(victim: str, home: Path, on_cluster: list[str], faults: list[str]) -> dict[str, Any]:
    library, reports = Library(home / "library"), home / "reports"
    command = [*on_cluster, str(library.folder), *OPTIONS, "--report", str(reports)]
    # What may be running already serves an earlier job.
    before = set(_workers())
    started = time.perf_counter()
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not _changes(reports):
        time.sleep(0.05)
    process = _task_manager() if victim == "task manager" else max(set(_workers()) - before)
    changed_before = _changes(reports)
    os.kill(process, signal.SIGKILL)
    killed = time.perf_counter()
    _, complaints = run.communicate(timeout=600)
    figures = {
        "killed_after_s": round(killed - started, 1),
        "files_changed_before": changed_before,
        "ended_after_another_s": round(time.perf_counter() - killed, 1),
        "exit_code": run.returncode,
        "complaints": complaints.strip()[-500:],
        **_state_of(reports),
    }
    figures["files_changed"], wrong = library.look(None)
    faults += [f"{victim}: {fault}" for fault in wrong]
    figures["temporary_files"] = len(library.temporary())

    subprocess.run([SCRIPT, "start"], check=True, stdout=subprocess.DEVNULL)
    started = time.perf_counter()
    code = subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    figures["second_run"] = {
        "s": round(time.perf_counter() - started, 1),
        "exit_code": code,
        **_state_of(reports),
    }
    figures["second_run"]["files_changed"], wrong = library.look(None)
    first = min(reports.glob("tracks/run=*"))
    figures["rows_of_the_first_run"] = len(read_rows(first))
    figures["files_in_them"] = len({row["uri"] for row in read_rows(first)})
    changes = Counter(line["path"] for line in _journal(min(reports.glob("runs/*"))))
    figures["most_changes_of_a_file"] = max(changes.values(), default=0)
    faults += [f"{victim}, second run: {fault}" for fault in wrong]
    faults += [f"{victim}: {path.name}: left over" for path in library.temporary()]
    if code or figures["second_run"]["state"] != "finished":
        faults.append(f"{victim}: the second run did not finish")
    settled = figures["second_run"]["counts"].values()
    if sum(settled) != len(library.paths):
        faults.append(f"{victim}: not every file has a row")
    faults += undo_all_runs(reports)
    faults += [f"{victim}: {name}: not restored" for name in library.not_original()]
    return figures


def _changes(reports: Path) -> int:
    journals = reports.glob("runs/*/journal.jsonl")
    return sum(journal.read_bytes().count(b"\n") for journal in journals)


def _journal(run: Path) -> Iterator[dict[str, Any]]:
    for line in (run / "journal.jsonl").read_text(encoding="utf-8").splitlines():
        if line:
            yield json.loads(line)


def _state_of(reports: Path) -> dict[str, Any]:
    """State and counts of the latest run."""
    manifest = max(reports.glob("runs/*/run.json"))
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    return {"state": facts["state"], "counts": facts["counts"]}


def _task_manager() -> int:
    file = CACHE / f"cluster-{os.environ['FLINK_PORT']}" / "taskmanager-1.pid"
    return int(file.read_text())


def _workers() -> list[int]:
    """Processes that task managers of this cluster have started for Python."""
    message = subprocess.run(
        ["pgrep", "-g", str(_task_manager()), "-f", "flink/worker.py"],
        capture_output=True,
        text=True,
    )
    return [int(number) for number in message.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description="Tag on Flink.")
    parser.add_argument("what", choices=("compare", "kill", "apart"))
    parser.add_argument("music", type=Path, help="folder of music; it is copied")
    parser.add_argument("--files", type=int, default=300)
    arguments = parser.parse_args()
    do = {"compare": compare, "kill": kill, "apart": apart}[arguments.what]
    print(json.dumps(do(arguments.music, arguments.files), indent=2))


if __name__ == "__main__":
    main()
