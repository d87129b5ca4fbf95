"""A report folder that others have written: nothing in it is obeyed."""

import base64
import hashlib
import json
import os
import shutil
import stat
import zlib
from pathlib import Path

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs.apply import look_up
from genrebeam.pipeline.runs.choices import ReportedFile, write_choice
from genrebeam.pipeline.runs.corrections import Choice, Corrections
from genrebeam.pipeline.runs.lock import locked
from genrebeam.pipeline.runs.run import Run, runs_of, start_run
from genrebeam.transforms.storage import seal
from genrebeam.transforms.tags.change import Change
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy
from tests.pipeline.runs.made import make_library, tag_all


@pytest.fixture
def library(tmp_path) -> Path:
    return make_library(tmp_path / "music", "a.flac", "b.flac")


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def precious(tmp_path) -> Path:
    path = tmp_path / "home" / ".bashrc"
    path.parent.mkdir()
    path.write_text("precious\n")
    return path


@pytest.fixture
def as_stranger(monkeypatch, tmp_path_factory):
    """Another user's key, for as long as the block lasts."""

    class Stranger:
        def __enter__(self):
            other = tmp_path_factory.mktemp("stranger")
            self.patch = pytest.MonkeyPatch()
            self.patch.setenv("XDG_STATE_HOME", str(other))

        def __exit__(self, *error):
            self.patch.undo()

    return Stranger()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- links, pipes and hard links in the folder ------------------------------------------------


NAMES = ["lock", "lock.new", "run.json", "run.json.new", "undone.jsonl", "undone.jsonl.new"]
NAMES += ["report.html", "report.html.new", "stop", "map.html", "journal.jsonl.new"]


