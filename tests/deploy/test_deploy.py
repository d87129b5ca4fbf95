"""What deploy/ promises: a template that knows every option, pins that agree, scripts that run."""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from deploy.dataflow.main import command_line
from deploy.dataflow.metadata import metadata
from genrebeam.pipeline.cli import build_parser
from genrebeam.pipeline.options.config import commands_of, options_of
from genrebeam.pipeline.options.option import add_options
from genrebeam.pipeline.options.tagging import TaggingOptions
from genrebeam.pipeline.runs.run import runs_of, start_run
from genrebeam.transforms.formats import FORMATS
from tests import REPOSITORY
from tests.conftest import tone, write_audio
from tests.storages import google

DATAFLOW = REPOSITORY / "deploy" / "dataflow"
NAS = REPOSITORY / "deploy" / "nas"
NIGHTLY = REPOSITORY / "deploy" / "nightly"
METADATA = json.loads((DATAFLOW / "metadata.json").read_text(encoding="utf-8"))
PARAMETERS = {parameter["name"]: parameter for parameter in METADATA["parameters"]}
BEAMS_OWN = {
    "dataflow_service_options",
    "disk_size_gb",
    "number_of_worker_harness_threads",
    "sdk_container_image",
}
ONE_L4 = "worker_accelerator=type:nvidia-l4;count:1;install-nvidia-driver"
# What a person may type: right for some parameters, nonsense for the others.
VALUES = (
    *("family", "album", "library", "off", "report"),
    *("", " ", "0", "1", "-1", "1.5", "0.5", ".5", "1.0", "2", "007", "x", "all", "null", "none"),
    *("true", "false", "True", "yes", "keep", "Keep", "merge", "replace", "mean", "majority"),
    *("2.3", "2.4", "2x4", "3", "mp3", "mp3,flac", "mp3,", "MP3;flac", "exe", "; ", "a/b", "/"),
    *("Other,Misc", "gs://bucket/Music", "gs://bucket", "gs://", "gs:/b/x", "/home/you/Music"),
    *("s3://bucket/x", "/models/mine", "my.toml", "/my.toml", "$(reboot)", "a|b", "99999999999"),
)


def accepts(name: str, value: str) -> bool:
    """Whether Dataflow would take a value, which it compares as a whole."""
    return all(re.fullmatch(regex, value) for regex in PARAMETERS[name]["regexes"])


def tagging_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_options(parser, TaggingOptions)
    return parser


def parses(arguments: list[str]) -> argparse.Namespace | None:
    """What our own parser makes of the arguments of ``genrebeam tag``."""
    try:
        return commands_of(build_parser())["tag"].parse_args(arguments)
    except SystemExit:
        return None


OPTIONS = options_of(tagging_parser())


def test_template_has_every_option_of_the_job_and_no_other():
    ours = {"library", *(key.replace("-", "_") for key in OPTIONS)}
    assert set(PARAMETERS) == ours | BEAMS_OWN
    assert len(METADATA["parameters"]) == len(PARAMETERS)


def test_metadata_is_up_to_date():
    text = (DATAFLOW / "metadata.json").read_text(encoding="utf-8")
    assert text == metadata(), (
        "run: python -m deploy.dataflow.metadata > deploy/dataflow/metadata.json"
    )


def test_parameters_that_beam_takes_are_options_of_beam():
    from apache_beam.options.pipeline_options import PipelineOptions

    assert set(PipelineOptions([]).get_all_options()) >= BEAMS_OWN


def test_parameters_are_reported_and_checked():
    for parameter in METADATA["parameters"]:
        assert parameter["label"]
        assert parameter["helpText"].endswith(".")
        assert parameter["regexes"]
        for option in parameter.get("enumOptions", ()):
            assert accepts(parameter["name"], option["value"])
    needed = {name for name, parameter in PARAMETERS.items() if not parameter.get("isOptional")}
    assert needed == {"library", "report"}


