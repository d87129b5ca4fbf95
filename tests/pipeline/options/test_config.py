"""Configuration: files and the environment say what the command line leaves open."""

import argparse
import json
import os
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.pipeline.cli import build_parser, main
from genrebeam.pipeline.options import config
from genrebeam.pipeline.options.config import LIBRARY_KEYS, commands_of, options_of, parse, toml
from tests.conftest import tone, write_audio

TAG = options_of(commands_of(build_parser())["tag"])


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path, monkeypatch):
    for variable in [name for name in os.environ if name.startswith(config.PREFIX)]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr(config, "user_file", lambda: str(tmp_path / "home" / config.FILE_NAME))


@pytest.fixture
def library(tmp_path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


@pytest.fixture
def write(tmp_path, library):
    """Write the file of a layer; gives its path."""

    def to(layer: str, text: str) -> Path:
        folder = {"library": library, "user": tmp_path / "home", "file": tmp_path / "other"}[layer]
        folder.mkdir(exist_ok=True)
        path = folder / config.FILE_NAME
        path.write_text(text, encoding="utf-8")
        return path

    return to


def parsed(*arguments: str) -> argparse.Namespace:
    known, others = parse(build_parser(), arguments)
    assert others == []
    return known


# --- where a value comes from -------------------------------------------------------------


def test_the_upper_layer_wins(library, write, monkeypatch):
    arguments = ["tag", str(library)]
    assert parsed(*arguments).top_k == 1
    write("user", "[tag]\ntop-k = 2")
    assert parsed(*arguments).top_k == 2
    write("library", "[tag]\ntop-k = 3")
    assert parsed(*arguments).top_k == 3
    arguments += ["--config", str(write("file", "[tag]\ntop-k = 4"))]
    assert parsed(*arguments).top_k == 4
    monkeypatch.setenv("GENREBEAM_TOP_K", "5")
    assert parsed(*arguments).top_k == 5
    assert parsed(*arguments, "--top-k", "6").top_k == 6


def test_a_layer_leaves_open_what_it_does_not_say(library, write, monkeypatch):
    write("user", '[tag]\nexisting = "merge"')
    write("library", "[tag]\ntop-k = 3")
    monkeypatch.setenv("GENREBEAM_VOTE", "majority")
    known = parsed("tag", str(library), "--formats", "mp3")
    assert (known.existing, known.top_k, known.vote) == ("merge", 3, "majority")
    assert (known.formats, known.separator, known.report) == (("mp3",), "null", None)
    assert {k: s.source for k, s in known.settings.items() if s.source != "default"} == {
        "existing": "user",
        "top-k": "library",
        "vote": "environment",
    }


SAID = {
    "existing": "merge",
    "dry-run": True,
    "top-k": 3,
    "level": "family",
    "styles": "all",
    "mood": "report",
    "consistent": "album",
    "learn-from": "off",
    "min-confidence": 0.25,
    "max-genres": 7,
    "treat-as-missing": ["Other", "default"],
    "taxonomy": "/t.toml",
    "write-confidence": True,
    "id3-version": "2.3",
    "separator": "; ",
    "keep-mtime": True,
    "in-place-links": True,
    "segments": "all",
    "vote": "majority",
    "formats": ["mp3", "flac"],
    "exclude": ["Demos/", "*.wav"],
    "bundle": "/b",
    "processes": 2,
    "report": "/r",
    "embeddings": False,
    "incremental": False,
    "keep-decisions": True,
    "retry-failed": True,
    "quiet": True,
    "all-failures": True,
    "min-age": 60,
    "json": True,
    "verbose": True,
    "debug": True,
}


@pytest.mark.parametrize("key", TAG)
def test_every_option_means_the_same_wherever_it_is_said(library, write, monkeypatch, key):
    value = SAID[key]
    text = ",".join(value) if isinstance(value, list) else str(value)
    flags = {True: [f"--{key}"], False: [f"--no-{key}"]}
    said = flags[value] if isinstance(value, bool) else [f"--{key}", text]
    expected = getattr(parsed("tag", str(library), *said), TAG[key].dest)
    assert expected != getattr(parsed("tag", str(library)), TAG[key].dest)

    path = write("file", f"[tag]\n{key} = {toml(value)}")
    assert getattr(parsed("tag", str(library), "--config", str(path)), TAG[key].dest) == expected
    monkeypatch.setenv(f"GENREBEAM_{key.upper().replace('-', '_')}", text)
    assert getattr(parsed("tag", str(library)), TAG[key].dest) == expected


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("0", False), ("", True)])
def test_flags_can_be_taken_back(library, write, monkeypatch, text, value):
    write("user", "[tag]\ndry-run = true")
    monkeypatch.setenv("GENREBEAM_DRY_RUN", text)  # an empty one says nothing
    assert parsed("tag", str(library)).dry_run is value
    assert parsed("tag", str(library), "--no-dry-run").dry_run is False
    assert parsed("tag", str(library), "--dry-run").dry_run is True


