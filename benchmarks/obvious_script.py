#!/usr/bin/env python3
"""The script that one would write with the same two pretrained networks, to compare with.

    .venv/bin/python benchmarks/obvious_script.py FOLDER OUT.json

One file after the other: `librosa.load`, each network's input as its authors compute it
(musicnn: librosa's log-mel in patches of 3 s; YAMNet: TensorFlow's STFT in patches of 0.96 s
every 0.48 s), `model.predict` on all patches, the mean, our head, and the genre saved by mutagen.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import librosa  # noqa: E402
import mutagen  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from mutagen.id3 import TCON  # noqa: E402

from genrebeam.model.bundle import BUNDLES, load_bundle  # noqa: E402
from genrebeam.model.calibration import probabilities_of  # noqa: E402
from genrebeam.model.head import log_odds  # noqa: E402
from genrebeam.model.pretrained.ears import EARS  # noqa: E402

RATE = 16000


def patches_of_yamnet(samples: np.ndarray) -> np.ndarray:
    """Log-mel patches, ``(n, 64, 96)``, as in YAMNet's ``features.py``."""
    magnitude = tf.abs(tf.signal.stft(samples, 400, 160, fft_length=512))
    bands = tf.signal.linear_to_mel_weight_matrix(64, 257, RATE, 125.0, 7500.0)
    log_mel = tf.math.log(tf.matmul(magnitude, bands) + 0.001)
    return tf.signal.frame(log_mel, 96, 48, axis=0).numpy().transpose(0, 2, 1)


def patches_of_musicnn(samples: np.ndarray) -> np.ndarray:
    """Log-mel patches, ``(n, 96, 187)``, as in musicnn's ``extractor.py``."""
    mel = librosa.feature.melspectrogram(
        y=samples, sr=RATE, n_fft=512, hop_length=256, n_mels=96
    ).astype(np.float16)
    log_mel = np.log10(10000 * mel + 1)
    firsts = range(0, log_mel.shape[1] - 187 + 1, 187)
    return np.stack([log_mel[:, first : first + 187] for first in firsts])


def main() -> None:
    folder, out = map(Path, sys.argv[1:])
    bundle = load_bundle(BUNDLES / "default")
    head, genres = bundle.load_head(), np.array(bundle.genres)
    families = np.array(bundle.families)
    yamnet, musicnn = EARS["yamnet"].load(), EARS["musicnn_msd"].load()
    found = {}
    for path in sorted(folder.glob("*.mp3")):
        samples, _ = librosa.load(path, sr=RATE)
        inputs = []
        for model, patches in (
            (yamnet, patches_of_yamnet(samples)),
            (musicnn, patches_of_musicnn(samples)),
        ):
            scores, embeddings = model.predict(patches, verbose=0)
            inputs += [log_odds(scores.mean(axis=0)), embeddings.mean(axis=0)]
        logits = head.logits(np.concatenate(inputs)[None])
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