@pytest.mark.parametrize("key", OPTIONS)
def test_defaults_are_those_of_the_command_line(key):
    parameter, option = PARAMETERS[key.replace("-", "_")], OPTIONS[key]
    if option.nargs == 0:
        assert parameter["defaultValue"] == str(option.default).lower()
    elif parameter.get("defaultValue") is None:  # printed in words, or needed in a bucket
        assert key == "report" or re.search(r"\(default: (?!%)", option.help)
    else:
        assert parameter["defaultValue"] == str(option.default)
    assert accepts(key.replace("-", "_"), parameter.get("defaultValue", "")) == (
        "defaultValue" in parameter
    )


@pytest.mark.parametrize("name", sorted(set(PARAMETERS) - BEAMS_OWN))
def test_what_the_template_accepts_the_command_line_accepts(name, capsys):
    accepted = [value for value in VALUES if accepts(name, value)]
    refused = [value for value in VALUES if not accepts(name, value)]
    assert accepted
    assert refused
    for value in accepted:
        arguments = command_line([f"--{name}={value}", "--library=gs://bucket/Music"])
        if name == "library":
            arguments = arguments[:2]
        flag = f"--no-{name.replace('_', '-')}"
        assert parses([a for a in arguments[1:] if a != flag]) is not None, value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("library", "/home/you/Music"),
        ("report", "s3://bucket/x"),
        ("existing", "Keep"),
        ("dry_run", "yes"),
        ("top_k", "0"),
        ("min_confidence", "1.5"),
        ("formats", "exe"),
        ("separator", "a/b"),
        ("segments", "none"),
        ("sdk_container_image", "$(reboot)"),
        ("number_of_worker_harness_threads", "0"),
        ("disk_size_gb", "1"),
        ("dataflow_service_options", "a b"),
    ],
)
def test_nonsense_is_refused(name, value):
    assert not accepts(name, value)


def test_every_format_can_be_chosen():
    assert all(accepts("formats", name) for name in FORMATS)
    assert accepts("formats", ",".join(FORMATS))


def test_parameters_become_a_command_line():
    arguments = command_line(
        [
            "--runner=DataflowRunner",
            "--library=gs://bucket/My Music",
            "--treat_as_missing=Other,Misc",
            "--write_confidence=true",
            "--dry_run=false",
            "--dataflow_service_options=worker_accelerator=type:nvidia-l4;count:1",
        ]
    )
    assert arguments == [
        "tag",
        "--runner=DataflowRunner",
        "gs://bucket/My Music",
        "--treat-as-missing=Other,Misc",
        "--write-confidence",
        "--no-dry-run",
        "--dataflow_service_options=worker_accelerator=type:nvidia-l4;count:1",
    ]


def pins(path: Path) -> dict[str, str]:
    """Versions by name of a lock file, without those of other platforms."""
    lines = re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^ ;\\\n]+)([^\n]*)", path.read_text(), re.M)
    return {name: version for name, version, rest in lines if ";" not in rest}


def test_workers_have_the_locked_versions():
    locked = pins(REPOSITORY / "requirements" / "base.lock")
    workers = pins(DATAFLOW / "workers.lock")
    assert locked.items() <= workers.items()
    dockerfile = (DATAFLOW / "Dockerfile").read_text()
    assert re.search(r"^ARG BEAM=(.+)$", dockerfile, re.M)[1] == locked["apache-beam"]


def test_image_for_gpus_has_what_tensorflow_asks_for():
    asked = {need.split(";")[0].strip() for need in requires("tensorflow") if "and-cuda" in need}
    printed = [line for line in (DATAFLOW / "cuda.in").read_text().splitlines() if line[0] != "#"]

    def names_and_bounds(needs):
        return {
            (re.match(r"[\w-]+", need)[0], *sorted(re.findall(r"[<>=]+[\d.]+", need)))
            for need in needs
        }

    assert names_and_bounds(printed) == names_and_bounds(asked)
    assert set(pins(DATAFLOW / "cuda.lock")) == {re.match(r"[\w-]+", need)[0] for need in printed}


@pytest.mark.parametrize("name", ["base", "train", "pages", "watch"])
def test_every_lock_has_the_tested_versions(name):
    requirements = REPOSITORY / "requirements"
    assert pins(requirements / f"{name}.lock").items() <= pins(requirements / "test.lock").items()


