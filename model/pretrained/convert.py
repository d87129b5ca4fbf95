"""Convert the published weights of the ears to the files that this package ships.

    python -m genrebeam.model.pretrained.convert --yamnet yamnet.tflite [--musicnn musicnn.whl]

Without ``--musicnn`` its wheel is fetched from PyPI with pip. Both are known by their digests;
the same input gives the same files. ``benchmarks/ear_graphs.py`` makes the graphs for ONNX
Runtime from the networks.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from genrebeam.model.pretrained import musicnn, yamnet
from genrebeam.model.pretrained.ears import WEIGHTS

YAMNET_SHA256 = "469be6a3421cbc52cf97e9f2f966cba984198e8e7af9854d68b3e3ebb1e04194"
MUSICNN_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
MUSICNN_WHEEL = "musicnn==0.1.0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--yamnet", type=Path, required=True, help="yamnet.tflite, by Google")
    parser.add_argument("--musicnn", type=Path, help="musicnn's wheel, version 0.1.0")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        wheel = arguments.musicnn or _fetched_wheel(Path(work))
        _check(arguments.yamnet, YAMNET_SHA256)
        _check(wheel, MUSICNN_SHA256)
        _save(yamnet_weights(arguments.yamnet), arguments.out / "yamnet.npz")
        for tags in ("msd", "mtt"):
            weights = musicnn_weights(wheel, tags, Path(work))
            _save(weights, arguments.out / f"musicnn_{tags}.npz")
        with zipfile.ZipFile(wheel) as archive:
            notice = archive.read("musicnn-0.1.0.dist-info/LICENSE.md")
        (arguments.out / "LICENSE-musicnn.md").write_bytes(notice)


def _fetched_wheel(work: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", MUSICNN_WHEEL]
    subprocess.run([*command, "--dest", str(work)], check=True)
    return next(work.glob("musicnn-*.whl"))


def _check(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        sys.exit(f"{path}: is another file (SHA-256 {found}, not {sha256})")


def yamnet_weights(path: Path) -> dict[str, np.ndarray]:
    """Weights of `yamnet.build` as they are stored: 8 bits and a scale where they are.

    Parameters
    ----------
    path : Path
        Of ``yamnet.tflite``.

    Returns
    -------
    dict
        Layer and weight to values; ``<weight>_scale`` beside those of 8 bits.
    """
    from genrebeam.model.loading import import_tensorflow

    interpreter = import_tensorflow().lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    tensors = interpreter.get_tensor_details()
    weights = {}
    for key, place in yamnet.layer_tensors().items():
        exact = [one for one in tensors if one["name"] == place]
        tensor = exact[0] if exact else next(t for t in tensors if t["name"].startswith(place))
        values = interpreter.get_tensor(tensor["index"])
        # Filters come first there.
        weights[key] = np.moveaxis(values, 0, -1) if values.ndim > 1 else values
        scales = tensor["quantization_parameters"]["scales"]
        if len(scales):
            weights[f"{key}_scale"] = scales
    return weights


def musicnn_weights(wheel: Path, tags: str, work: Path) -> dict[str, np.ndarray]:
    """Weights of `musicnn.build` from the checkpoint in its wheel.

    Parameters
    ----------
    wheel : Path
    tags : {"msd", "mtt"}
    work : Path
        Folder to unpack into.

    Returns
    -------
    dict
        Layer and weight to values.
    """
    from genrebeam.model.loading import import_tensorflow

    folder = f"musicnn/{tags.upper()}_musicnn"
    # TensorFlow finds no checkpoint whose files have no name before the dot.
    with zipfile.ZipFile(wheel) as archive:
        for kind in ("index", "data-00000-of-00001"):
            (work / f"{tags}.{kind}").write_bytes(archive.read(f"{folder}/.{kind}"))
    checkpoint = import_tensorflow().train.load_checkpoint(str(work / tags))
    weights = {key: checkpoint.get_tensor(name) for key, name in musicnn.layer_variables().items()}
    for layer in musicnn.FRONT:
        sign = np.where(weights[f"{layer}_norm/gamma"] < 0, -1, 1).astype(np.float32)
        weights[f"{layer}/kernel"] *= sign
        weights[f"{layer}/bias"] *= sign
        weights |= {
            f"{layer}_sign/gamma": sign,
            f"{layer}_sign/moving_mean": np.zeros_like(sign),
            f"{layer}_sign/moving_variance": np.ones_like(sign),
        }
    for number in (1, 2, 3):
        # A filter as wide as its input moves along time alone.
        weights[f"middle{number}/kernel"] = weights[f"middle{number}/kernel"][:, :, 0]
    for key in [key for key in weights if key.startswith("pooled_norm/")] + ["dense/kernel"]:
        # There each maximum is followed by its mean, here all maxima by all means.
        weights[key] = np.concatenate([weights[key][0::2], weights[key][1::2]])
    return weights


def _save(weights: dict[str, np.ndarray], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **weights)
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
