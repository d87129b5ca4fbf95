"""Music as people have it: hidden tracks, channels that cancel, audio books, box sets."""

import shutil
import struct
import subprocess

import numpy as np
import pytest
import soundfile
import soxr

from genrebeam.model.bundle import DEFAULT_BUNDLE, load_bundle
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES, N_WINDOWS
from genrebeam.model.recipes.genre_cnn import FEATURES
from genrebeam.pipeline.cli import main
from genrebeam.transforms.audio import features
from genrebeam.transforms.audio.decode import open_audio
from genrebeam.transforms.audio.extract import extract_non_silent
from genrebeam.transforms.audio.features import Silence
from genrebeam.transforms.genre.classify import open_classifier
from genrebeam.transforms.records import TrackError
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.conftest import read_rows, tone, write_audio
from tests.music_files import listed

RATE = 22050


@pytest.fixture(scope="module")
def classifier():
    return open_classifier(load_bundle(DEFAULT_BUNDLE))


@pytest.fixture
def clip(shared_data):
    """30 s of rock: ``(n,) float32`` at 22,050 Hz."""
    return soundfile.read(shared_data / "gtzan/audio/rock.00000.flac", dtype="float32")[0]


@pytest.fixture
def judge(tmp_path, classifier):
    """What the default model says of samples: segments analysed, judgement."""

    def of(samples: np.ndarray, name: str = "a.flac", rate: int = RATE):
        soundfile.write(tmp_path / name, samples, rate)
        analysed = extract_non_silent(
            str(tmp_path / name), name.rpartition(".")[2], BACKBONE_FEATURES, N_WINDOWS
        )
        return len(analysed.values), classifier.of_tracks([analysed.values])[0]

    return of


def patches(path, n_segments=N_WINDOWS, spec=BACKBONE_FEATURES):
    return extract_non_silent(str(path), path.suffix[1:], spec, n_segments).values


@pytest.mark.parametrize("format", ["flac", "wav", "wv"])
@pytest.mark.parametrize("spec", [BACKBONE_FEATURES, FEATURES], ids=["window", "log-mel"])
def test_channels_that_cancel_each_other_are_analysed_as_one(tmp_path, format, spec):
    left = tone(20, 44100)
    inverted, once = tmp_path / f"inverted.{format}", tmp_path / f"once.{format}"
    write_audio(inverted, np.hstack([left, -left]), 44100)
    write_audio(once, np.hstack([left, left]), 44100)
    difference = patches(inverted, 3, spec).astype(float) - patches(once, 3, spec)
    assert np.abs(difference).mean() < 0.01


@pytest.mark.parametrize("share", [0.0, 0.5, -0.5, 1.0])
def test_ordinary_stereo_is_the_mean_of_its_channels(tmp_path, share):
    left, other = tone(4, RATE), tone(4, RATE, seed=1)[::-1]
    samples = np.hstack([left, share * left + (1 - abs(share)) * other])
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with open_audio(str(tmp_path / "a.wav"), "wav") as reader:
        found = reader.read(0, 4 * RATE)
    stored = soundfile.read(tmp_path / "a.wav", dtype="float32")[0]
    np.testing.assert_array_equal(found, stored @ np.full(2, 0.5, np.float32))


def test_silence_before_a_hidden_track_has_no_voice(tmp_path):
    song, silence = tone(60, RATE)[:, 0], np.zeros(60 * RATE)
    soundfile.write(tmp_path / "a.flac", np.concatenate([song, silence, song]), RATE)
    assert len(patches(tmp_path / "a.flac")) == 4  # of five


def test_of_all_segments_too_the_silent_ones_are_left_out(tmp_path):
    song, silence = tone(12, RATE)[:, 0], np.zeros(18 * RATE)
    soundfile.write(tmp_path / "a.flac", np.concatenate([song, silence, song]), RATE)
    assert len(patches(tmp_path / "a.flac", None)) == 6  # of seven


def test_a_mix_of_two_hours_is_read_at_a_few_places_only(tmp_path, monkeypatch):
    read = []

    def read_stretch(reader, start, count, rate):
        read.append(count / rate)
        return tone(count / rate + 1, rate)[:count, 0].astype(np.float32), count

    monkeypatch.setattr(features, "read_stretch", read_stretch)
    soundfile.write(tmp_path / "a.flac", np.zeros(7200 * 8000), 8000)
    assert len(patches(tmp_path / "a.flac")) == len(read) == N_WINDOWS
    assert sum(read) < 40


def test_sound_at_both_ends_of_a_long_silence_is_found(tmp_path):
    song, silence = tone(40, RATE)[:, 0], np.zeros(600 * RATE)
    soundfile.write(tmp_path / "a.flac", np.concatenate([song, silence, song]), RATE)
    assert len(patches(tmp_path / "a.flac")) >= 1


def test_silence_from_start_to_end_is_still_refused(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(300 * RATE), RATE)
    with pytest.raises(Silence):
        patches(tmp_path / "a.flac")


def test_a_wavpack_header_without_a_whole_block_is_refused(tmp_path):
    path = tmp_path / "a.wv"
    write_audio(path, tone(2, 44100, 2), 44100)
    content = path.read_bytes()
    damaged = {
        "cut off": content[:689],
        "another size": content[:4] + struct.pack("<I", 40) + content[8:],
    }
    for name, data in damaged.items():
        path.write_bytes(data)
        try:
            write_genres(listed(path), ("Jazz",), [].append)
        except TrackError:
            assert path.read_bytes() == data
        else:
            pytest.fail(f"{name}: was tagged")


