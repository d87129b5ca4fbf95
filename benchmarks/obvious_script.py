#!/usr/bin/env python3
"""The script that one would write from the published classifiers, to compare with.

    .venv/bin/python benchmarks/obvious_script.py FOLDER OUT.json

One file after the other: `librosa.load`, `librosa.feature.melspectrogram`, `power_to_db`, all
segments, `model.predict`, the mean, and the genre saved by mutagen. The network and what it
hears are the gtzan bundle's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import librosa
import mutagen
import numpy as np
from mutagen.id3 import TCON

BUNDLE = Path(__file__).resolve().parents[1] / "model" / "bundles" / "gtzan"


def main() -> None:
    folder, out = map(Path, sys.argv[1:])
    facts = json.loads((BUNDLE / "bundle.json").read_text())
    features = facts["features"]
    model = keras.saving.load_model(BUNDLE / "model.keras", compile=False)
    found = {}
    for path in sorted(folder.glob("*.mp3")):
        samples, rate = librosa.load(path, sr=features["sample_rate_hz"])
        mel = librosa.feature.melspectrogram(
            y=samples,
            sr=rate,
            n_fft=features["n_fft"],
            hop_length=features["hop_length"],
            n_mels=features["n_mels"],
        )
        level = librosa.power_to_db(mel, ref=np.max, top_db=features["top_db"])
        level = (level - level.min()) / (level.max() - level.min())
        length, count = features["segment_frames"], level.shape[1]
        kept = np.arange(count) * features["frame_step"] + features["frame_offset"]
        frames = np.floor(kept[kept < count]).astype(int)
        segments = np.stack(
            [
                level[:, frames[first : first + length]]
                for first in range(0, len(frames) - length + 1, length)
            ]
        )
        logits = model.predict(segments, verbose=0) / facts["temperature"]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = (odds / odds.sum(axis=1, keepdims=True)).mean(axis=0)
        genre = facts["genres"][int(probabilities.argmax())]
        audio = mutagen.File(path)
        audio.tags.setall("TCON", [TCON(encoding=3, text=[genre])])
        audio.save()
        named = zip(facts["genres"], map(float, probabilities), strict=True)
        found[path.name] = {"genre": genre, "probabilities": dict(named)}
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
