#!/usr/bin/env python3
"""The script that one would write with the same pretrained network, to compare with.

    .venv/bin/python benchmarks/speed/obvious_script.py FOLDER OUT.json

One file after the other: `librosa.load`, the network's input as its authors compute it in windows
of 10 s, `model.predict` on all windows, the mean, our head, and the genre saved by mutagen.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import librosa  # noqa: E402
import mutagen  # noqa: E402
import numpy as np  # noqa: E402
from mutagen.id3 import TCON  # noqa: E402

from genrebeam.model.backbones.backbone import BACKBONES  # noqa: E402
from genrebeam.model.bundle import BUNDLES, load_bundle  # noqa: E402
from genrebeam.model.calibration import probabilities_of  # noqa: E402

RATE = 32000
SECONDS = 10


def windows_of(samples: np.ndarray) -> np.ndarray:
    """Log-mel windows, ``(n, 128, 1000)``, as in EfficientAT's ``preprocess.py``."""
    samples = samples[1:] - 0.97 * samples[:-1]
    window = np.hanning(800)
    spectrum = librosa.stft(
        samples, n_fft=1024, hop_length=320, win_length=800, window=window, pad_mode="reflect"
    )
    mel = 1127 * np.log1p(np.fft.rfftfreq(1024, 1 / RATE) / 700)
    edges = np.linspace(0, 1127 * np.log1p(15000 / 700), 130)
    lower, centre, upper = (edges[place : place + 128, None] for place in range(3))
    bands = np.minimum((mel - lower) / (centre - lower), (upper - mel) / (upper - centre))
    power = np.maximum(bands, 0) @ np.abs(spectrum) ** 2
    log_mel = (np.log(power + 1e-5) + 4.5) / 5
    firsts = range(0, log_mel.shape[1] - 100 * SECONDS + 1, 100 * SECONDS)
    return np.stack([log_mel[:, first : first + 100 * SECONDS] for first in firsts])


def main() -> None:
    folder, out = map(Path, sys.argv[1:])
    bundle = load_bundle(BUNDLES / "default")
    head, genres = bundle.load_head(), np.array(bundle.genres)
    families = np.array(bundle.families)
    network = BACKBONES[bundle.features.backbone].load()
    found = {}
    for path in sorted(folder.glob("*.mp3")):
        samples, _ = librosa.load(path, sr=RATE)
        outputs = network.predict(windows_of(samples), verbose=0)
        logits = head.logits(outputs.mean(axis=0)[None])
        probabilities = probabilities_of(
            logits, bundle.temperature, bundle.families, bundle.style_temperature
        )[0]
        family = max(set(families), key=lambda name: probabilities[families == name].sum())
        style = np.where(families == family, probabilities, 0).argmax()
        genre = genres[style] if probabilities[style] >= bundle.style_confidence else family
        audio = mutagen.File(path)
        audio.tags.setall("TCON", [TCON(encoding=3, text=[str(genre)])])
        audio.save()
        named = zip(bundle.genres, map(float, probabilities), strict=True)
        found[path.name] = {"genre": str(genre), "probabilities": dict(named)}
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
