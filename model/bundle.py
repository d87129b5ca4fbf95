"""Load and save model bundles; the only module that knows a bundle's files.

A bundle is a folder::

    model.keras     the network (Keras 3): segments in, logits out
    bundle.json     labels, features, calibration, vote, training and metrics
    README.md       the model card

``bundle.json`` can be read without TensorFlow; the network is loaded on demand.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

from model.errors import PathError

BUNDLE_FORMAT = 1
DEFAULT_BUNDLE = Path(__file__).parent / "bundles" / "default"

_NETWORK_FILE = "model.keras"
_FACTS_FILE = "bundle.json"
_CARD_FILE = "README.md"
BUNDLE_FILES = (_NETWORK_FILE, _FACTS_FILE, _CARD_FILE)

# Rows of features of kind "descriptors": the columns of GTZAN's features_3_sec.csv.
DESCRIPTORS = (
    *(
        f"{name}_{moment}"
        for name in (
            "chroma",
            "rms",
            "spectral_centroid",
            "spectral_bandwidth",
            "rolloff",
            "zero_crossing_rate",
            "harmonic",
            "percussive",
        )
        for moment in ("mean", "var")
    ),
    "tempo",
    *(f"mfcc{number}_{moment}" for number in range(1, 21) for moment in ("mean", "var")),
)


class BundleError(PathError):
    """A folder that cannot be used as a model bundle."""


@dataclass(frozen=True)
class FeatureSpec:
    """How audio becomes the network's input; travels inside the bundle.

    A short-time Fourier transform gives one *frame* every ``hop_length`` samples.
    The network sees every ``frame_step``-th of them only: kept frame ``k`` is STFT
    frame ``floor(frame_step * k + frame_offset)``. A *segment* is ``segment_frames``
    kept frames in a row.

    Of kind ``descriptors`` there is no picture: a kept frame is a piece of
    ``frame_step`` hops around its STFT frame, told by the numbers named in `DESCRIPTORS`,
    and a segment is one such piece.

    Parameters
    ----------
    sample_rate_hz : int
        Rate that audio is resampled to before the transform.
    n_fft, hop_length : int
        Window and hop of the transform, in samples at ``sample_rate_hz``.
    n_mels : int
        Mel bands (Slaney scale and norm) from 0 Hz to `fmax_hz`.
    fmax_hz : float, optional
        Upper edge of the highest band; by default half the sample rate.
    top_db : float
        Range below the track's loudest value that is kept, in dB.
    frame_step, frame_offset : float
        Which STFT frames are kept (see above).
    segment_frames : int
        Kept frames in a segment; 1 for descriptors.
    kind : {"log_mel", "descriptors"}
        What a frame is told by.
    """

    sample_rate_hz: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmax_hz: float | None = None
    top_db: float = 80.0
    frame_step: float = 1.0
    frame_offset: float = 0.0
    segment_frames: int = 64
    kind: str = "log_mel"

    @property
    def n_rows(self) -> int:
        """Numbers that tell a frame."""
        return len(DESCRIPTORS) if self.kind == "descriptors" else self.n_mels

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of one segment: rows and kept frames."""
        return self.n_rows, self.segment_frames

    def stft_frame(self, kept: int) -> int:
        """STFT frame of kept frame number `kept`."""
        return math.floor(self.frame_step * kept + self.frame_offset)

    def count_frames(self, n_samples: int) -> int:
        """Kept frames of a track of `n_samples` samples at ``sample_rate_hz``."""
        n_stft = 1 + n_samples // self.hop_length
        kept = max(0, math.ceil((n_stft - self.frame_offset) / self.frame_step) + 1)
        while kept and self.stft_frame(kept - 1) >= n_stft:
            kept -= 1
        return kept

    def segment_starts(
        self, n_frames: int, n_segments: int | None = None, *, in_a_row: bool = False
    ) -> list[int]:
        """First kept frame of each segment heard of a track.

        Parameters
        ----------
        n_frames : int
            Kept frames of the whole track.
        n_segments : int, optional
            Segments to spread evenly over the track; by default, and where the track
            has no more, every whole segment, one after the other.
        in_a_row : bool
            Take `n_segments` one after the other from the middle of the track instead
            of spreading them.

        Returns
        -------
        list of int
            ``[0]`` for a track shorter than one segment.
        """
        whole = n_frames // self.segment_frames
        if n_segments is None or n_segments >= whole:
            return [index * self.segment_frames for index in range(max(1, whole))]
        if in_a_row:
            first = (n_frames - n_segments * self.segment_frames) // 2
            return [first + index * self.segment_frames for index in range(n_segments)]
        room = n_frames - self.segment_frames
        return [
            min(max(0, round((i + 0.5) / n_segments * n_frames - self.segment_frames / 2)), room)
            for i in range(n_segments)
        ]

    @property
    def frame_seconds(self) -> float:
        """Time from one kept frame to the next, in s."""
        return self.frame_step * self.hop_length / self.sample_rate_hz

    def same_frames(self, other: FeatureSpec) -> bool:
        """Whether segments of both are made of the same frames, however many."""
        return dataclasses.replace(other, segment_frames=self.segment_frames) == self

    def on_frames_of(self, other: FeatureSpec) -> FeatureSpec:
        """Segments of about this spec's length, made of the frames of another."""
        length = self.segment_frames * self.frame_seconds / other.frame_seconds
        return dataclasses.replace(other, segment_frames=max(1, round(length)))

    @property
    def segment_seconds(self) -> float:
        """Length of audio under one segment, in s."""
        if self.kind == "descriptors":
            return self.segment_frames * self.frame_seconds
        span = (self.segment_frames - 1) * self.frame_step * self.hop_length + self.n_fft
        return span / self.sample_rate_hz


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that is needed to use it.

    Parameters
    ----------
    path : str
        Folder that it was loaded from, perhaps in a bucket.
    name, version : str
        Name of the model; hash of its network and settings.
    labels, genres : tuple of str
        Class names of the training data, and the genre names to write, in the
        order of the network's outputs.
    features : FeatureSpec
    temperature : float
        Logits are divided by it before the softmax, so that confidences are honest.
    vote : str
        ``mean`` or ``majority``.
    n_segments : int
        Segments heard of each track by default.
    min_confidence : float
        Tracks below it are refused by default.
    training, metrics : dict
        What it was trained on and how it did, for the model card.
    read : callable or None
        Reads a file of a bundle that is in no local folder: path -> bytes.
    """

    path: str
    name: str
    version: str
    labels: tuple[str, ...]
    genres: tuple[str, ...]
    features: FeatureSpec
    temperature: float = 1.0
    vote: str = "mean"
    n_segments: int = 8
    min_confidence: float = 0.0
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    read: Callable[[str], bytes] | None = field(default=None, compare=False, repr=False)

    def load_network(self) -> keras.Model:
        """Load the Keras network; the first call in a process imports TensorFlow.

        Returns
        -------
        keras.Model
            Maps ``(n, *features.shape) float32`` to ``(n, n_classes)`` logits.

        Raises
        ------
        BundleError
            If the network cannot be loaded or does not fit the bundle's facts.
        """
        import keras

        folder = self.path if self.read is None else _fetched(self.path, self.version, self.read)
        try:
            network = keras.saving.load_model(Path(folder) / _NETWORK_FILE, compile=False)
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise BundleError(self.path, f"the network cannot be loaded: {error}") from error
        expected = (None, *self.features.shape)
        if tuple(network.input_shape) != expected or network.output_shape[-1] != len(self.labels):
            raise BundleError(
                self.path,
                f"the network maps {network.input_shape} to {network.output_shape}, "
                f"the bundle says {expected} to {len(self.labels)} labels",
            )
        return network


def load_bundle(path: str | Path, read: Callable[[str], bytes] | None = None) -> Bundle:
    """Read a bundle's facts and check that its files belong together.

    Parameters
    ----------
    path : str or Path
        The bundle's folder.
    read : callable, optional
        For a bundle that is in no local folder: reads a file of it, path -> bytes. Importable by
        name, so that each process can fetch the network once.

    Returns
    -------
    Bundle

    Raises
    ------
    BundleError
        If the folder is no bundle, is of a newer format, or its network is not the
        one that ``bundle.json`` was written for.
    """
    if read is not None:
        try:
            version = str(json.loads(read(f"{path}/{_FACTS_FILE}"))["version"])
        except FileNotFoundError:
            raise BundleError(path, f"not a model bundle (no {_FACTS_FILE})") from None
        except OSError as error:
            raise BundleError(path, f"{_FACTS_FILE} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(path, f"{_FACTS_FILE} cannot be read: {error}") from error
        fetched = load_bundle(_fetched(str(path), version, read))
        return dataclasses.replace(fetched, path=str(path), read=read)
    folder = Path(path)
    try:
        facts = json.loads((folder / _FACTS_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(folder, f"not a model bundle (no {_FACTS_FILE})") from None
    except (OSError, ValueError) as error:
        raise BundleError(folder, f"{_FACTS_FILE} cannot be read: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != BUNDLE_FORMAT:
        found = facts.get("format") if isinstance(facts, dict) else None
        raise BundleError(folder, f"bundle format {found!r} is not {BUNDLE_FORMAT}")
    try:
        version = facts.pop("version")
        found = _version(folder / _NETWORK_FILE, facts)
        facts.pop("format")
        features = FeatureSpec(**facts.pop("features"))
        labels, genres = tuple(facts.pop("labels")), tuple(facts.pop("genres"))
        bundle = Bundle(
            path=str(folder),
            version=version,
            labels=labels,
            genres=genres,
            features=features,
            **facts,
        )
    except (KeyError, TypeError) as error:
        raise BundleError(folder, f"{_FACTS_FILE} is not complete: {error}") from error
    except OSError as error:
        raise BundleError(folder, f"{_NETWORK_FILE} cannot be read: {error.strerror}") from error
    if len(labels) != len(genres) or not labels:
        raise BundleError(folder, "labels and genres differ in number")
    if version != found:
        raise BundleError(folder, f"files do not belong together (version {version}, is {found})")
    return bundle


@functools.cache
def _fetched(path: str, version: str, read: Callable[[str], bytes]) -> str:
    """A local folder with a copy of a bundle, for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="genrebeam-bundle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in (_FACTS_FILE, _NETWORK_FILE):
        try:
            (folder / name).write_bytes(read(f"{path}/{name}"))
        except OSError as error:
            raise BundleError(path, f"{name} cannot be read: {error.strerror}") from error
    try:
        found = load_bundle(folder).version
    except BundleError as error:
        raise BundleError(path, error.reason) from error
    if found != version:
        raise BundleError(path, f"is another one by now (version {found}, was {version})")
    return str(folder)


