"""Write ``metadata.json``, the parameters of the template, from the options of the job.

::

    python -m deploy.dataflow.metadata > deploy/dataflow/metadata.json

A test fails while the file is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from genrebeam.pipeline.options.option import Option, declared_in
from genrebeam.pipeline.options.tagging import TaggingOptions

_IN_BUCKET = "gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
# What is different on Dataflow.
_FOLDERS = {
    "bundle": ("TEXT", f"(/.+|{_IN_BUCKET}/.+)"),
    "report": ("GCS_WRITE_FOLDER", f"{_IN_BUCKET}(/.*)?"),
}
_NOTES = {
    "bundle": "On Dataflow: a folder in Cloud Storage or in the image.",
    "in_place_links": "No effect in Cloud Storage, which has no links.",
    "keep_mtime": "No effect in Cloud Storage.",
    "processes": "Of each worker; best is its number of vCPUs, the default is the launcher's.",
    "taxonomy": "The file must be in the image.",
}
_BEAMS_OWN = (
    ("sdk_container_image", "TEXT", "[a-z0-9][a-z0-9._:/@-]+", "The image of this template."),
    (
        *("number_of_worker_harness_threads", "NUMBER", "[1-9][0-9]{0,2}"),
        "Number of bundles that a worker processes at once.",
    ),
    (
        *("disk_size_gb", "NUMBER", "[1-9][0-9]{1,4}"),
        "Disk of a worker in GB; the image must fit twice.",
    ),
    (
        *("dataflow_service_options", "TEXT", "[A-Za-z0-9_=:;,.-]+"),
        "Such as worker_accelerator=type:nvidia-l4;count:1;install-nvidia-driver.",
    ),
)


def metadata() -> str:
    """The file's text."""
    parameters = [
        _parameter(
            *("library", "GCS_READ_FOLDER", f"{_IN_BUCKET}(/.*)?"),
            "Folder of music, or one file, in Cloud Storage.",
        )
    ]
    options = sorted(declared_in(TaggingOptions), key=lambda one: one.name != "report")
    parameters += [_of_option(option) for option in options]
    parameters += [_parameter(*facts) for facts in _BEAMS_OWN]
    facts = {
        "name": "GenreBeam",
        "description": "Analyses every file of a music library in Cloud Storage, writes its "
        "genre into the file's tags, and leaves a Parquet report.",
        "streaming": False,
        "parameters": parameters,
    }
    return json.dumps(facts, indent=2) + "\n"


def _of_option(option: Option) -> dict[str, Any]:
    message, _, default = option.help.removesuffix(")").partition(" (default: ")
    parts = [f"{message[0].upper()}{message[1:]}."]
    if default and default != "%(default)s":
        parts.append(f"Default: {default}.")
    if note := _NOTES.get(option.name):
        parts.append(note)
    kind, regex = "BOOLEAN", "(true|false)"
    if option.name in _FOLDERS:
        kind, regex = _FOLDERS[option.name]
    elif option.kind:
        kind, regex = option.kind.parameter, option.kind.regex
    elif option.choices:
        kind, regex = "ENUM", f"({'|'.join(map(re.escape, option.choices))})"
    found = _parameter(option.name, kind, regex, " ".join(parts))
    if option.choices:
        found["enumOptions"] = [{"value": choice} for choice in option.choices]
    if option.default not in (None, ()) and not kind.startswith("GCS_"):
        default = option.default
        found["defaultValue"] = str(default).lower() if option.is_flag else str(default)
    return found


def _parameter(name: str, kind: str, regex: str, message: str) -> dict[str, Any]:
    words = name.replace("_", " ")
    facts: dict[str, Any] = {"name": name, "label": f"{words[0].upper()}{words[1:]}"}
    facts |= {"helpText": message, "regexes": [f"^{regex}$"], "paramType": kind}
    # A folder in a bucket has no default.
    return facts if kind.startswith("GCS_") else {**facts, "isOptional": True}


if __name__ == "__main__":
    sys.stdout.write(metadata())
