"""A library's own genres are evidence: on one machine, and with the graph on workers elsewhere."""

import os
from pathlib import Path

import mutagen
import numpy as np
import pytest

from genrebeam.model.vocabulary import FAMILIES
from genrebeam.pipeline.cli import main
from tests.conftest import read_rows, write_audio
from tests.engines import worker_pool

TAGGED = {**dict.fromkeys("abcdefg", "jazz"), "h": "Bebop/Jazz", "i": "Other"}


def sound(seed: int) -> np.ndarray:
    """A chord that swells, over noise: it is no jazz."""
    chance = np.random.default_rng(seed)
    time = np.arange(20 * 22050) / 22050
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277, 330))
    return 0.1 * chord * (1 + np.sin(2 * np.pi * 2 * time)) + 0.02 * chance.normal(size=len(time))


@pytest.fixture
def library(tmp_path):
    """An album of which one track has no genre, and one track of nobody else's."""
    for name in (*TAGGED, "new", "other"):
        folder = tmp_path / "library" / ("Nobody" if name == "other" else "Miles")
        folder.mkdir(parents=True, exist_ok=True)
        write_audio(folder / f"{name}.flac", sound(seed=0), 22050)
        file = mutagen.File(folder / f"{name}.flac")
        file["artist"] = file["album"] = folder.name
        if name in TAGGED:
            file["genre"] = TAGGED[name]
        file.save()
    return tmp_path / "library"


def rows_of(library, reports, *options):
    arguments = ["--report", str(reports), "--quiet", "--min-confidence", "0", *options]
    assert main(["tag", str(library), *arguments]) == 0
    rows = sorted(read_rows(reports), key=lambda row: row["finished_at"])
    return {row["uri"].rpartition("/")[2].removesuffix(".flac"): row for row in rows}


def assert_learned(rows):
    new, other = rows["new"], rows["other"]
    assert new["family"] == "Jazz" != new["family_audio"] == other["family"]
    assert new["decided_by"] in ("artist", "several")
    assert "Jazz in 8 of 8 other tagged files of its artist" in new["reason"]
    assert {FAMILIES[genre] for genre in new["genres_after"]} == {"Jazz"}
    assert other["decided_by"] == "audio"
    assert (other["family"], other["family_confidence"]) == (
        other["family_audio"],
        other["family_audio_confidence"],
    )
    own = [name for name, genre in TAGGED.items() if genre != "Other"]
    assert {rows[name]["decided_by"] for name in own} == {None}


def test_an_artists_files_decide(library, tmp_path):
    assert_learned(rows_of(library, tmp_path / "reports", "--dry-run"))


def test_they_decide_on_workers_elsewhere_too(library, tmp_path):
    with worker_pool() as address:
        rows = rows_of(
            library,
            tmp_path / "reports",
            "--dry-run",
            *("--runner=PortableRunner", "--job_endpoint=embed"),
            *("--environment_type=EXTERNAL", f"--environment_config={address}"),
        )
    assert_learned(rows)


def test_without_it_the_sound_decides_alone(library, tmp_path):
    off = rows_of(library, tmp_path / "off", "--dry-run", "--learn-from", "off")
    assert {row["decided_by"] for row in off.values()} == {"audio", None}
    assert off["new"]["family"] == off["new"]["family_audio"] != "Jazz"
    on = rows_of(library, tmp_path / "on", "--dry-run")
    assert off["other"]["probabilities"] == on["other"]["probabilities"]


def test_files_that_are_unchanged_count_and_its_own_guesses_do_not(library, tmp_path):
    reports = tmp_path / "reports"
    (library / "Miles" / "new.flac").rename(tmp_path / "later.flac")
    first = rows_of(library, reports)
    assert first["other"]["status"] == "tagged"
    (tmp_path / "later.flac").rename(library / "Miles" / "new.flac")
    fan = library / "Nobody" / "fan.flac"
    write_audio(fan, sound(seed=0), 22050)
    again = rows_of(library, reports)
    assert again["a"]["status"] == again["other"]["status"] == "unchanged"
    assert again["other"]["decided_by"] == "audio"
    assert_learned({**again, "other": again["fan"]})
    # With other options every file is looked at again: what was guessed is still no evidence.
    looked_at = rows_of(library, reports, "--top-k", "2")
    assert looked_at["other"]["status"] == "kept"
    assert looked_at["other"]["decided_by"] == "audio"
    assert looked_at["a"]["decided_by"] is None


# What can come between two runs; each takes the library and gives what is tagged then.


def _nothing(library):
    return library


def _a_dry_run_that_ignores_earlier_ones(library):
    tag(library, "--dry-run", "--no-incremental")
    return library


def _a_dry_run_with_other_options(library):
    tag(library, "--dry-run", "--existing", "replace", "--top-k", "2")
    return library


def _another_name(library):
    return library.rename(library.with_name("moved"))


def _another_name_after_it_was_kept(library):
    tag(library, "--top-k", "2")
    return _another_name(library)


def _another_name_after_a_dry_run_applied_twice(library):
    return _another_name(_a_dry_run_applied_twice(library))


def _a_link(library):
    library.with_name("link").symlink_to(library)
    return library.with_name("link")


def _a_folder_around_it(library):
    return library.parent


def _an_undo_of_another_run(library):
    other = library / "Nobody" / "third.flac"
    write_audio(other, sound(seed=1), 22050)
    tag(library)
    assert main(["undo", "--track", str(other)]) == 0
    other.unlink()
    return library


def _a_dry_run_applied_twice(library):
    fan = library / "Nobody" / "first fan.flac"
    write_audio(fan, sound(seed=1), 22050)
    tag(library, "--dry-run")
    (planned,) = [row["uri"] for row in rows() if row["status"] == "would_tag"]
    assert planned == str(fan)
    run = max(path.name for path in reports().glob("*/runs/*"))
    assert main(["apply", run, "--quiet"]) == 0
    assert main(["apply", run, "--quiet"]) == 0
    return library


def reports():
    return Path(os.environ["XDG_STATE_HOME"]) / "genrebeam" / "reports"


def rows():
    return sorted(read_rows(reports()), key=lambda row: row["finished_at"])


def tag(library, *options):
    assert main(["tag", str(library), "--quiet", "--min-confidence", "0", *options]) == 0


@pytest.mark.parametrize(
    "between",
    [
        _nothing,
        _a_dry_run_that_ignores_earlier_ones,
        _a_dry_run_with_other_options,
        _another_name,
        _another_name_after_it_was_kept,
        _another_name_after_a_dry_run_applied_twice,
        _a_link,
        _a_folder_around_it,
        _an_undo_of_another_run,
        _a_dry_run_applied_twice,
    ],
)
def test_what_it_gave_itself_is_no_evidence_whatever_came_between(tmp_path, between):
    library = tmp_path / "all" / "library"
    first = library / "Nobody" / "first.flac"
    first.parent.mkdir(parents=True)
    write_audio(first, sound(seed=0), 22050)
    tag(library)
    assert rows()[-1]["decided_by"] == "audio"
    library = between(library)
    write_audio(next(library.rglob("Nobody")) / "new.flac", sound(seed=2), 22050)
    for again in ((), ("--no-incremental",), ("--top-k", "2")):
        tag(library, "--dry-run", *again)
        latest = {row["uri"].rpartition("/")[2]: row for row in rows()}
        assert latest["new.flac"]["status"] == "would_tag"
        assert latest["new.flac"]["decided_by"] == "audio", again
        assert latest["first.flac"]["decided_by"] == "audio", again
