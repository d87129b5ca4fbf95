"""Bad input: each file one row with stage and reason, and nothing else is harmed."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genrebeam.pipeline.cli import main
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.ptransforms import ExtractInPool
from genrebeam.transforms.records import Track
from tests import REPOSITORY
from tests.conftest import files_of, read_rows, tone, write_audio


def put_bad_files(folder: Path) -> None:
    """One of each kind of trouble."""
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_text("this is no music\n" * 200)
    soundfile.write(folder / "no samples.wav", np.zeros((0, 2)), 44100)
    soundfile.write(folder / "silence.flac", np.zeros((44100 * 8, 2)), 44100)
    write_audio(folder / "one second.wav", tone(1, 44100, 2), 44100)
    write_audio(folder / "raw.aac", tone(8, 44100, 2), 44100)
    (folder / "broken link.mp3").symlink_to("nowhere.mp3")
    (folder / "circle a.mp3").symlink_to("circle b.mp3")
    (folder / "circle b.mp3").symlink_to("circle a.mp3")
    (folder / "up").symlink_to("..")
    (folder / "x.mp3").mkdir()
    os.mkfifo(folder / "pipe.ogg")
    write_audio(folder / "cut.mp3", tone(20, 44100, 2), 44100)
    whole = (folder / "cut.mp3").read_bytes()
    (folder / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    (folder / "stub.mp3").write_bytes(whole[:1500])


def put_odd_files(folder: Path) -> None:
    """Unusual, but music."""
    write_audio(folder / "eight channels.wav", tone(8, 44100, 8), 44100)
    write_audio(folder / "slow.wav", tone(8, 8000), 8000)
    write_audio(folder / "fast.flac", tone(8, 192_000, 2), 192_000)
    for name in (b"new\nline.wav", b"caf\xe9\xff.wav", "日本 ☂.wav".encode(), b"[a] *?.wav"):
        shutil.copy(folder / "slow.wav", os.path.join(os.fsencode(folder), name))


EXPECTED = {
    "empty.mp3": ("failed", "read_tags", "TagReadError", "empty file"),
    "text.mp3": ("failed", "read_tags", "TagReadError", "it is not mp3 audio"),
    "no samples.wav": ("failed", "decode", "DecodeError", "no audio in it"),
    "silence.flac": ("refused", "decode", None, "silent from start to end"),
    "one second.wav": ("refused", "decode", None, "1.0 s of audio, at least 2.5 s are needed"),
    "raw.aac": ("refused", "read_tags", None, "raw AAC has no place for a genre"),
    "broken link.mp3": ("failed", "walk", "SymlinkError", "broken symbolic link"),
    "circle a.mp3": ("failed", "walk", "SymlinkError", "symbolic link in a circle"),
    "circle b.mp3": ("failed", "walk", "SymlinkError", "symbolic link in a circle"),
    "up": ("refused", "walk", None, "symbolic link"),
    "x.mp3": ("failed", "walk", "ListingError", "a folder with the name of an audio file"),
    "pipe.ogg": ("failed", "walk", "ListingError", "not a regular file"),
    "cut.mp3": ("tagged", "tag", None, "mean of 1 segment"),
    "stub.mp3": ("refused", "decode", None, ""),
    "eight channels.wav": ("tagged", "tag", None, "mean of 1 segment"),
    "slow.wav": ("tagged", "tag", None, "mean of 1 segment"),
    "fast.flac": ("tagged", "tag", None, "mean of 1 segment"),
    "new\nline.wav": ("tagged", "tag", None, "mean of 1 segment"),
    "caf\\udce9\\udcff.wav": ("tagged", "tag", None, "mean of 1 segment"),
    "日本 ☂.wav": ("tagged", "tag", None, "mean of 1 segment"),
    "[a] *?.wav": ("tagged", "tag", None, "mean of 1 segment"),
}


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


def run(library: Path, bundle: str, *options: str) -> tuple[int, dict[str, tuple]]:
    reports = library.parent / "reports"
    code = main(["tag", str(library), "--bundle", bundle, "--report", str(reports), *options])
    rows = read_rows(max((reports / "tracks").iterdir()))
    found = {
        row["uri"].removeprefix(f"{library}/"): (
            row["status"],
            row["stage"],
            row["error_type"],
            row["reason"],
        )
        for row in rows
    }
    assert len(found) == len(rows)
    return code, found


def test_each_bad_file_is_one_row_and_the_others_are_tagged(library, tiny_bundle):
    put_bad_files(library)
    put_odd_files(library)
    bad = {name for name, row in EXPECTED.items() if row[0] != "tagged"}
    before = {name: content for name, content in files_of(library).items() if name in bad}
    code, found = run(library, tiny_bundle.path)
    assert code == 1
    assert set(found) == set(EXPECTED)
    for name, (status, stage, error_type, reason) in EXPECTED.items():
        assert found[name][:3] == (status, stage, error_type), name
        assert found[name][3].startswith(reason), name
    after = files_of(library)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if "genrebeam" in name]


def test_nothing_failed_is_exit_code_0_though_some_were_refused(library, tiny_bundle):
    soundfile.write(library / "silence.flac", np.zeros(44100 * 8), 44100)
    code, found = run(library, tiny_bundle.path)
    assert code == 0
    assert found["silence.flac"][0] == "refused"


def _without_privileges(library: Path, bundle: str) -> tuple[int, dict[str, tuple]]:
    """Run as a user (or a root) whom permissions bind."""
    reports = library.parent / "reports"
    command = [sys.executable, "-m", "genrebeam", "tag", str(library), "--bundle", bundle]
    command += ["--report", str(reports)]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("running as root, and setpriv (util-linux) is missing")
        dropped = "-dac_override,-dac_read_search"
        command = [
            "setpriv",
            f"--bounding-set={dropped}",
            f"--inh-caps={dropped}",
            *command,
        ]
    code = subprocess.run(command, capture_output=True, cwd=REPOSITORY).returncode
    rows = read_rows(max((reports / "tracks").iterdir()))
    return code, {
        os.path.relpath(row["uri"], library): (row["status"], row["stage"], row["reason"])
        for row in rows
    }


def test_files_without_permission_are_rows(library, tiny_bundle):
    write_audio(library / "fine.wav", tone(8), 22050)
    for name in ("unreadable", "read only", "locked folder/song", "closed folder/song"):
        (library / name).parent.mkdir(exist_ok=True)
        shutil.copy(library / "fine.wav", library / f"{name}.wav")
    (library / "unreadable.wav").chmod(0)
    (library / "read only.wav").chmod(0o444)
    (library / "locked folder").chmod(0o555)
    (library / "closed folder").chmod(0)
    try:
        code, found = _without_privileges(library, tiny_bundle.path)
    finally:
        (library / "locked folder").chmod(0o755)
        (library / "closed folder").chmod(0o755)
    assert code == 1
    assert {name: (*row[:2], row[2].partition(";")[0]) for name, row in found.items()} == {
        "fine.wav": ("tagged", "tag", "mean of 1 segment"),
        "unreadable.wav": ("failed", "read_tags", "permission denied"),
        "read only.wav": ("failed", "tag", "no write permission on the file"),
        "locked folder/song.wav": ("failed", "tag", "no write permission on its folder"),
        "closed folder": ("failed", "walk", "permission denied"),
    }


# --- decoders that hang or crash ------------------------------------------------------


def _hang(*arguments):
    time.sleep(60)


def _crash(*arguments):
    os._exit(7)


@pytest.mark.parametrize(
    ("trouble", "error_type", "reason"),
    [
        (_hang, "DecoderTimeout", "not decoded within 8 s, so it was skipped"),
        (_crash, "DecoderCrash", "its decoder crashed on it"),
    ],
)
def test_a_decoder_that_hangs_or_crashes_costs_one_track(
    tmp_path, tiny_bundle, monkeypatch, trouble, error_type, reason
):
    write_audio(tmp_path / "fine.wav", tone(8), 22050)
    submit = pool.submit

    def troubled(function, arguments, **options):
        bad = arguments[0].endswith("bad.wav")
        return submit(trouble if bad else function, arguments, **options)

    monkeypatch.setattr(pool, "submit", troubled)
    step = ExtractInPool(tiny_bundle.features, 1, 2, lambda: False, timeout_s=8)
    step.start_bundle()
    try:
        out = []
        for name in ("bad.wav", "fine.wav"):
            out += step.process(Track(str(tmp_path / name), "wav"))
        out += list(step.finish_bundle())
    finally:
        pool.stop()
    values = [getattr(item, "value", item) for item in out]
    values = [getattr(value, "value", value) for value in values]
    bad, fine = sorted(values, key=lambda value: value.track.uri)
    assert (bad.status, bad.stage, bad.error_type) == ("failed", "decode", error_type)
    assert bad.reason.startswith(reason)
    assert fine.values.shape == (1, 128, 64)
