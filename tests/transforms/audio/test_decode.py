"""Decode: the same sound from every format, at any place, at any rate."""

import numpy as np
import pytest
import soundfile

from benchmarks.safety.fuzz_tags import SPEC
from genrebeam.transforms.audio import decode
from genrebeam.transforms.audio.decode import DecodeError, open_audio, read_stretch
from genrebeam.transforms.audio.features import extract
from tests.conftest import tone, write_audio

LOSSLESS = ("wav", "flac", "aiff", "wv", "tta")
LOSSY = ("mp3", "ogg", "opus", "m4a", "wma", "aac")


@pytest.mark.parametrize("format", LOSSLESS + LOSSY)
def test_reads_the_sound_of_every_format(write_tone, format):
    rate = 48000 if format == "opus" else 44100
    path = write_tone(f"a.{format}", seconds=8, rate=rate)
    with open_audio(str(path), format) as reader:
        assert reader.sample_rate_hz == rate
        assert reader.channels == 2
        assert reader.n_samples == pytest.approx(8 * rate, rel=0.02)
        analysed = reader.read(4 * rate, rate)
    assert len(analysed) == rate
    assert analysed.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(analysed * np.hanning(rate)))
    for partial in (220, 440, 1234):  # one bin is one Hz
        assert spectrum[partial - 5 : partial + 6].argmax() == 5


@pytest.mark.parametrize("format", LOSSLESS)
def test_a_stretch_is_the_same_as_cut_from_the_whole(write_tone, format):
    path = write_tone(f"a.{format}", seconds=8)
    with open_audio(str(path), format) as reader:
        whole = reader.read(0, 8 * 44100)
        # Forward, backward, across the end.
        for start, count in ((200_000, 30_000), (1_000, 5_000), (340_000, 50_000)):
            expected = whole[start : start + count]
            np.testing.assert_array_equal(reader.read(start, count), expected)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 192000])
def test_resampled_stretch_matches_the_track_resampled_whole(tmp_path, rate):
    times = np.arange(6 * rate) / rate
    soundfile.write(tmp_path / "a.flac", 0.4 * np.sin(2 * np.pi * 700 * times), rate)
    with open_audio(str(tmp_path / "a.flac"), "flac") as reader:
        samples, n_real = read_stretch(reader, 30_001, 44_100, 22050)
    assert n_real == 44_100
    expected = 0.4 * np.sin(2 * np.pi * 700 * (30_001 + np.arange(44_100)) / 22050)
    assert np.abs(samples - expected).max() < 0.002


def test_stretch_is_zero_outside_the_track(write_tone):
    path = write_tone("a.wav", seconds=2, rate=22050)
    with open_audio(str(path), "wav") as reader:
        samples, n_real = read_stretch(reader, -100, 300, 22050)
        assert n_real == 200
        assert not samples[:100].any()
        assert samples[100:].any()
        samples, n_real = read_stretch(reader, 44_000, 300, 22050)
        assert n_real == 100
        assert not samples[100:].any()


def test_mixes_all_channels_to_one(tmp_path):
    channels = np.zeros((44100, 8))
    channels[:, 5] = 0.8
    soundfile.write(tmp_path / "a.wav", channels, 44100)
    with open_audio(str(tmp_path / "a.wav"), "wav") as reader:
        assert reader.read(1000, 10) == pytest.approx(0.1, abs=1e-3)


def test_treats_what_is_no_number_as_silence(tmp_path):
    samples = tone(1)
    samples[100] = np.nan
    samples[101] = np.inf
    samples[102] = 3e30
    soundfile.write(tmp_path / "a.wav", samples, 22050, subtype="FLOAT")
    with open_audio(str(tmp_path / "a.wav"), "wav") as reader:
        assert np.abs(reader.read(0, 22050)).max() < 1


def test_decodes_by_content_where_the_name_is_wrong(write_tone):
    path = write_tone("a.flac")
    wrong = path.rename(path.with_name("a.m4a"))
    with open_audio(str(wrong), "m4a") as reader:
        assert reader.sample_rate_hz == 44100


