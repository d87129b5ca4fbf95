"""Strange files: whatever a file holds, it is tagged and restored, or left as it was."""

import os
from pathlib import Path

import pytest

from benchmarks.safety.fuzz_tags import check, check_command, copy_strange, make_originals, mutants

# A folder of files that were collected for their oddities, such as `tests/data` in the source
# distribution of mutagen.
STRANGE_FILES = "STRANGE_FILES"

# A tag that stands where no player expects one: it cannot be changed without harm.
REFUSED = {
    *("APEv2 before.mp3", "ID3v2.3 before.m4a", "two ID3v2 before.m4a"),
    "ID3v2 before and ID3v1 behind.m4a",
}

# No decoder here opens them, as they are.
UNREADABLE = {
    *("ID3v2.3 before.wv", "two ID3v2 before.wv", "ID3v2 before and ID3v1 behind.wv"),
    "fragments+global_sidx.m4a",
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> list[Path]:
    return make_originals(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def strange_files(tmp_path) -> list[Path]:
    folder = os.environ.get(STRANGE_FILES)
    if not folder:
        pytest.skip(f"{STRANGE_FILES} names no folder of strange files")
    target = tmp_path / "library"
    target.mkdir()
    return copy_strange(Path(folder), target)


def test_whole_files_are_tagged_and_restored(originals):
    figures = check(originals)
    assert figures["faults"] == []
    n_tagged = len(originals) - len(REFUSED)
    assert figures["rows"] == {"tagged at tag": n_tagged, "failed at tag": len(REFUSED)}
    assert figures["restored"] == n_tagged
    assert figures["sound_compared"] == n_tagged - len(UNREADABLE)


def test_damaged_files_are_tagged_and_restored_or_left_as_they_were(originals, tmp_path):
    paths = []
    for name, data in mutants(originals, 150, seed=1):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(data)
    figures = check(paths)
    assert figures["faults"] == []
    # Damage that nothing survives, or that harms nothing, would prove nothing.
    assert figures["rows"]["tagged at tag"] > 50
    assert figures["rows"]["failed at read_tags"] > 20
    assert figures["sound_compared"] > 40


def test_damage_is_the_same_for_the_same_seed(originals):
    once, again = (list(mutants(originals, 20, seed=3)) for _ in range(2))
    assert once == again
    assert once != list(mutants(originals, 20, seed=4))


def test_strange_files_are_tagged_and_restored_or_left_as_they_were(strange_files):
    assert check(strange_files)["faults"] == []


def test_the_command_survives_strange_files(strange_files):
    figures = check_command(strange_files[0].parent, strange_files)
    assert figures["faults"] == []
    assert figures["sound_changed"] == figures["changed_but_not_tagged"] == []
    assert figures["left_over"] == []
    assert figures["exit_code"] in (0, 1)
