#!/usr/bin/env python3
"""Start workers as Dataflow does, without a cloud and without Docker.

    go mod init boot && go get github.com/apache/beam/sdks/v2/python/container@v2.77.0
    go build -o boot github.com/apache/beam/sdks/v2/python/container
    python3.11 -m venv WORKER
    WORKER/bin/pip install --require-hashes -r deploy/dataflow/workers.lock
    WORKER/bin/pip install --no-deps --no-build-isolation .
    .venv/bin/python benchmarks/engines/dataflow_worker.py boot MUSIC --venv WORKER

The first lines build Beam's ``boot``, the entry point of our image, and install what the image
installs. Then Beam's own job server, with its services for provisioning, artifacts, logging,
control and data, starts ``boot`` through a stand-in for ``docker``, with the environment that the
Dockerfile sets and nothing else. ``boot`` fetches the job's files and becomes the worker, which
does the whole job. What it leaves is compared with the local runner.

Prints one JSON object; ``faults`` has to be empty.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.engines.on_flink import GENREBEAM, OPTIONS, copy_music  # noqa: E402
from tests.conftest import files_of  # noqa: E402
from tests.engines import printed  # noqa: E402

# What Beam asks of docker, done without it. $0's folder holds what the "container" says.
_DOCKER = """\
#!/bin/bash
home=$(dirname "$0")
case $1 in
    run)
        until [[ $1 == --id=* ]]; do shift; done
        cd "$home"
        env -i {environment} setsid "{boot}" "$@" --semi_persist_dir="$home/beam" \\
            >"$home/worker.log" 2>&1 </dev/null &
        echo $!
        ;;
    inspect) kill -0 "${{@: -1}}" 2>/dev/null && echo running || echo exited ;;
    container) cat "$home/worker.log" ;;
    kill | stop) kill -TERM -- "-${{@: -1}}" ;;
esac
"""


def stand_in(folder: Path, boot: Path, venv: Path) -> None:
    """Write the program that Beam takes for docker."""
    dockerfile = (REPOSITORY / "deploy" / "dataflow" / "Dockerfile").read_text(encoding="utf-8")
    cpu = dockerfile.partition("FROM cpu AS gpu")[0]
    environment = re.findall(r"^ENV (\w+=\S+)$", cpu, re.MULTILINE)
    # An image has a home and its own programs first.
    environment += [f"HOME={folder}", f"PATH={venv / 'bin'}:/usr/local/bin:/usr/bin:/bin"]
    path = folder / "docker"
    path.write_text(_DOCKER.format(boot=boot, environment=" ".join(environment)))
    path.chmod(0o755)


def check(boot: Path, music: Path, venv: Path, n_files: int) -> dict[str, Any]:
    """Whether a worker that boot started leaves what the local runner leaves."""
    figures: dict[str, Any] = {"files": n_files, "faults": []}
    rows, files = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        stand_in(home, boot, venv)
        copy_music(music, home / "original", n_files)
        portable = [
            *("--runner=PortableRunner", "--job_endpoint=embed"),
            *("--environment_type=DOCKER", "--environment_config=genrebeam:check"),
        ]
        for name, options in (("local", []), ("worker", portable)):
            library = shutil.copytree(home / "original", home / name / "library")
            reports = home / name / "reports"
            code = subprocess.run(
                [*GENREBEAM, str(library), *OPTIONS, "--report", str(reports), *options],
                env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
                stderr=subprocess.DEVNULL,
            ).returncode
            rows[name], _ = printed(library, reports)
            files[name] = {path: data for path, (data, _) in files_of(library).items()}
            statuses = Counter(row["status"] for row in rows[name].values())
            figures[name] = {"exit_code": code, "statuses": dict(statuses)}
        log = home / "worker.log"
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        figures["boot_said"] = said.splitlines()[:12]
    if not said:
        figures["faults"].append("boot was not started")
    wrong = [path for path in rows["local"] if rows["worker"].get(path) != rows["local"][path]]
    wrong += [path for path, data in files["local"].items() if files["worker"].get(path) != data]
    figures["faults"] += wrong
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("boot", type=Path)
    parser.add_argument("music", type=Path, help="folder of music; it is copied")
    parser.add_argument("--venv", type=Path, required=True, help="what the image installs")
    parser.add_argument("--files", type=int, default=30)
    arguments = parser.parse_args()
    figures = check(
        arguments.boot.resolve(), arguments.music, arguments.venv.resolve(), arguments.files
    )
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