def save_bundle(bundle: Bundle, network: keras.Model, folder: str | Path, card: str) -> Bundle:
    """Write a bundle's files.

    Parameters
    ----------
    bundle : Bundle
        Its ``path`` and ``version`` are replaced by what is written.
    network : keras.Model
        From ``(n, *features.shape)`` to logits.
    folder : str or Path
        Made where it is missing; a bundle in it is replaced.
    card : str
        Markdown of the model card; ``{version}`` in it is filled in.

    Returns
    -------
    Bundle
        The bundle as saved.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / _NETWORK_FILE)
    return _write_facts(bundle, folder, card)


def _write_facts(bundle: Bundle, folder: Path, card: str) -> Bundle:
    facts = dataclasses.asdict(bundle)
    del facts["path"], facts["version"], facts["read"]
    facts = {"format": BUNDLE_FORMAT, **facts}
    # What JSON gives back is what the version is computed from when loading.
    facts = json.loads(json.dumps(facts))
    version = _version(folder / _NETWORK_FILE, facts)
    text = json.dumps({**facts, "version": version}, indent=2, ensure_ascii=False)
    (folder / _FACTS_FILE).write_text(text + "\n", encoding="utf-8")
    (folder / _CARD_FILE).write_text(card.replace("{version}", version), encoding="utf-8")
    return dataclasses.replace(bundle, path=str(folder), version=version)


def _version(network_file: Path, facts: dict[str, Any]) -> str:
    """Hash of the network and of every fact that changes what a track is tagged with."""
    digest = hashlib.sha256(network_file.read_bytes())
    deciding = {k: v for k, v in facts.items() if k not in ("version", "training", "metrics")}
    digest.update(json.dumps(deciding, sort_keys=True).encode())
    return digest.hexdigest()[:12]
