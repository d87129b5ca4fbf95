"""What many tests share: synthetic audio, a tiny bundle, real music where it is present."""

from __future__ import annotations

import gc
import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from genrebeam.model.bundle import Bundle, save_bundle
from genrebeam.model.feature_spec import FeatureSpec

# pytest finds its hooks here.
from tests.left_out import pytest_addoption, pytest_configure  # noqa: F401

# As the program does (`genrebeam.pipeline.cli.program`).
gc.set_threshold(20_000, 20, 50)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
GENRES = ("Blues", "Jazz", "Rock")


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory) -> Iterator[Path]:
    """Keys and reports of tests, fixtures of whole modules included, are not a developer's."""
    folder = tmp_path_factory.getbasetemp() / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def no_reports(own_state) -> Iterator[Path]:
    """Where reports are by default; a test finds none of other tests there."""
    yield own_state / "genrebeam" / "reports"
    shutil.rmtree(own_state / "genrebeam" / "reports", ignore_errors=True)


@pytest.fixture(autouse=True)
def no_configuration(tmp_path_factory, monkeypatch) -> None:
    """What a developer has configured for himself does not steer tests."""
    for name in [name for name in os.environ if name.startswith("GENREBEAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-configuration"))


@pytest.fixture
def tags_in_this_process(monkeypatch) -> None:
    """Tags are parsed here, not in the pool, for tests that change what parses them."""
    monkeypatch.setattr("genrebeam.transforms.audio.pool_worker.is_worker", True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real music beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real music is not at hand ({SHARED_DATA} is missing)")
    return SHARED_DATA


def tone(seconds: float, rate: int = 22050, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Some partials and noise: ``(n, channels) float64`` well below full scale."""
    times = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(times))
    signal = sum(np.sin(2 * np.pi * f * times) for f in (220, 440, 1234)) / 6 + 0.02 * noise
    return np.repeat(signal[:, None] / 2, channels, axis=1)


@pytest.fixture
def write_tone(tmp_path: Path) -> Callable[..., Path]:
    """Write a tone into the test's folder; the name's extension decides the format."""

    def write(name: str, seconds: float = 12, rate: int = 44100, channels: int = 2) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_audio(path, tone(seconds, rate, channels), rate)
        return path

    return write


def write_audio(path: Path, samples: np.ndarray, rate: int) -> None:
    """Encode with libsndfile, or with FFmpeg what it cannot write."""
    codecs = {".m4a": "aac", ".wma": "wmav2", ".wv": "wavpack", ".aac": "aac", ".tta": "tta"}
    if path.suffix == ".opus":
        soundfile.write(path, samples, rate, format="OGG", subtype="OPUS")
    elif path.suffix not in codecs:
        soundfile.write(os.fsencode(path), samples, rate)
    else:
        _encode_with_ffmpeg(path, samples, rate, codecs[path.suffix])


def _encode_with_ffmpeg(path: Path, samples: np.ndarray, rate: int, codec: str) -> None:
    import av

    containers = {".m4a": "ipod", ".wma": "asf", ".wv": "wv", ".aac": "adts", ".tta": "tta"}
    with av.open(str(path), "w", format=containers[path.suffix]) as container:
        stream = container.add_stream(codec, rate=rate, bit_rate=128_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T, dtype=np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = rate
        stream.codec_context.open()
        resampler = av.AudioResampler(
            format=stream.codec_context.format,
            layout="stereo",
            rate=rate,
            frame_size=stream.codec_context.frame_size or 4096,
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of one dense layer with random weights: real files, no skill."""
    import keras

    keras.utils.set_random_seed(0)
    spec = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=64)
    segments = keras.Input((spec.n_mels, spec.segment_frames))
    logits = keras.layers.Dense(len(GENRES))(
        keras.layers.GlobalAveragePooling1D(data_format="channels_first")(segments)
    )
    bundle = Bundle(
        path="",
        name="tiny",
        version="",
        labels=("blues", "jazz", "rock"),
        genres=GENRES,
        features=spec,
        n_segments=3,
    )
    folder = tmp_path_factory.mktemp("bundle")
    return save_bundle(bundle, keras.Model(segments, logits), folder, "card of {version}\n")


def files_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file below a folder."""
    return {
        os.path.relpath(path, folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_rows(folder: Path) -> list[dict]:
    """Rows of the reports below a folder: of one run, or of all."""
    parts = sorted(folder.rglob("part-*.parquet"))
    tables = (pq.read_table(io.BytesIO(part.read_bytes())) for part in parts)
    return [row for table in tables for row in table.to_pylist()]


@pytest.fixture
def terminal_of_60_columns(monkeypatch) -> None:
    """Rich draws for a colour terminal of 60 columns, whatever this one is."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")


@pytest.fixture(scope="session")
def originals(tmp_path_factory) -> dict[str, Path]:
    """A short file of each format."""
    from tests.music_files import FORMATS

    folder = tmp_path_factory.mktemp("originals")
    for format in (*FORMATS, "aac"):
        rate = 48000 if format == "opus" else 44100
        write_audio(folder / f"a.{format}", tone(2, rate, 2), rate)
    return {path.suffix[1:]: path for path in folder.iterdir()}