@pytest.mark.parametrize("lay", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_no_link_in_a_report_reaches_another_file(library, home, precious, lay):
    run = tag_all(home, library, "Jazz")
    for folder in (home, Path(run.folder), Path(run.tracks)):
        for name in NAMES:
            (folder / name).unlink(missing_ok=True)
            lay(precious, folder / name)
    from genrebeam.pipeline.runs import interruption

    main(["undo", str(home)])
    main(["report", str(home)])
    main(["map", "--report", str(home)])
    main(["tag", str(library), "--report", str(home), "--retry-failed"])
    interruption.leave_note(run.folder)
    assert precious.read_text() == "precious\n"
    assert os.listdir(precious.parent) == [".bashrc"]


@pytest.mark.parametrize("name", ["runs", "tracks"])
def test_no_folder_that_is_a_link_is_written_through(library, home, precious, name):
    run = tag_all(home, library, "Jazz")
    for file in ("run.json", "undone.jsonl", "report.html", "stop"):
        (precious.parent / file).write_text("precious\n")
    shutil.copy(run.journal.path, precious.parent / "journal.jsonl")
    before = contents(precious.parent)
    inner = Path(run.folder if name == "runs" else run.tracks)
    shutil.rmtree(inner)
    inner.symlink_to(precious.parent)
    main(["undo", str(home)])
    main(["undo", str(home), "--run", run.id])
    main(["report", str(home)])
    if name == "runs":
        with pytest.raises(NotADirectoryError):
            run.write_manifest({"run": run.id})
    assert contents(precious.parent) == before


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_nothing_waits_for_a_lock_that_is_no_file(library, home, make, capsys):
    tag_all(home, library, "Jazz")
    (home / "lock").unlink(missing_ok=True)
    make(home / "lock")
    assert main(["undo", str(home)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_backup_of_hard_links_keeps_what_it_has(library, home, tmp_path):
    run = tag_all(home, library, "Jazz")
    main(["undo", str(home), "--track", str(library / "a.flac")])
    shutil.copytree(home, tmp_path / "backup", copy_function=os.link)
    before = contents(tmp_path / "backup")
    assert main(["undo", str(home)]) == 0
    assert contents(tmp_path / "backup") == before
    assert len(list(run.undone.lines())) == 2


def test_reports_are_for_their_owner_alone(home):
    umask = os.umask(0)
    try:
        run = start_run(str(home / "below"))
        with locked(str(home / "other")):
            pass
    finally:
        os.umask(umask)
    for folder in (home, home / "below", home / "other", run.folder, run.tracks):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_folders_that_are_no_runs_are_none(home, capsys):
    for name in ("\x1b[31mred", "<b>bold", "a b", "x" * 200, "$(id)", "-rf", ".hidden"):
        (home / "runs" / name).mkdir(parents=True)
        (home / f"run={name}").mkdir()
    assert runs_of(str(home)) == []
    assert main(["undo", str(home), "--run", "\x1b[31mred"]) == 2
    assert "\x1b" not in capsys.readouterr().err


# --- undo of a folder that came from elsewhere ------------------------------------------------


def forged(path: Path, content: bytes, **facts) -> Change:
    """A change whose undoing would give a file this content."""
    found = path.read_bytes()
    pieces = json.dumps([base64.b64encode(content).decode()])
    patch = {
        "pieces": base64.b64encode(zlib.compress(pieces.encode())).decode(),
        "old_digest": f"crc32:{zlib.crc32(content):08x}-{len(content)}",
        "new_digest": hashlib.blake2b(found, digest_size=16).hexdigest(),
    }
    facts = {"format": path.suffix[1:], "size_before": len(content), "mtime_ns_before": 1, **facts}
    return Change(str(path), patch, **facts)


def strange_run(home: Path, library: str, *changes: Change) -> Run:
    run = start_run(str(home))
    run.write_manifest({"run": run.id, "library": library, "state": "finished", "options": {}})
    for change in changes:
        run.journal(change)
    return run


def test_a_strangers_report_changes_nothing_unless_the_library_is_named(
    library, home, as_stranger, capsys
):
    song = library / "a.flac"
    before = contents(library)
    for printed in (str(library), "/", str(library.parent)):
        with as_stranger:
            strange_run(home, printed, forged(song, b"forged", library=printed))
        assert main(["undo", str(home)]) == 2
        assert "--library" in capsys.readouterr().err
        assert main(["undo", str(home), "--dry-run"]) == 2
        assert contents(library) == before
    assert main(["undo", str(home), "--library", str(library), "--dry-run"]) == 0
    assert str(song) in capsys.readouterr().out
    assert contents(library) == before
    assert main(["undo", str(home), "--library", str(library)]) == 0
    assert song.read_bytes() == b"forged"


def test_also_with_the_library_named_only_music_in_it_is_changed(
    library, home, precious, as_stranger, tmp_path, capsys
):
    outside = make_library(tmp_path / "other", "c.flac") / "c.flac"
    text = library / "notes.txt"
    text.write_text("notes")
    (library / "link.flac").symlink_to(outside)
    (library / "dots").mkdir()
    dotted = library / "dots" / ".." / ".." / "other" / "c.flac"
    targets = [precious, outside, text, library / "link.flac", dotted]
    before = {path: path.read_bytes() for path in targets}
    with as_stranger:
        strange_run(home, "/", *(forged(path, b"forged", format="flac") for path in targets))
    assert main(["undo", str(home), "--library", str(library)]) == 1
    assert {path: path.read_bytes() for path in targets} == before
    said = capsys.readouterr().err
    assert said.count("outside of the library") == 4
    assert "not one of the formats" in said


def test_a_line_that_a_stranger_added_to_our_journal_is_not_obeyed(
    library, home, as_stranger, capsys
):
    before = contents(library)
    run = tag_all(home, library, "Jazz", [library / "a.flac"])
    with as_stranger:
        run.journal(forged(library / "b.flac", b"forged"))
    assert main(["undo", str(home)]) == 1
    assert "if you trust it, use --library" in capsys.readouterr().err
    assert contents(library) == before


def test_a_line_of_ours_that_was_changed_is_not_ours(library, home, capsys):
    run = tag_all(home, library, "Jazz", [library / "a.flac"])
    (change,) = run.journal.changes()
    assert change.is_ours
    journal = Path(run.journal.path)
    journal.write_text(journal.read_text().replace("a.flac", "b.flac"))
    (change,) = run.journal.changes()
    assert not change.is_ours


def test_a_report_that_was_moved_is_still_ours(library, home, tmp_path):
    before = contents(library)
    tag_all(home, library, "Jazz")
    home.rename(tmp_path / "moved")
    assert main(["undo", str(tmp_path / "moved")]) == 0
    assert contents(library) == before


def test_a_library_whose_link_leads_elsewhere_by_now_is_not_followed(library, home, tmp_path):
    tag_all(home, library, "Jazz")
    other = tmp_path / "other"
    shutil.copytree(library, other)
    before = contents(other)
    shutil.move(library, tmp_path / "gone")
    library.symlink_to(other)
    main(["undo", str(home)])
    assert contents(tmp_path / "gone") == before  # not theirs, and not in the library
    assert all(not read_header(str(path))[0].genres for path in other.rglob("*.flac"))


@pytest.mark.parametrize(
    "pieces",
    [
        [[0, 10**9]],
        [[10**9, 4]],
        [[-1, 4]],
        [[0, -1]],
        [[2**70, 4]],
        [[0, True]],
        [[0]],
        [[0, 1, 2]],
        ["no base64!"],
        [None],
        {"a": 1},
        3,
        [[0, 10**12]] * 1000,
    ],
)
def test_no_patch_makes_undo_hang_or_fill_the_disk(library, home, pieces, capsys):
    song = library / "a.flac"
    before = contents(library)
    packed = base64.b64encode(zlib.compress(json.dumps(pieces).encode())).decode()
    change = forged(song, b"forged")
    strange_run(home, "/", Change(**{**vars(change), "undo": {**change.undo, "pieces": packed}}))
    assert main(["undo", str(home), "--library", str(library)]) == 1
    assert contents(library) == before


def test_a_patch_that_unpacks_to_gigabytes_is_damaged(library, home, capsys):
    bomb = base64.b64encode(zlib.compress(b"[" + b" " * (1 << 27), 1)).decode()
    change = forged(library / "a.flac", b"forged")
    strange_run(home, "/", Change(**{**vars(change), "undo": {**change.undo, "pieces": bomb}}))
    assert main(["undo", str(home), "--library", str(library)]) == 1
    assert "damaged" in capsys.readouterr().err


# --- the key --------------------------------------------------------------------------------


def test_a_key_that_others_may_read_or_chose_seals_nothing(tmp_path, monkeypatch, precious):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert seal.seal({"a": 1})
    key = tmp_path / "state" / "genrebeam" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for spoil in (
        lambda: key.chmod(0o644),
        lambda: key.write_bytes(b""),
        lambda: (key.unlink(), key.symlink_to(precious)),
        lambda: (key.unlink(), os.mkfifo(key, 0o600)),
    ):
        spoil()
        seal._key.cache_clear()
        assert seal.seal({"a": 1}) == ""
        assert not seal.is_sealed({"a": 1}, "")
    seal._key.cache_clear()


def test_without_a_place_for_a_key_a_run_says_what_that_means_for_undo(
    library, home, monkeypatch, capsys, tiny_bundle
):
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/no/such")
    arguments = ["tag", str(library), "--report", str(home), "--bundle", tiny_bundle.path]
    assert main([*arguments, "--dry-run"]) == 0
    assert "key" not in capsys.readouterr().err
    assert main(arguments) == 0
    said = "no key can be kept in /proc/no/such/genrebeam, so undo of this run asks for --library"
    assert capsys.readouterr().err.count(said) == 1


def test_without_a_home_runs_work_unsealed(tmp_path, monkeypatch, library, home):
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/no/such")
    run = tag_all(home, library, "Jazz")
    (first, _) = run.journal.changes()
    assert (first.seal, first.is_ours) == ("", False)
    assert main(["undo", str(home)]) == 2
    assert main(["undo", str(home), "--library", str(library)]) == 0


# --- apply ----------------------------------------------------------------------------------


def test_choices_about_a_strangers_report_are_unknown_unless_the_library_is_named(
    library, home, as_stranger
):
    with as_stranger:
        run = strange_run(home, str(library))
    choice = Choice(str(library / "a.flac"), run.id, "corrected", ("Punk",), ())
    corrections = Corrections("corrections.json", str(home), (choice,))
    ((_, reason),) = look_up(corrections, str(home)).unknown
    assert "name the library with --library" in reason
    ((_, reason),) = look_up(corrections, str(home), str(library)).unknown
    assert "not in the report" in reason


@pytest.mark.parametrize("name", ["notes.txt", "../other/c.flac", "link.flac", "pipe.flac"])
def test_apply_writes_only_regular_music_in_the_library(library, tmp_path, name):
    outside = make_library(tmp_path / "other", "c.flac") / "c.flac"
    (library / "notes.txt").write_bytes((library / "a.flac").read_bytes())
    (library / "link.flac").symlink_to(outside)
    os.mkfifo(library / "pipe.flac")
    kept = [library / "notes.txt", outside]
    before = [path.read_bytes() for path in kept]
    choice = Choice(str(library / name), "1", "corrected", ("Punk",), ())
    outcome = write_choice(ReportedFile(choice, str(library), "vote", ""), TagPolicy(), [].append)
    assert outcome.status in ("refused", "failed")
    assert [path.read_bytes() for path in kept] == before


def test_a_run_that_was_killed_before_it_changed_anything_has_nothing_to_undo(tmp_path, capsys):
    run = start_run(str(tmp_path / "reports"))
    assert main(["undo", str(tmp_path / "reports"), "--run", run.id]) == 0
    assert "nothing" in capsys.readouterr().out
