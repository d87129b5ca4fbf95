"""What lasts beyond a run: its form is a contract, with a version."""

import ast
import contextlib
import dataclasses
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.pipeline.runs.corrections import read_corrections
from genrebeam.pipeline.runs.journal import Journal, Note, read_notes
from genrebeam.pipeline.runs.manifest import Manifest, read_manifest, write_manifest
from genrebeam.transforms.library.to_do import read_tracks, write_track
from genrebeam.transforms.records import EarlierGenres, Stored, Track
from genrebeam.transforms.strict import RecordError
from genrebeam.transforms.tags import change as changes
from genrebeam.transforms.tags.change import Change, Unreadable, read_change, read_journal

GOLDEN = Path(__file__).parent / "golden"
REPOSITORY = Path(__file__).parents[3]

CHANGE = Change(
    path="/music/caf\udce9.mp3",
    undo={"pieces": "eJyLjgUAARUAuQ==", "old_digest": "crc32:0-0", "new_digest": "00"},
    format="mp3",
    size_before=100,
    mtime_ns_before=1_700_000_000_123_456_789,
    size_after=120,
    mtime_ns_after=1_700_000_001_000_000_000,
    genres_before=(),
    genres_after=("Jazz", "Škola"),
    library="/music",
    time="2026-11-20T10:15:00.123+00:00",
)
NOTE = Note("/music/caf\udce9.mp3", "/music/b.mp3", "2026-11-21T10:15:00.123+00:00")
MANIFEST: Manifest = {
    "version": 1,
    "run": "20261120T101500.123Z-3fa9",
    "state": "finished",
    "library": "/music",
    "options": {"existing": "keep", "dry_run": False, "formats": ["mp3"], "segments": "all"},
    "analysis_digest": "0123456789ab-5",
    "decision_digest": "0123456789ab",
    "model": {"name": "m", "version": "1"},
    "versions": {"genrebeam": "1.0"},
    "schema_version": 5,
    "started_at": "2026-11-20T10:15:00.123+00:00",
    "finished_at": "2026-11-20T10:16:00.123+00:00",
    "seconds": 60.0,
    "counts": {"tagged": 1},
}
TRACK = Track(
    *("/music/caf\udce9.mp3", "mp3", 100, 1_700_000_000_123_456_789),
    given=EarlierGenres(("Jazz",), "audio"),
    stored=Stored("20261119T101500.123Z-3fa9", 100, 1_700_000_000_123_456_789, 5, b"\0\x3c" * 3),
)


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    """A seal is another on each machine."""
    monkeypatch.setattr(changes, "seal", lambda facts: "")


def written(tmp_path: Path) -> dict[str, bytes]:
    with open(tmp_path / "to-do", "wb") as stream:
        write_track(TRACK, stream, io.BytesIO())
    return {
        "journal.jsonl": CHANGE.to_line().encode("ascii"),
        "undone.jsonl": NOTE.to_line().encode("ascii"),
        "run.json": write_manifest(MANIFEST),
        "to-do": (tmp_path / "to-do").read_bytes(),
    }


@pytest.mark.parametrize("name", ["journal.jsonl", "undone.jsonl", "run.json", "to-do"])
def test_a_new_form_needs_a_new_version(tmp_path, name):
    # To change one on purpose: raise its version, keep reading the old one, write its file anew.
    assert written(tmp_path)[name] == (GOLDEN / name).read_bytes()


def test_the_golden_files_are_read():
    (change,) = read_journal((GOLDEN / "journal.jsonl").read_text().splitlines(keepends=True))
    assert change == CHANGE
    assert list(read_notes(Journal(str(GOLDEN / "undone.jsonl")))) == [NOTE]
    assert read_manifest((GOLDEN / "run.json").read_bytes()) == MANIFEST
    (track,) = read_tracks(str(GOLDEN / "to-do"))
    assert dataclasses.replace(track, stored=TRACK.stored) == TRACK
    assert (track.stored.run, track.stored.n_bytes) == (TRACK.stored.run, 6)
    (choice,) = read_corrections(str(GOLDEN / "corrections.json")).choices
    assert (choice.kind, choice.genres, choice.in_file) == ("corrected", ("Punk",), ("Rock",))


def test_lines_of_early_versions_are_read():
    facts = {k: v for k, v in vars(CHANGE).items() if k in ("path", "undo", "format")}
    facts |= {"size_before": 100, "mtime_ns_before": 5, "in_place": False, "genres_before": []}
    change = read_change(json.dumps(facts))
    assert (change.size_after, change.library, change.is_ours) == (None, "", False)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Change)])
@pytest.mark.parametrize("value", [None, 3.5, [], {}, [3], {"a": 3}, "\0", -1, True])
def test_a_line_with_a_wrong_field_is_refused_or_read_as_it_is(name, value):
    line = json.dumps({**vars(CHANGE), name: value})
    try:
        change = read_change(line)
    except RecordError:
        return
    read = getattr(change, name)
    assert (list(read) if isinstance(read, tuple) else read) == value


@given(st.text())
def test_no_line_raises_anything_else(line):
    for found in read_journal([line, f"{line}\n"]):
        assert isinstance(found, Unreadable)


@given(st.binary())
def test_no_manifest_raises_anything_else(content):
    with contextlib.suppress(RecordError):
        read_manifest(content)


@pytest.mark.parametrize(
    "facts",
    [
        {"version": 2},
        {"run": 1},
        {"counts": {"tagged": "1"}},
        {"counts": []},
        {"options": {"formats": "mp3"}},
        {"options": {"dry_run": 1}},
        {"model": {"name": "m"}, "more": 1},
        {"model": "m"},
        {"started_at": "yesterday"},
        {"started_at": "2026-11-20"},
        {"seconds": float("inf")},
    ],
)
def test_a_manifest_that_is_not_as_it_should_be_is_refused(facts):
    with pytest.raises(RecordError):
        read_manifest(json.dumps(facts).encode())


@pytest.mark.parametrize(
    "line",
    [
        *("", "{}", "[]", "[3, 'a', 'b', 1, 1, null]", '[1, "a", "mp3", 1, 1]', "[" * 100_000),
        *('[2, 3, "mp3", 1, 1, null]', '[2, "a", "mp3", 1, 1, [["Jazz"]]]'),
        '[2, "a", "mp3", 1, 1, [[3], "audio"]]',
    ],
)
def test_a_to_do_list_of_another_form_is_refused(tmp_path, line):
    (tmp_path / "to-do").write_text(f"{line}\n")
    with pytest.raises(RecordError):
        list(read_tracks(str(tmp_path / "to-do")))


def test_nothing_that_is_read_back_is_a_pickle():
    # Between a process and its own children nothing is read back; a pipe has no name.
    pipes = {"pool.py", "pool_worker.py"}
    found = []
    for room in ("model", "transforms", "pipeline", "beetsplug", "deploy"):
        for path in (REPOSITORY / room).rglob("*.py"):
            if path.name in pipes:
                assert not re.search(r"pickle\.(load|dump)\(", path.read_text())
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                found += [f"{path}:{node.lineno}" for what in _loads_code(node)]
    assert found == []


def _loads_code(node: ast.AST):
    forbidden = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve"}
    forbidden |= {"marshal"}
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        yield from forbidden & {name.partition(".")[0] for name in names}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        options = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        is_numpy = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy")
        if is_numpy and node.func.attr == "load" and options.get("allow_pickle") is not False:
            yield "np.load"
        if options.get("allow_pickle") or options.get("safe_mode") is False:
            yield "allow_pickle"