def test_paths_are_relative_to_the_file_that_names_them(library, write, monkeypatch):
    path = write("file", '[tag]\nreport = "reports"\ntaxonomy = "~/t.toml"\nbundle = "/b"')
    known = parsed("tag", str(library), "--config", str(path))
    assert known.report == str(path.parent / "reports")
    assert (known.taxonomy, known.bundle) == (os.path.expanduser("~/t.toml"), "/b")
    monkeypatch.setenv("GENREBEAM_REPORT", "reports")
    assert parsed("tag", str(library)).report == "reports"
    monkeypatch.setenv("GENREBEAM_REPORT", "gs://bucket/reports")
    assert parsed("tag", str(library)).report == "gs://bucket/reports"


def test_the_environment_can_name_the_file(library, write, monkeypatch):
    monkeypatch.setenv("GENREBEAM_CONFIG", str(write("file", "[tag]\ntop-k = 4")))
    assert parsed("tag", str(library)).top_k == 4


def test_each_command_has_its_own_table(library, write):
    write("user", "[undo]\ndry-run = true\n[tag]\nquiet = true")
    assert parsed("undo", "reports").dry_run is True
    assert parsed("tag", str(library)).dry_run is False
    assert parsed("undo", "reports").quiet is False


def mixer() -> argparse.ArgumentParser:
    """A parser with kinds of options that a command may have one day."""
    parser = argparse.ArgumentParser(prog="genrebeam")
    parser.set_defaults(command=None)
    command = parser.add_subparsers().add_parser("mix")
    command.add_argument("--config")
    command.add_argument("--out", "--output", required=True, metavar="FILE")
    command.add_argument("--with", dest="others", action="append", type=int, default=[9])
    command.add_argument("--all", nargs="+", type=int)
    return parser


