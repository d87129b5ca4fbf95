#!/usr/bin/env python3
"""Decode every file of a folder whole and do nothing with it: the floor of any such tool.

.venv/bin/python benchmarks/speed/decode_floor.py FOLDER PROCESSES
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import soundfile


def decode(path: Path) -> int:
    """Decode a file; number of its samples."""
    return len(soundfile.read(path, dtype="float32")[0])


def main() -> None:
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    with ProcessPoolExecutor(processes) as pool:
        print(sum(pool.map(decode, sorted(folder.glob("*.mp3")))))


if __name__ == "__main__":
    main()