@pytest.mark.parametrize("format", ["mp3", "wav", "m4a"])
def test_text_is_no_audio(tmp_path, format):
    path = tmp_path / f"a.{format}"
    path.write_text("this is no music\n" * 100)
    with pytest.raises(DecodeError), open_audio(str(path), format):
        pass


def test_zero_samples_are_no_audio(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 44100)
    with (
        pytest.raises(DecodeError, match="no audio"),
        open_audio(str(tmp_path / "a.wav"), "wav"),
    ):
        pass


def test_missing_file_says_so(tmp_path):
    with pytest.raises(FileNotFoundError), open_audio(str(tmp_path / "a.mp3"), "mp3"):
        pass


def test_length_of_an_mp3_is_taken_from_its_header_so_that_tags_do_not_change_it(tmp_path):
    write_audio(tmp_path / "a.mp3", tone(10), 22050)
    tagged = tmp_path / "b.mp3"
    tagged.write_bytes(b"ID3\x04\x00\x00\x00\x01\x00\x00" + bytes(1 << 14))
    with open(tagged, "ab") as stream:
        stream.write((tmp_path / "a.mp3").read_bytes())
    lengths = []
    for path in (tmp_path / "a.mp3", tagged):
        with open_audio(str(path), "mp3", header_s=10.03) as reader:
            lengths.append(reader.n_samples)
            assert len(reader.read(0, 22050)) == 22050
    assert lengths == [round(10.03 * 22050)] * 2


@pytest.mark.parametrize("format", ["mp3", "flac", "ogg", "m4a"])
def test_cut_file_is_analysed_as_far_as_it_goes(write_tone, format):
    path = write_tone(f"a.{format}", seconds=20)
    content = path.read_bytes()
    if format == "m4a":  # the index is behind the sound: nothing to go by
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(DecodeError), open_audio(str(path), format):
            pass
        return
    path.write_bytes(content[: len(content) // 2])
    with open_audio(str(path), format) as reader:
        assert len(reader.read(44100, 44100)) == 44100
        reader.read(19 * 44100, 44100)  # no error


def test_garbage_in_the_middle_is_survived(write_tone):
    path = write_tone("a.mp3", seconds=20)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = np.random.default_rng(0).bytes(20_000)
    path.write_bytes(content)
    with open_audio(str(path), "mp3") as reader:
        for second in range(20):
            assert np.isfinite(reader.read(second * 44100, 44100)).all()


def test_many_channels_are_mixed_down_piece_by_piece(tmp_path, monkeypatch):
    samples = tone(1, channels=8)
    soundfile.write(tmp_path / "a.wav", samples, 22050, subtype="FLOAT")
    with open_audio(str(tmp_path / "a.wav"), "wav") as reader:
        whole = reader.read(100, 20000)
    monkeypatch.setattr(decode, "_VALUES_AT_ONCE", 8 * 999)
    with open_audio(str(tmp_path / "a.wav"), "wav") as reader:
        pieces = reader.read(100, 20000)
        assert len(reader.read(20000, 22050)) == 2050  # to the end
    np.testing.assert_allclose(pieces, whole, atol=1e-6)


@pytest.mark.parametrize("kind", ["flac", "wav of size 0", "wav of size 0xFFFFFFFF"])
def test_a_file_that_does_not_know_its_length_is_analysed_like_one_that_does(tmp_path, kind):
    # As a program leaves it that writes to a pipe.
    format = kind.split()[0]
    path = tmp_path / f"a.{format}"
    soundfile.write(path, tone(9, 44100, 2), 44100)
    expected = extract(str(path), format, SPEC, 3).values
    data = bytearray(path.read_bytes())
    if format == "flac":
        data[21] &= 0xF0
        data[22:26] = bytes(4)
    else:
        size = (0 if kind.endswith(" 0") else 0xFFFFFFFF).to_bytes(4, "little")
        place = data.index(b"data") + 4
        data[4:8] = data[place : place + 4] = size
    path.write_bytes(data)
    analysed = extract(str(path), format, SPEC, 3).values
    assert analysed.shape == expected.shape
    assert np.abs(analysed.astype(float) - expected).max() < 0.02
