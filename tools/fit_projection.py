#!/usr/bin/env python3
"""Make the projection that is kept of a backbone's outputs: principal components of music.

    .venv/bin/python tools/fit_projection.py DATA [--work DIR]

DATA and DIR are those of ``benchmarks/quality/default_bundle.py``. Labels are not used. A bundle
works with one projection only: make the default one anew, too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.quality.fit import fit_projection, learned_from  # noqa: E402
from benchmarks.quality.music import outputs_of, pieces_in  # noqa: E402
from genrebeam.model.backbones.backbone import BACKBONES  # noqa: E402


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, help="keeps what the backbone puts out")
    arguments = parser.parse_args()
    pieces = pieces_in(arguments.data)
    outputs = outputs_of(pieces, arguments.work)
    known = [o.mean(axis=0) for o, p in zip(outputs, pieces, strict=True) if learned_from(p)]
    path = BACKBONES["mn04"].projection_file
    fit_projection(np.stack(known)).save(path)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, of {len(known)} tracks")


if __name__ == "__main__":
    main()