def test_what_a_command_requires_can_be_configured(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        parse(mixer(), ["mix"])
    assert "the following arguments are required: --out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse(mixer(), ["mix", "--help"])
    assert " --out FILE [--with" in capsys.readouterr().out  # in no brackets
    monkeypatch.setattr(config, "_environment", lambda commands: layer(out="x"))
    assert parse(mixer(), ["mix"])[0].out == "x"


def layer(**settings) -> config.Layer:
    return config.Layer("environment", {"mix": settings})


def test_the_second_name_of_an_option_leads_to_the_first(tmp_path):
    path = tmp_path / "mix.toml"
    path.write_text("[mix]\noutput = 'x'")
    with pytest.raises(config.UsageError, match=r"did you mean out\?"):
        parse(mixer(), ["mix", "--out", "x", "--config", str(path)])


def test_options_that_can_be_repeated_take_lists(tmp_path):
    path = tmp_path / "mix.toml"
    path.write_text("[mix]\nwith = [1, 2]\nall = 3")
    arguments = ["mix", "--out", "x"]
    assert parse(mixer(), arguments)[0].others == [9]
    arguments += ["--config", str(path)]
    known, _ = parse(mixer(), arguments)
    assert (known.others, known.all) == ([1, 2], [3])
    assert parse(mixer(), [*arguments, "--with", "5", "--with", "6"])[0].others == [5, 6]


# --- what is wrong is said ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[tag]\nexistng = 'keep'", "unknown key 'existng' in [tag]; did you mean existing?"),
        ("[tag]\ntop_k = 2", "unknown key 'top_k' in [tag]; did you mean top-k?"),
        (
            "[tag]\nxyzzy = 2",
            "unknown key 'xyzzy' in [tag]; known are all-failures, bundle, consistent",
        ),
        ("[tag]\nconfig = 'x'", "unknown key 'config' in [tag]"),
        ("[tga]\n", "unknown table ['tga']; did you mean tag?"),
        ("existing = 'keep'", "'existing' must be in a table, such as [tag]"),
        ("[tag]\nexisting = 'drop'", "existing: invalid choice: 'drop'"),
        ("[tag]\nexisting = 1", "existing: invalid choice: '1'"),
        ("[tag]\nexisting = true", "existing: true is not text or a number"),
        ("[tag]\ntop-k = 0", "top-k: '0' is not a whole number from 1 up"),
        ("[tag]\ntop-k = 2.5", "top-k: '2.5' is not a whole number from 1 up"),
        ("[tag]\ntop-k = [2]", "top-k: [2] is not text or a number"),
        ("[tag]\nmin-confidence = nan", "min-confidence: 'nan' is not a number from 0 to 1"),
        ("[tag]\ndry-run = 'yes'", 'dry-run: "yes" is neither true nor false'),
        ("[tag]\ndry-run = 1", "dry-run: 1 is neither true nor false"),
        ("[tag]\nreport = 5", "report: 5 is not text in quotes"),
        ("[tag]\nformats = ['mp3', 'xyz']", "formats: 'xyz': unknown format"),
        ("[tag]\nformats = ['mp3', {}]", "formats: {} is not text or a number"),
        ("[undo]\nexisting = 'keep'", "unknown key 'existing' in [undo]"),
        ("[tag", "Expected ']' at the end of a table declaration"),
        ("[tag]\n'\\u001b[31m' = 1", r"unknown key '\x1b[31m' in [tag]"),
    ],
)
def test_a_file_that_cannot_be_used_is_wrong_usage(library, write, capsys, text, complaint):
    text = text.replace("'\\u001b[31m'", '"\\u001b[31m"')
    path = write("user", text)
    assert main(["tag", str(library)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"genrebeam: {path}: {complaint}")
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("EXISTNG", "merge", "variable 'GENREBEAM_EXISTNG'; did you mean GENREBEAM_EXISTING?"),
        ("TOP_K", "two", "GENREBEAM_TOP_K: top-k: 'two' is not a whole number"),
        ("DRY_RUN", "maybe", 'GENREBEAM_DRY_RUN: dry-run: "maybe" is neither true nor false'),
        ("CONFIG", "/none.toml", "/none.toml: cannot be read (No such file or directory)"),
    ],
)
def test_a_variable_that_cannot_be_used_is_wrong_usage(
    library, monkeypatch, capsys, variable, value, complaint
):
    monkeypatch.setenv(f"GENREBEAM_{variable}", value)
    assert main(["tag", str(library)]) == 2
    assert complaint in capsys.readouterr().err


def test_a_file_that_is_no_text_is_wrong_usage(library, write, capsys):
    write("user", "").write_bytes(b"[tag]\nreport = '\xff'")
    assert main(["tag", str(library)]) == 2
    assert "codec can't decode" in capsys.readouterr().err


def test_help_is_there_though_the_configuration_is_wrong(write, capsys):
    write("user", "[tag")
    with pytest.raises(SystemExit) as error:
        main(["tag", "--help"])
    assert error.value.code == 0
    assert "examples:" in capsys.readouterr().out


def test_an_option_before_the_command_is_not_half_understood(library, write, capsys):
    write("user", "[tag]\ndry-run = true")
    assert main(["--runner=FlinkRunner", "tag", str(library)]) == 2
    assert "options go after the command" in capsys.readouterr().err


# --- what a library may say ---------------------------------------------------------------


def test_library_keys_are_options():
    assert set(TAG) >= LIBRARY_KEYS


@pytest.mark.parametrize("key", sorted(set(TAG) - LIBRARY_KEYS))
def test_the_file_of_a_library_cannot_set(library, write, capsys, key):
    path = write("library", f"[tag]\n{key} = {toml(SAID[key])}")
    assert main(["tag", str(library)]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"genrebeam: {path}: a library's own file cannot set '{key}'")
    # Who names the file knows it.
    parsed("tag", str(library), "--config", str(path))


