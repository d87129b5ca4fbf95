"""Local: the same files need work as in the graph, found without Beam."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from genrebeam.transforms.library import external_join
from genrebeam.transforms.library.local import skip_known, take_what_failed
from genrebeam.transforms.library.skip import key_of
from genrebeam.transforms.records import Outcome, Stored, Track
from genrebeam.transforms.tags.formats.format import TagForm
from tests import REPOSITORY
from tests.transforms.library.test_skip import EARLIER, TRACK

NEW = Track("/music/new.mp3", "mp3", 5, 6)
BROKEN = Outcome(Track("/music/link.mp3", "mp3"), "failed", "walk", "broken symbolic link")
REFUSED = dataclasses.replace(BROKEN, status="refused")


STORED = Stored("run-1", TRACK.size_bytes, TRACK.mtime_ns, 5, b"\x00\x3c" * 4)
WITH_STORED = dataclasses.replace(TRACK, stored=STORED)


def never() -> bool:
    return False


@pytest.mark.parametrize("held", [1, 100_000])
def test_only_what_is_new_or_changed_is_looked_at(tmp_path, monkeypatch, held):
    monkeypatch.setattr(external_join, "_MOST_IN_MEMORY", held)
    changed = dataclasses.replace(TRACK, uri="/music/changed.mp3", mtime_ns=7)
    earlier = [(key_of(TRACK), EARLIER), (key_of(changed), EARLIER), ("/music/gone.mp3", EARLIER)]
    found = list(
        skip_known(
            [TRACK, NEW, BROKEN, changed],
            earlier,
            "settings",
            TagForm(),
            workplace=str(tmp_path),
            stopping=never,
        )
    )
    # What gave it its genres is remembered: they are no evidence of others'.
    changed = dataclasses.replace(changed, given=EARLIER.given)
    assert changed.given is not None
    assert {one for one in found if isinstance(one, Track)} == {NEW, changed}
    rows = [one for one in found if isinstance(one, Outcome)]
    assert {(row.track.uri, row.status) for row in rows} == {
        (BROKEN.track.uri, "failed"),
        (TRACK.uri, "unchanged"),
    }


def test_of_failed_files_the_others_get_no_row(tmp_path):
    failed = dataclasses.replace(EARLIER, status="failed")
    earlier = [(key_of(TRACK), failed), (key_of(NEW), EARLIER)]
    found = take_what_failed(
        [TRACK, NEW, BROKEN, REFUSED], earlier, workplace=str(tmp_path), stopping=never
    )
    assert list(found) == [BROKEN, TRACK]


def test_a_run_that_is_to_end_skips_nothing_more(tmp_path):
    found = skip_known(
        [TRACK], [], "settings", TagForm(), workplace=str(tmp_path), stopping=lambda: True
    )
    assert list(found) == []


@pytest.mark.parametrize("most_in_memory", [1, 100])
def test_a_file_that_is_decided_anew_brings_what_is_stored_of_it(
    tmp_path, monkeypatch, most_in_memory
):
    monkeypatch.setattr(external_join, "_MOST_IN_MEMORY", most_in_memory)
    name, counted = key_of(TRACK), []
    older = dataclasses.replace(STORED, run="run-0", inputs=b"12345678")
    other = dataclasses.replace(STORED, run="run-2", size_bytes=7)
    found = skip_known(
        [TRACK, NEW],
        [(name, EARLIER)],
        "other settings",
        TagForm(),
        workplace=str(tmp_path),
        stopping=never,
        stored=[(name, older), (name, STORED), (name, other), ("/gone.mp3", STORED)],
        decide_again=counted.append,
    )
    by_name = {track.uri: track for track in found}
    assert by_name[TRACK.uri].stored == STORED
    assert by_name[NEW.uri].stored is None
    assert not counted  # nothing is analysed again


def test_a_run_with_nothing_to_do_imports_neither_beam_nor_tensorflow(tmp_path):
    (tmp_path / "library").mkdir()
    source = (
        "import sys; from genrebeam.pipeline.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print(code, sorted({'apache_beam', 'tensorflow', 'librosa', 'scipy.signal'} "
        "& set(sys.modules)))"
    )
    command = [sys.executable, "-c", source, "tag", str(tmp_path / "library"), "--quiet"]
    command += ["--report", str(tmp_path / "report")]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert printed.stdout == "0 []\n"
