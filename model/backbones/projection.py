"""Projection: what is kept of a backbone's outputs for a track; heads read it, reports store it.

A backbone puts out thousands of numbers for a window. A track's means of them are projected onto
the principal components that music differs in most. Beside them the logits of those classes are
kept that are about music. A head decides by these numbers alone, so that another head can decide
anew about a track that is no longer decoded.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

from genrebeam.model import files

# Inputs are rounded to multiples of these: a report stores them in two thirds of float16's space.
_LOGIT_STEP, _STEP = 1 / 16, 1 / 1024
# The number of threads is the process's: two that change it would give back each other's.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Projection:
    """From a backbone's outputs to a head's inputs.

    Parameters
    ----------
    classes : np.ndarray
        ``(n_kept,) int64``: outputs that are kept as they are, the logits of classes.
    centre : np.ndarray
        ``(n_outputs,) float32``: a usual track's outputs.
    matrix : np.ndarray
        ``(n_outputs, d) float32``: to the embedding.
    """

    classes: np.ndarray
    centre: np.ndarray
    matrix: np.ndarray

    @property
    def n_inputs(self) -> int:
        """How many numbers a head reads."""
        return len(self.classes) + self.matrix.shape[1]

    def inputs_of(self, outputs: np.ndarray) -> np.ndarray:
        """A track's input to a head.

        Parameters
        ----------
        outputs : np.ndarray
            ``(..., n_segments, n_outputs) float32`` of the backbone.

        Returns
        -------
        np.ndarray
            ``(..., n_inputs) float32``: the logits that are kept, then the embedding, of the
            segments' means. Rounded as reports store them; float16 holds them, too.
        """
        means = outputs.mean(axis=-2, dtype=np.float32)
        rows = means.reshape(-1, means.shape[-1])
        embeddings = product(rows - self.centre, self.matrix)
        logits = np.round(rows[:, self.classes] / _LOGIT_STEP) * _LOGIT_STEP
        embeddings = np.round(embeddings / _STEP) * _STEP
        found = halved(np.concatenate([logits, embeddings], axis=1))
        return found.reshape(*means.shape[:-1], self.n_inputs)

    def split(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The logits that are kept, and the embedding: ``(..., n_kept)`` and ``(..., d)``."""
        return inputs[..., : len(self.classes)], inputs[..., len(self.classes) :]

    def save(self, path: Path) -> None:
        """Write it, the matrix in half precision; the same projection gives the same bytes."""
        with files.writing(path) as stream:
            np.savez_compressed(stream, **{**vars(self), "matrix": self.matrix.astype(np.float16)})


def load_projection(path: Path) -> Projection:
    """Read what `Projection.save` wrote.

    Raises
    ------
    OSError, ValueError, KeyError
        If it cannot be read.
    """
    with np.load(path, allow_pickle=False) as stored:
        return Projection(stored["classes"], stored["centre"], stored["matrix"].astype(np.float32))


def halved(values: np.ndarray) -> np.ndarray:
    """Rounded to half precision, as float32."""
    return values.astype(np.float16).astype(np.float32)


def product(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """``rows @ matrix`` in one thread.

    Else OpenBLAS starts threads that wait for each other. Where decoders keep the CPUs busy, that
    takes up to a hundred times as long.
    """
    with _ONE_AT_A_TIME, _blas().limit(limits=1, user_api="blas"):
        return rows @ matrix


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