def test_the_file_of_a_library_is_about_tagging_it(library, write, capsys):
    write("library", "[undo]\ndry-run = true")
    assert main(["tag", str(library)]) == 2
    assert "can only have the table [tag]" in capsys.readouterr().err
    parsed("undo", str(library))  # not even read


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "huge", "folder", "dangling"])
def test_a_strange_file_in_a_library_is_not_read(library, capsys, kind):
    path = library / config.FILE_NAME
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as stream:
            stream.truncate(1 << 40)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    assert main(["tag", str(library)]) == 2
    assert capsys.readouterr().err.startswith(f"genrebeam: {path}: ")


def test_one_file_as_a_library_has_no_configuration(library, write):
    write("library", "[tag]\ntop-k = 3")
    (library / "a.mp3").touch()
    assert parsed("tag", str(library / "a.mp3")).top_k == 1
    assert parsed("tag", "gs://bucket/music").top_k == 1


# --- the command --------------------------------------------------------------------------


def test_prints_what_is_in_force_and_from_where(library, write, monkeypatch, capsys):
    user = write("user", '[tag]\nexisting = "merge"\ntop-k = 2')
    own = write("library", "[tag]\ntop-k = 3")
    monkeypatch.setenv("GENREBEAM_DRY_RUN", "true")
    assert main(["config", str(library)]) == 0
    shown = capsys.readouterr().out
    lines = dict(line.split("  # ") for line in shown.splitlines() if "  # " in line)
    lines = {key.strip(): where for key, where in reversed(lines.items())}
    assert f"# files read: {own}, {user}" in shown
    assert lines['existing = "merge"'] == f"user: {user}"
    assert lines["top-k = 3"] == f"library: {own}"
    assert lines['dry-run = "true"'] == "environment: GENREBEAM_DRY_RUN"
    assert lines["# segments"] == "default: the model's own"
    assert lines['# id3-version = "keep"'] == "default"


def test_what_it_prints_is_a_file_that_says_the_same(library, write, capsys):
    path = write("file", f"[tag]\n{''.join(f'{k} = {toml(v)}{chr(10)}' for k, v in SAID.items())}")
    assert main(["config", str(library), "--config", str(path)]) == 0
    shown = capsys.readouterr().out
    assert tomllib.loads(shown)["tag"] == SAID
    again = write("user", shown)
    first = parsed("tag", str(library), "--config", str(path))
    second = parsed("tag", str(library), "--config", str(again))
    for action in TAG.values():
        assert getattr(first, action.dest) == getattr(second, action.dest), action.dest


def test_prints_json_for_scripts(library, write, capsys):
    user = write("user", '[tag]\nexisting = "merge"\n[config]\njson = true')
    assert main(["config", str(library)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["files"] == [str(user)]
    assert facts["tag"]["existing"] == {"value": "merge", "source": "user", "where": str(user)}
    assert facts["tag"]["vote"] == {
        "value": None,
        "source": "default",
        "where": "the model's own",
    }


def test_a_value_cannot_command_the_terminal(library, write, capsys):
    write("library", '[tag]\nseparator = "\\u001b[31m\\u009b\\nx"')
    assert main(["config", str(library)]) == 0
    assert '"\\u001b[31m\\u009b\\u000ax"' in capsys.readouterr().out


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_text_as_toml_reads_back(text):
    assert tomllib.loads(f"x = {toml(text)}")["x"] == text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems, other places")
def test_the_file_of_a_user_is_where_others_are(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.user_file() == str(tmp_path / "genrebeam" / "genrebeam.toml")


def test_a_scheduled_run_can_be_steered_by_the_environment(
    library, tmp_path, tiny_bundle, monkeypatch, capsys
):
    write_audio(library / "a.wav", tone(8), 22050)
    before = (library / "a.wav").read_bytes()
    for name, value in (
        ("DRY_RUN", "1"),
        ("BUNDLE", tiny_bundle.path),
        ("REPORT", str(tmp_path / "reports")),
    ):
        monkeypatch.setenv(f"GENREBEAM_{name}", value)
    assert main(["tag", str(library)]) == 0
    assert "1 would tag" in capsys.readouterr().out
    assert (library / "a.wav").read_bytes() == before
    assert main(["tag", str(library), "--no-dry-run", "--quiet"]) == 0
    assert capsys.readouterr().out == "1 tagged\n"
    assert (library / "a.wav").read_bytes() != before