def test_image_copies_what_there_is():
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (DATAFLOW / "Dockerfile").read_text(), re.M)
    sources = [source for line in copied for source in line.split()]
    # Without them it cannot be installed.
    packages = {"beetsplug", "genrebeam", "model", "pipeline", "transforms"}
    assert packages | {"deploy/dataflow/main.py"} <= set(sources)
    assert all(list(REPOSITORY.glob(source)) for source in sources)


@pytest.fixture
def launch(tmp_path):
    """Run launch.sh with a gcloud and a docker that note their arguments."""
    for program in ("gcloud", "docker"):
        path = tmp_path / program
        path.write_text(
            f'#!/usr/bin/env bash\nprintf "%s\\0" {program} "$@" >>{tmp_path}/printed\n'
            f'printf "\\n\\0" >>{tmp_path}/printed\n[ "${{3:-}}" != describe ]\n'
        )
        path.chmod(0o755)

    def run(*arguments: str, **environment: str) -> tuple[subprocess.CompletedProcess, list]:
        (tmp_path / "printed").write_text("")
        done = subprocess.run(
            [DATAFLOW / "launch.sh", *arguments],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **environment},
            capture_output=True,
            text=True,
        )
        calls = (tmp_path / "printed").read_text().split("\0\n\0")[:-1]
        return done, [call.split("\0") for call in calls]

    return run


WHERE = {"PROJECT": "my-project", "REGION": "europe-west1", "BUCKET": "my-bucket"}
JOB = ("gs://music/all", "gs://music-reports/all")


def after(call: list[str], flag: str) -> str:
    return call[call.index(flag) + 1]


@pytest.mark.parametrize("gpu", ["no", "yes"])
def test_build_makes_image_and_template(launch, gpu):
    done, calls = launch("build", **WHERE, GPU=gpu)
    assert done.returncode == 0, done.stderr
    build, push, template = calls
    assert after(build, "--target") == {"no": "cpu", "yes": "gpu"}[gpu]
    assert after(build, "--tag") == push[-1] == after(template, "--image")
    assert accepts("sdk_container_image", push[-1])
    assert template[1:4] == ["dataflow", "flex-template", "build"]
    assert Path(after(template, "--metadata-file")).samefile(DATAFLOW / "metadata.json")


@pytest.mark.parametrize("gpu", ["no", "yes"])
def test_day_and_night_launch_the_same_job(launch, gpu):
    given = ("existing=merge", "treat_as_missing=Other,Misc", "disk_size_gb=80")
    where = {**WHERE, "GPU": gpu, "SERVICE_ACCOUNT": "tagger@my-project.example"}
    done, (by_day,) = launch("run", *JOB, *given, **where)
    assert done.returncode == 0, done.stderr
    printed = after(by_day, "--parameters").removeprefix("^|^").split("|")
    parameters = dict(parameter.split("=", 1) for parameter in printed)
    assert len(parameters) == len(printed)

    done, (_, by_night) = launch("nightly", *JOB, *given, **where)
    assert done.returncode == 0, done.stderr
    request = json.loads(after(by_night, "--message-body"))["launchParameter"]
    assert request["parameters"] == parameters
    assert request["containerSpecGcsPath"] == after(by_day, "--template-file-gcs-location")
    environment = request["environment"]
    assert environment["machineType"] == after(by_day, "--worker-machine-type")
    assert ",".join(environment["additionalExperiments"]) == after(
        by_day, "--additional-experiments"
    )
    assert "no_use_multiple_sdk_containers" in environment["additionalExperiments"]

    assert all(accepts(name, value) for name, value in parameters.items())
    assert parameters["disk_size_gb"] == "80"
    assert parameters["processes"] == environment["machineType"].rpartition("-")[2]
    assert parameters.get("dataflow_service_options") == {"no": None, "yes": ONE_L4}[gpu]


