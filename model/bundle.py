"""Load and save model bundles; the only module that knows a bundle's files.

A bundle is a folder::

    model.keras     the network (Keras 3): segments in, logits out
    head.npz        or the weights on top of a backbone (`genrebeam.model.backbones`)
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
from genrebeam.model import files
from genrebeam.model.errors import PathError
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.head import Head

BUNDLE_FORMAT = 1
BUNDLES = Path(__file__).parent / "bundles"
DEFAULT_BUNDLE = BUNDLES / "default"

_NETWORK_FILE = "model.keras"
_HEAD_FILE = "head.npz"
_FACTS_FILE = "bundle.json"
_CARD_FILE = "README.md"
BUNDLE_FILES = (_NETWORK_FILE, _HEAD_FILE, _FACTS_FILE, _CARD_FILE)


class BundleError(PathError):
    """A folder that cannot be used as a model bundle."""


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
    temperature : float
        Logits are divided by it before the softmax, so that confidences are honest.
    families : tuple of str
        The family that each genre is a style of, such as Rock of Punk; empty where genres
        have no levels.
    style_temperature : float
        The same for the styles within a family, where genres have levels.
    level : {"style", "family"}
        What is written by default where genres have levels.
    style_confidence : float
        A style less probable than this is written as its family.
    unchecked : tuple of str
        Styles that are not written by default, because nobody knows how often they are right.
    vote : str
        ``mean`` or ``majority``.
    n_segments : int
        Segments analysed of each track by default.
    min_confidence : float
        Tracks below it get no genre by default.
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
    families: tuple[str, ...] = ()
    style_temperature: float = 1.0
    level: str = "style"
    style_confidence: float = 0.0
    unchecked: tuple[str, ...] = ()
    vote: str = "mean"
    n_segments: int = 8
    min_confidence: float = 0.0
    training: dict[str, Any] = field(default_factory=dict, repr=False)
    metrics: dict[str, Any] = field(default_factory=dict, repr=False)
    read: Callable[[str], bytes] | None = field(default=None, compare=False, repr=False)

    @property
    def _folder(self) -> Path:
        local = self.path if self.read is None else _fetched(self.path, self.version, self.read)
        return Path(local)

    def load_head(self) -> Head:
        """Load what is on top of the backbone, of a bundle with one.

        Raises
        ------
        BundleError
            If it cannot be loaded or does not fit the bundle's facts.
        """
        from genrebeam.model.backbones.backbone import BackboneError, backbone_of
        from genrebeam.model.head import load_head

        try:
            n_inputs = backbone_of(self.features).projection.n_inputs
        except BackboneError as error:
            raise BundleError(self.path, f"cannot be used: {error}") from error
        try:
            head = load_head(self._folder / _HEAD_FILE)
        except (OSError, ValueError, TypeError) as error:
            raise BundleError(self.path, f"{_HEAD_FILE} cannot be loaded: {error}") from error
        found = (head.n_inputs, head.n_genres)
        expected = (n_inputs, len(self.labels))
        if found != expected:
            raise BundleError(self.path, f"{_HEAD_FILE} maps {found}, the bundle says {expected}")
        return head

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

        try:
            network = keras.saving.load_model(
                self._folder / _NETWORK_FILE, compile=False, safe_mode=True
            )
        except (ValueError, OSError, KeyError, TypeError) as error:
            # Keras says how to run such code; nobody should.
            has_code = "unsafe" in str(error) or "safe_mode" in str(error)
            why = "it holds code of its own, which is not run" if has_code else str(error)
            raise BundleError(self.path, f"the network cannot be loaded: {why}") from error
        expected = (None, *self.features.shape)
        if tuple(network.input_shape) != expected or network.output_shape[-1] != len(self.labels):
            raise BundleError(
                self.path,
                f"the network maps {network.input_shape} to {network.output_shape}, "
                f"the bundle says {expected} to {len(self.labels)} labels",
            )
        return network


def is_shipped(name: str) -> bool:
    """Whether a name is that of a bundle that comes with genrebeam."""
    return len(Path(name).parts) == 1 and (BUNDLES / name).is_dir()


def load_bundle(
    path: str | Path | None = None, read: Callable[[str], bytes] | None = None
) -> Bundle:
    """Read a bundle's facts and check that its files belong together.

    Parameters
    ----------
    path : str or Path
        The bundle's folder, or the name of one that comes with genrebeam.
    read : callable, optional
        For a bundle that is in no local folder: reads a file of it, path -> bytes. Importable by
        name, so that each process can fetch the network once.

    Raises
    ------
    BundleError
        If the folder is no bundle, is of a newer format, or its network is not the
        one that ``bundle.json`` was written for.

    Examples
    --------
    >>> load_bundle("gtzan").genres[:3]
    ('Blues', 'Classical', 'Country')
    """
    path = DEFAULT_BUNDLE if path is None else path
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
    if not folder.is_dir() and is_shipped(str(path)):
        folder = BUNDLES / folder
    try:
        facts = json.loads((folder / _FACTS_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(folder, f"not a model bundle (no {_FACTS_FILE})") from None
    except (OSError, ValueError) as error:
        raise BundleError(folder, f"{_FACTS_FILE} cannot be read: {error}") from error
    if not isinstance(facts, dict) or "format" not in facts:
        raise BundleError(folder, f"{_FACTS_FILE} does not describe a bundle")
    if facts["format"] != BUNDLE_FORMAT:
        reason = f"bundle format {facts['format']!r}; this version reads {BUNDLE_FORMAT}"
        raise BundleError(folder, reason)
    try:
        version = facts.pop("version")
        features = FeatureSpec(**facts["features"])
        weights = folder / _weights_file(features)
        found = _version(weights, facts)
        facts.pop("format"), facts.pop("features")
        for name in ("families", "unchecked"):
            facts[name] = tuple(facts.get(name, ()))
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
        raise BundleError(folder, f"{_FACTS_FILE} does not fit this version: {error}") from error
    except OSError as error:
        raise BundleError(folder, f"{weights.name} cannot be read: {error.strerror}") from error
    if len(labels) != len(genres) or not labels:
        raise BundleError(folder, "labels and genres differ in number")
    temperatures = (bundle.temperature, bundle.style_temperature)
    if not all(isinstance(value, int | float) and 0 < value < math.inf for value in temperatures):
        raise BundleError(folder, "its temperatures are not above 0")
    if not (0 <= bundle.min_confidence <= 1 and bundle.n_segments >= 1 and all(genres)):
        raise BundleError(folder, f"{_FACTS_FILE} has an empty genre or a number out of range")
    if version != found:
        raise BundleError(folder, f"files do not belong together (version {version}, is {found})")
    return bundle


@functools.cache
def _fetched(path: str, version: str, read: Callable[[str], bytes]) -> str:
    """A local folder with a copy of a bundle, for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="genrebeam-bundle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name = _FACTS_FILE
    try:
        facts = read(f"{path}/{name}")
        (folder / name).write_bytes(facts)
        name = _weights_file(FeatureSpec(**json.loads(facts)["features"]))
        (folder / name).write_bytes(read(f"{path}/{name}"))
    except OSError as error:
        raise BundleError(path, f"{name} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(path, f"{name} is not complete: {error}") from error
    try:
        found = load_bundle(folder).version
    except BundleError as error:
        raise BundleError(path, error.reason) from error
    if found != version:
        raise BundleError(path, f"is another one by now (version {found}, was {version})")
    return str(folder)


def save_bundle(
    bundle: Bundle, network: keras.Model | Head, folder: str | Path, card: str
) -> Bundle:
    """Write a bundle's files.

    Parameters
    ----------
    bundle : Bundle
        Its ``path`` and ``version`` are replaced by what is written.
    network : keras.Model or Head
        From ``(n, *features.shape)`` to logits; or what is on top of the backbone.
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
    weights = folder / _weights_file(bundle.features)
    files.written_by(network.save, weights)
    for other in {_NETWORK_FILE, _HEAD_FILE} - {weights.name}:
        (folder / other).unlink(missing_ok=True)  # of the bundle that is replaced
    return _write_facts(bundle, folder, card)


def _weights_file(features: FeatureSpec) -> str:
    return _HEAD_FILE if features.backbone else _NETWORK_FILE


def _write_facts(bundle: Bundle, folder: Path, card: str) -> Bundle:
    facts = dataclasses.asdict(bundle)
    del facts["path"], facts["version"], facts["read"]
    facts = {"format": BUNDLE_FORMAT, **facts}
    # Loading computes the version from what JSON gives back, so this does too.
    facts = json.loads(json.dumps(facts))
    version = _version(folder / _weights_file(bundle.features), facts)
    text = json.dumps({**facts, "version": version}, indent=2, ensure_ascii=False)
    for name, content in (
        (_FACTS_FILE, text + "\n"),
        (_CARD_FILE, card.replace("{version}", version)),
    ):
        with files.writing(folder / name) as stream:
            stream.write(content.encode())
    return dataclasses.replace(bundle, path=str(folder), version=version)


def _version(weights_file: Path, facts: dict[str, Any]) -> str:
    """Hash of the network and of every fact that changes what a track is tagged with."""
    digest = hashlib.sha256(weights_file.read_bytes())
    deciding = {k: v for k, v in facts.items() if k not in ("version", "training", "metrics")}
    digest.update(json.dumps(deciding, sort_keys=True).encode())
    return digest.hexdigest()[:12]
