"""Stands in for a decoder in ``many_processes.py``: imports no more than a decoder does."""

from __future__ import annotations

import time

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio.features import Extracted
from genrebeam.transforms.records import AudioFacts


def slept_extracting(
    seconds: float,
    n_windows: int,
    path: str,
    format: str,
    spec: FeatureSpec,
    n_segments: int,
    header_s: float,
) -> Extracted:
    """Features of a whole track, after a while; otherwise as `extract_non_silent`."""
    time.sleep(seconds)
    features = np.zeros((n_windows, *spec.shape), np.float16)
    return Extracted(features, AudioFacts(header_s, 44100, 2), seconds)
