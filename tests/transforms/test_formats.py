"""Formats: what FFmpeg plays gets a row, tagged or refused by name."""

from pathlib import Path

import av
import numpy as np
import pytest

from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.library.walk import walk
from genrebeam.transforms.records import NoTagField, Track, with_tags
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres

# Extension, FFmpeg's name of the container and of the codec.
TAGGED = [
    ("mp2", "mp2", "mp2"),
    ("aifc", "aiff", "pcm_s16be"),
    ("wave", "wav", "pcm_s16le"),
    ("bwf", "wav", "pcm_s16le"),
    ("m4b", "ipod", "aac"),
    ("m4r", "ipod", "aac"),
    ("mp4", "mp4", "aac"),
    ("oga", "ogg", "libopus"),
]
REFUSED = [
    ("3gp", "3gp", "aac", "3GP"),
    ("mka", "matroska", "aac", "Matroska"),
    ("webm", "webm", "libopus", "Matroska and WebM"),
    ("ac3", "ac3", "ac3", "AC-3"),
    ("ec3", "eac3", "eac3", "AC-3"),
    ("au", "au", "pcm_s16be", "AU"),
    ("snd", "au", "pcm_s16be", "AU"),
    ("caf", "caf", "pcm_s16le", "CAF"),
    ("voc", "voc", "pcm_u8", "VOC"),
    ("w64", "w64", "pcm_s16le", "Wave64"),
    ("adts", "adts", "aac", "AAC"),
    ("latm", "latm", "aac", "LATM"),
]


def encode(path: Path, container: str, codec: str, *, video: bool = False) -> None:
    """Write a second of noise, as FFmpeg does it."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=48000, layout="stereo")
        pictures = output.add_stream("mpeg4", rate=25) if video else None
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 48000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="stereo")
        frame.sample_rate = 48000
        stream.codec_context.open()
        resampler = av.AudioResampler(
            format=stream.codec_context.format,
            layout="stereo",
            rate=48000,
            frame_size=stream.codec_context.frame_size or 4096,
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
        if pictures is not None:
            output.mux(pictures.encode(av.VideoFrame(640, 480, "yuv420p")))
            output.mux(pictures.encode(None))


@pytest.mark.parametrize(("extension", "container", "codec"), TAGGED)
def test_what_has_a_place_for_a_genre_gets_one_and_keeps_its_sound(
    tmp_path, extension, container, codec
):
    path = tmp_path / f"a.{extension}"
    encode(path, container, codec)
    sound = packets_of(path)
    (track,) = walk(str(tmp_path))
    assert isinstance(track, Track)
    write_genres(with_tags(track, *read_header(track.uri)), ("Jazz",), [].append)
    assert read_header(track.uri)[0].genres == ("Jazz",)
    assert packets_of(path) == sound


@pytest.mark.parametrize(("extension", "container", "codec", "name"), REFUSED)
def test_what_has_no_place_for_a_genre_is_refused_by_name(
    tmp_path, extension, container, codec, name
):
    path = tmp_path / f"a.{extension}"
    encode(path, container, codec)
    (track,) = walk(str(tmp_path))
    assert isinstance(track, Track)
    with pytest.raises(NoTagField, match=name):
        read_header(track.uri)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\x7f\xfe\x80\x01", "DTS"),
        (b"\0\0\0\0\xf8\x72\x6f\xba", "TrueHD"),
        (b"\0\0\0\0\xf8\x72\x6f\xbb", "MLP"),
        (b"#!AMR-WB\n", "AMR"),
        (b".ra\xfd\0\4", "RealAudio"),
        (b"ajkg\2", "Shorten"),
        (b"ea3\3\0\0", "ATRAC"),
        (b"qoaf", "QOA"),
        (b"NIST_1A\n", "NIST"),
        (b"\0\0\0\x20ftypaax ", "protected from copying"),
    ],
)
def test_what_cannot_be_made_here_is_known_by_its_first_bytes(tmp_path, content, name):
    path = tmp_path / "a.wav"
    path.write_bytes(content + bytes(1000))
    with pytest.raises(NoTagField, match=name):
        read_header(str(path))


def test_a_video_in_a_music_folder_is_refused_by_name(tmp_path):
    encode(tmp_path / "a.mp4", "mp4", "aac", video=True)
    with pytest.raises(NoTagField, match="a video"):
        read_header(str(tmp_path / "a.mp4"))


def test_files_that_are_only_videos_or_texts_get_no_row(tmp_path):
    for name in ("a.mkv", "a.avi", "a.txt", "cover.jpg", "a.m3u"):
        (tmp_path / name).touch()
    assert list(walk(str(tmp_path))) == []


def test_every_format_is_here_or_in_the_tests_of_tags():
    assert {extension for extension, *_ in [*TAGGED, *REFUSED]} <= FORMATS


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]