def test_a_whole_wavpack_file_is_still_tagged(tmp_path):
    path = tmp_path / "a.wv"
    write_audio(path, tone(2, 44100, 2), 44100)
    write_genres(listed(path), ("Jazz",), [].append)
    assert read_header(str(path))[0].genres == ("Jazz",)


def test_inverted_music_gets_the_genre_of_the_music(judge, clip):
    _, plain = judge(clip)
    _, inverted = judge(np.stack([clip, -clip], axis=1))
    assert inverted.not_music is None
    assert inverted.overall.argmax() == plain.overall.argmax()


def test_music_of_15_s_is_judged_and_of_a_fade_that_ends_in_silence_too(judge, clip):
    n_analysed, short = judge(clip[: 15 * RATE])
    assert n_analysed == 3
    assert short.not_music is None
    faded = np.concatenate([clip * np.linspace(1, 0, len(clip), dtype=np.float32), clip * 0])
    n_analysed, live = judge(faded)
    assert n_analysed == 3
    assert live.not_music is None


@pytest.mark.parametrize("voice", ["espeak-ng", "flite"])
def test_an_audio_book_gets_no_genre(tmp_path, classifier, voice):
    program = shutil.which(voice)
    if program is None:
        pytest.skip("no program that speaks (espeak-ng, flite)")
    text = "It was a bright cold day in April, and the clocks were striking thirteen. " * 8
    path = tmp_path / "book.wav"
    option = ["-w", str(path), text] if voice == "espeak-ng" else ["-t", text, "-o", str(path)]
    subprocess.run([program, *option], check=True, capture_output=True)
    judged = classifier.of_tracks([patches(path)])[0]
    assert judged.not_music is not None


def test_96_khz_and_192_khz_sound_like_44(judge, clip):
    found = []
    for rate in (44100, 96000, 192000):
        samples = soxr.resample(clip, RATE, rate)
        found.append(judge(samples, f"{rate}.flac", rate)[1].overall)
    assert found[0].argmax() == found[1].argmax() == found[2].argmax()
    np.testing.assert_allclose(found[1], found[0], atol=0.05)


def one_bit(samples: np.ndarray, *, first: str) -> bytes:
    """Samples at 44.1 kHz as DSD64: this many ones as they are high, 64 bits for each."""
    density = np.repeat((samples.astype(np.float64) + 1) / 2, 64)
    bits = np.diff(np.floor(np.cumsum(density)), prepend=0.0).astype(np.uint8)
    return np.packbits(bits, bitorder=first).tobytes()


def dsf(samples: np.ndarray) -> bytes:
    sound = one_bit(samples, first="little")
    sound += b"\x69" * (-len(sound) % 4096)
    format = struct.pack(
        "<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, 64 * 44100, 1, 64 * len(samples), 4096, 0
    )
    data = struct.pack("<4sQ", b"data", 12 + len(sound)) + sound
    return struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(format) + len(data), 0) + format + data


def dff(samples: np.ndarray) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack(">Q", len(content)) + content + b"\0" * (len(content) % 2)

    properties = chunk(b"FS  ", struct.pack(">I", 64 * 44100))
    properties += chunk(b"CHNL", struct.pack(">H", 1) + b"C   ")
    properties += chunk(b"CMPR", b"DSD \x0enot compressed\0")
    sound = one_bit(samples, first="big")
    content = chunk(b"FVER", struct.pack(">I", 0x01050000))
    content += chunk(b"PROP", b"SND " + properties) + chunk(b"DSD ", sound)
    return chunk(b"FRM8", b"DSD " + content)


@pytest.mark.parametrize(("name", "encoded"), [("a.dsf", dsf), ("a.dff", dff)])
def test_one_bit_sounds_like_the_samples_that_it_was_made_of(
    tmp_path, judge, classifier, clip, name, encoded
):
    samples = 0.5 * soxr.resample(clip[: 8 * RATE], RATE, 44100)
    (tmp_path / name).write_bytes(encoded(samples))
    analysed = patches(tmp_path / name)
    judged = classifier.of_tracks([analysed])[0]
    _, plain = judge(samples, rate=44100)
    assert judged.not_music is None
    families = np.array(load_bundle(DEFAULT_BUNDLE).families)
    assert families[judged.overall.argmax()] == families[plain.overall.argmax()]
    assert listed(tmp_path / name).format in ("dsf", "dff")


def test_a_box_of_100_discs_gets_a_row_and_a_genre_for_each_disc(tmp_path, clip):
    library = tmp_path / "Complete Works"
    for disc in range(100):
        (library / f"Disc {disc + 1:03}").mkdir(parents=True)
    soundfile.write(tmp_path / "one.flac", clip[: 12 * RATE], RATE)
    for folder in library.iterdir():
        shutil.copy(tmp_path / "one.flac", folder / "01.flac")
    report = tmp_path / "report"
    options = ["--report", str(report), "--min-confidence", "0", "--quiet"]
    assert main(["tag", str(library), *options]) == 0
    rows = read_rows(report / "tracks")
    assert len(rows) == 100
    assert {row["status"] for row in rows} == {"tagged"}
    assert len({tuple(row["genres_after"]) for row in rows}) == 1
