"""Checkpoints: what a training needs to go on where it was stopped.

Imports Keras, so only what trains imports this.
"""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from genrebeam.model import files

# A checkpoint costs a fraction of a second; an epoch of a light network does too.
_EVERY_S = 20.0
_STATE = "state.json"


@dataclass
class Progress:
    """How far a training has come.

    Parameters
    ----------
    epochs : int
        Epochs done.
    history : dict
        Metric to its value after each epoch.
    best_epoch : int
        The epoch of the lowest validation loss, counted from 1; 0 before the first.
    """

    epochs: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    finished: bool = False

    @property
    def best_loss(self) -> float:
        """Lowest validation loss so far."""
        return self.history["val_loss"][self.best_epoch - 1] if self.best_epoch else float("inf")


class Checkpoint(keras.callbacks.Callback):
    """Remember the best epoch, stop when no better one comes, and save the state to disk.

    Each epoch draws dropout from the seed and its own number, so that a resumed training does what
    an uninterrupted one would have done.

    Parameters
    ----------
    folder : Path
        Of this network alone.
    key : str
        Hash of all that decides the result; a checkpoint with another key is thrown away.
    """

    def __init__(self, folder: Path, key: str, seed: int, patience: int) -> None:
        super().__init__()
        self.folder = folder
        self.key = key
        self.seed = seed
        self.patience = patience
        self.progress = Progress()
        self._best: list[Any] = []
        self._saved_at = time.monotonic()

    def resume(self, network: keras.Model) -> Progress:
        """Bring a compiled network to where its checkpoint is.

        Returns
        -------
        Progress
            Nothing done where there is no checkpoint of this training.
        """
        try:
            state = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))
            if state["key"] != self.key:
                raise ValueError("a checkpoint of another training")
            with np.load(self.folder / state["best"], allow_pickle=False) as arrays:
                best = [arrays[f"arr_{number}"] for number in range(len(arrays.files))]
            network.optimizer.build(network.trainable_variables)
            network.load_weights(self.folder / state["last"])
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.progress, self._best = Progress(**state["progress"]), best
        return self.progress

    def restore_best(self, network: keras.Model) -> None:
        """Give a network the weights of the best epoch.

        Raises
        ------
        ArithmeticError
            If the loss was never a number.
        """
        if not self._best:
            raise ArithmeticError("the training came to nothing: its loss was never a number")
        network.set_weights(self._best)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for number, variable in enumerate(self.model.variables):
            if variable.name == "seed_generator_state":
                variable.assign([self.seed + number, epoch])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        progress = self.progress
        for metric, value in (logs or {}).items():
            progress.history.setdefault(metric, []).append(float(value))
        progress.epochs = epoch + 1
        if progress.history["val_loss"][-1] < progress.best_loss:
            progress.best_epoch = epoch + 1
            self._best = self.model.get_weights()
        if progress.epochs - progress.best_epoch >= self.patience:
            self.model.stop_training = True
        if time.monotonic() - self._saved_at > _EVERY_S:
            self._save()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.progress.finished = True
        self._save()

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        number = self.progress.epochs
        names = {"last": f"last-{number}.weights.h5", "best": f"best-{number}.npz"}
        files.written_by(self.model.save_weights, self.folder / names["last"])
        with files.writing(self.folder / names["best"]) as stream:
            np.savez(stream, *self._best)
        state = {"key": self.key, "progress": vars(self.progress), **names}
        # From here on the new checkpoint counts, whatever happens to the old one's files.
        with files.writing(self.folder / _STATE) as stream:
            stream.write(json.dumps(state).encode())
        for old in self.folder.iterdir():
            if old.name not in (_STATE, *names.values()):
                old.unlink()
        self._saved_at = time.monotonic()
