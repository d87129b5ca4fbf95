#!/usr/bin/env python3
"""Essentia's decoder and mel bands over every file of a folder, whole; no model, no tags.

PYTHON_WITH_ESSENTIA benchmarks/speed/essentia_mel.py FOLDER PROCESSES
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import essentia
import essentia.standard


def extract(path: Path) -> int:
    """Mel bands of a file; number of its frames."""
    essentia.log.infoActive = False
    samples = essentia.standard.MonoLoader(filename=str(path), sampleRate=22050)()
    window = essentia.standard.Windowing(type="hann", size=2048)
    spectrum = essentia.standard.Spectrum(size=2048)
    bands = essentia.standard.MelBands(
        inputSize=1025, sampleRate=22050, numberBands=128, highFrequencyBound=11025
    )
    frames = essentia.standard.FrameGenerator(samples, frameSize=2048, hopSize=512)
    return len([bands(spectrum(window(frame))) for frame in frames])


def main() -> None:
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    with ProcessPoolExecutor(processes) as pool:
        print(sum(pool.map(extract, sorted(folder.glob("*.mp3")))))


if __name__ == "__main__":
    main()
