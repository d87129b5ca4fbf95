"""Predict: batches of tracks to predictions, and one by one where a batch fails."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from genrebeam.model.bundle import Bundle
from genrebeam.transforms.audio.pool import default_processes
from genrebeam.transforms.genre.classify import (
    BackboneRun,
    Classifier,
    ModelOutput,
    open_classifier,
    split_by_track,
)
from genrebeam.transforms.records import Features, Prediction, reason_of

# Tracks whose segments are put together; eight of eight segments fill one batch.
BATCH_TRACKS = 8

_log = logging.getLogger("genrebeam")


def load_classifier(bundle: Bundle, *, embeddings: bool = False) -> Classifier:
    """The network of a bundle, with as many threads as it can use beside the decoders."""
    # A backbone takes about as long as decoding, a network of our own a quarter of it.
    cpus = default_processes()
    threads = cpus if bundle.features.backbone else max(1, cpus // 4)
    return open_classifier(bundle, embeddings=embeddings, threads=threads)


def predict(batch: Sequence[Features], model: Classifier) -> list[Prediction]:
    """Classify several tracks at once; a track on which that fails has a failed prediction.

    Raises
    ------
    ValueError
        If features are not those that the model wants.
    """
    wanted = model.bundle.features.shape
    for features in batch:
        if not features.track.stored and features.values.shape[1:] != wanted:
            found = features.values.shape[1:]
            raise ValueError(
                f"{model.bundle.name} takes segments of {wanted}, not {found}; "
                "extract features with the same bundle"
            )
    return _one_by_one(_predict, batch, model)


def extract_outputs(batch: Sequence[Features], model: BackboneRun) -> list[Features | Prediction]:
    """What the backbone puts out for tracks, as features; a failed `Prediction` where it fails."""
    return _one_by_one(_extract, batch, model)


def _one_by_one(
    work: Callable[[Sequence[Features], Any], list[Any]], batch: Sequence[Features], model: Any
) -> list[Any]:
    try:
        return work(batch, model)
    except Exception as error:
        if len(batch) == 1:
            _log.warning("%s: %s", batch[0].track.uri, reason_of(error))
            return [_unclassified(batch[0], error)]
        return [found for one in batch for found in _one_by_one(work, [one], model)]


def _predict(batch: Sequence[Features], model: Classifier) -> list[Prediction]:
    started = time.perf_counter()
    judgements = _judged(batch, model)
    n_segments = sum(len(features.values) for features in batch)
    per_segment = (time.perf_counter() - started) / n_segments
    return [
        Prediction(
            track=features.track,
            extract_seconds=features.extract_seconds,
            classify_seconds=per_segment * len(features.values),
            **vars(judgement),
        )
        for features, judgement in zip(batch, judgements, strict=True)
    ]


def _judged(batch: Sequence[Features], model: Classifier) -> list[ModelOutput]:
    """In order, those by what is stored of them and the others."""
    found: dict[bool, Iterator[ModelOutput]] = {}
    for is_stored in (False, True):
        values = [one.values for one in batch if (one.track.stored is not None) == is_stored]
        judge = model.of_stored if is_stored else model.of_tracks
        found[is_stored] = iter(judge(values) if values else ())
    return [next(found[one.track.stored is not None]) for one in batch]


def _extract(batch: Sequence[Features], model: BackboneRun) -> list[Features]:
    tracks = [features.values for features in batch]
    outputs = model(np.concatenate(tracks))
    return [
        dataclasses.replace(features, values=of_track[:, :, None])
        for features, of_track in zip(batch, split_by_track(outputs, tracks), strict=True)
    ]


def _unclassified(features: Features, error: Exception) -> Prediction:
    return Prediction(
        track=features.track,
        probabilities=np.zeros((0, 0), np.float32),
        extract_seconds=features.extract_seconds,
        classify_seconds=0.0,
        error=(type(error).__name__, reason_of(error)),
    )