@pytest.mark.parametrize(
    ("arguments", "environment", "complaint"),
    [
        ((), WHERE, "launch.sh run LIBRARY REPORT"),
        (("play",), WHERE, "launch.sh run LIBRARY REPORT"),
        (("run", *JOB), {}, "PROJECT is not set"),
        (("run", "gs://music/all"), WHERE, "launch.sh run LIBRARY REPORT"),
        (("run", "/music", JOB[1]), WHERE, "/music: not a folder in Cloud Storage"),
        (("run", *JOB, "merge"), WHERE, "merge: not NAME=VALUE"),
        (("run", *JOB, "exist=merge"), WHERE, "exist: not a parameter of the template"),
        (("run", *JOB, "library=gs://other"), WHERE, "library=gs://other: the library and the"),
        (("run", *JOB, "separator=|"), WHERE, "separator=|: cannot hold a |"),
        (("run", *JOB), {**WHERE, "GPU": "1"}, "GPU must be yes or no"),
        (("run", *JOB), {**WHERE, "MAX_WORKERS": "many"}, "MAX_WORKERS=many"),
        (
            ("run", *JOB),
            {**WHERE, "MACHINE": "custom"},
            "custom: its name must end with the number of vCPUs",
        ),
        (("nightly", *JOB), WHERE, "SERVICE_ACCOUNT is not set"),
    ],
)
def test_wrong_usage_is_reported_before_anything_is_done(launch, arguments, environment, complaint):
    done, calls = launch(*arguments, **environment)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert calls == []


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_launch_script_has_no_known_mistakes():
    done = subprocess.run(["shellcheck", DATAFLOW / "launch.sh"], capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("stays", [False, True])
def test_systemd_takes_the_units(tmp_path, stays):
    command = "/opt/genrebeam/.venv/bin/genrebeam"
    units = [tmp_path / f"genrebeam.{kind}" for kind in ("service", "timer", "path")]
    copies = {NIGHTLY / unit.name: unit for unit in units}
    if stays:
        (tmp_path / "genrebeam.service.d").mkdir()
        copies[NIGHTLY / "watch.conf"] = tmp_path / "genrebeam.service.d" / "watch.conf"
    for unit, copy in copies.items():
        copy.write_text(unit.read_text().replace(command, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True
    )
    assert "genrebeam" not in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("name", "command"),
    [("genrebeam.service", "watch"), ("watch.conf", "watch"), ("crontab", "tag")],
)
def test_nightly_commands_are_known(name, command):
    lines = (NIGHTLY / name).read_text().splitlines()
    (line,) = (
        line for line in lines if re.search(rf"(genrebeam|run_local.sh\"?) {command} /?", line)
    )
    words = shlex.split(line)
    known = commands_of(build_parser())[command].parse_args(words[words.index(command) + 1 :])
    # A user has a folder for state; a service has one only where its unit says so.
    assert known.report or name == "crontab"
    assert command == "watch" or known.quiet


def test_the_image_for_a_nas_has_all_that_it_is_built_of():
    images = [NAS / "Dockerfile", DATAFLOW / "Dockerfile"]
    copied = [re.findall(r"^COPY (?!--)(.+) \S+$", image.read_text(), re.M) for image in images]
    ours, workers = ({name for line in lines for name in line.split()} for lines in copied)
    assert ours - {"requirements/watch.lock"} == {n for n in workers if "dataflow" not in n}
    for name in ours:
        assert list(REPOSITORY.glob(name)), name


def test_the_nas_watches_its_music():
    compose = (NAS / "compose.yaml").read_text()
    (command,) = re.findall(r"^    command: (\[.+\])$", compose, re.M)
    name, *arguments = json.loads(command)
    known = commands_of(build_parser())[name].parse_args(arguments)
    assert (known.library, known.min_age) == ("/music", 60)
    assert all(f":{folder}\n" in compose for folder in ("/music", "/state"))


@pytest.fixture(scope="module")
def translated(tmp_path_factory) -> tuple[dict, bytes]:
    """What Dataflow is sent for a library in a bucket, and the graph that it is given."""
    pytest.importorskip(
        "google.cloud.dataflow_v1beta3", reason="google-cloud-dataflow-client is not installed"
    )
    folder = tmp_path_factory.mktemp("translated")
    write_audio(folder / "tone.wav", tone(1), 22050)
    with google() as storage:
        storage.put("all/tone.wav", (folder / "tone.wav").read_bytes())
        _leave_earlier_run("gs://music/reports")
        done = subprocess.run(
            [
                *(sys.executable, DATAFLOW / "main.py", "--runner=DataflowRunner"),
                *("--library=gs://music/all", "--report=gs://music/reports"),
                *("--project=my-project", "--region=europe-west1", "--job_name=genrebeam"),
                *("--temp_location=gs://music/tmp", "--staging_location=gs://music/staging"),
                f"--template_location={folder / 'job.json'}",
                *("--existing=merge", "--write_confidence=true", "--processes=8"),
                "--sdk_container_image=europe-west1-docker.pkg.dev/my-project/r/genrebeam:1",
                f"--dataflow_service_options={ONE_L4}",
                "--experiments=use_runner_v2,no_use_multiple_sdk_containers",
                *("--number_of_worker_harness_threads=2", "--disk_size_gb=50"),
                "--machine_type=g2-standard-8",
            ],
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "GOOGLE_APPLICATION_CREDENTIALS": str(_no_credentials(folder)),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("launched;")
        assert runs_of("gs://music/reports")[-1].read_manifest()["state"] == "launched"
        assert "reports/lock" not in storage.names()
        (graph,) = (name for name in storage.names() if name.endswith("/pipeline.pb"))
        return json.loads((folder / "job.json").read_text()), storage.get(graph)


def _leave_earlier_run(report: str) -> None:
    """Else the graph would lack the steps that look things up."""
    start_run(report).write_manifest(
        {
            "library": "gs://music/all",
            "state": "finished",
            "started_at": "2026-11-20T00:00:00.000+00:00",
            "options": {"formats": list(FORMATS)},
        }
    )


def _no_credentials(folder: Path) -> Path:
    """A file of credentials that do for an emulator: nobody has to be asked for a token."""
    path = folder / "credentials.json"
    facts = dict.fromkeys(("client_id", "client_secret", "refresh_token", "token"), "none")
    path.write_text(
        json.dumps({**facts, "type": "authorized_user", "expiry": "2999-01-01T00:00:00Z"})
    )
    return path


def test_job_has_one_process_and_one_gpu_for_each_worker(translated):
    job, _ = translated
    environment = job["environment"]
    (workers,) = environment["workerPools"]
    assert workers["machineType"] == "g2-standard-8"
    assert workers["diskSizeGb"] == 50
    assert workers["numThreadsPerWorker"] == 2
    assert workers["workerHarnessContainerImage"].endswith("/genrebeam:1")
    assert environment["serviceOptions"] == [ONE_L4]
    assert {"use_runner_v2", "no_use_multiple_sdk_containers"} <= set(environment["experiments"])
    assert "use_multiple_sdk_containers" not in environment["experiments"]


def test_graph_has_every_step_and_workers_can_load_them(translated):
    from apache_beam.internal import pickler
    from apache_beam.portability import common_urns
    from apache_beam.portability.api import beam_runner_api_pb2

    graph = beam_runner_api_pb2.Pipeline.FromString(translated[1])
    steps = graph.components.transforms.values()
    names = {part for step in steps for part in step.unique_name.split("/")}
    assert {"walk", "skip unchanged", "read tags", "decode + features", "classify"} <= names
    assert {"vote", "write", "report", "close"} <= names
    loaded = set()
    for step in steps:
        if step.spec.urn == common_urns.primitives.PAR_DO.urn:
            function = beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload).do_fn
            if function.payload:  # one of Beam's own can be known by its name alone
                loaded.add(type(pickler.loads(function.payload)[0]).__name__)
    assert {"Walk", "SkipUnchanged", "ReadTags", "ExtractInPool", "Tag", "WriteRows"} <= loaded


def test_job_is_far_below_the_limits_of_dataflow(translated):
    from apache_beam.portability.api import beam_runner_api_pb2

    job, graph = translated
    # Google documents 20 MB for the request and 10 MB for the graph.
    assert len(json.dumps(job)) < 20e6 / 100
    assert len(graph) < 10e6 / 50  # the model and the library's listing are not in it
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", job["name"])
    steps = beam_runner_api_pb2.Pipeline.FromString(graph).components.transforms.values()
    names = [step.unique_name for step in steps]
    assert len(set(names)) == len(names)
