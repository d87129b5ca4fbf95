"""Train a recipe on labelled music.

Only Keras 3 calls, so that any of its backends can train.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.batches import RandomSegments, WholeSegments
from model.bundle import Bundle, FeatureSpec, save_bundle
from model.calibration import fit_temperature
from model.card import model_card
from model.checkpoint import Checkpoint, Progress
from model.datasets import SPLITS, Clips, DatasetError, LabelledMusic, clips_as, join
from model.evaluation import Vote, evaluate_logits, predict_logits
from model.recipes import Recipe

_CHECKPOINT = "checkpoint"
# Enough to see what music is like, and no more than fits into memory.
_SEGMENTS_TO_INITIALISE = 4096


def train(
    recipe: Recipe,
    music: LabelledMusic,
    folder: str | Path,
    *,
    name: str,
    vote: Vote,
    beside: Sequence[LabelledMusic] = (),
    about: str = "",
    seed: int = 0,
    epochs: int | None = None,
    logs: str | Path | None = None,
    show_bar: bool = False,
    log: Callable[[str], None] = print,
) -> Bundle:
    """Train on the train list, stop and calibrate on the valid list, save a bundle.

    The test list is looked at once, after everything is decided, for the model card.
    A training that was stopped goes on from its checkpoint in `folder` when it is called
    again with the same arguments.

    Parameters
    ----------
    recipe : Recipe
    music : LabelledMusic
        With splits ``train``, ``valid`` and ``test``.
    folder : str or Path
        Where the bundle goes.
    name : str
        The model's name, written into reports.
    vote : callable
        ``(n_segments, n_classes)`` probabilities to the class voted for, or None.
    beside : sequence of LabelledMusic
        More to learn from, of the same frames; measured apart from `music`.
    about : str
        Markdown for the model card, such as where the music comes from and its licences.
    seed : int
    epochs : int, optional
        Instead of the recipe's.
    logs : str or Path, optional
        Folder for TensorBoard.
    show_bar : bool
        Show each epoch's progress as a bar instead of a line at its end.
    log : callable
        Takes one line per epoch.

    Returns
    -------
    Bundle

    Raises
    ------
    DatasetError
        If there are fewer than two genres, a list is empty, or the data sets' frames differ
        or are none that the recipe can hear.
    """
    learned = join([music, *beside]) if beside else music
    if len(learned.genres) < 2:
        raise DatasetError(learned.name, "one genre only; at least two are needed to tell apart")
    if empty := [split for split in SPLITS if not len(music.splits[split])]:
        raise DatasetError(music.name, f"no tracks for {' and '.join(empty)}")
    features = recipe.features_on(music.features)
    members, trainings = [], []
    for number, build in enumerate((recipe.build, *recipe.companions)):
        alone = dataclasses.replace(recipe, build=build, companions=())
        member = f"member_{number + 1}"
        fitting = _Fitting(
            recipe=alone,
            features=features,
            music=learned,
            seed=seed + number,
            epochs=epochs or recipe.epochs,
            checkpoint=Path(folder) / _CHECKPOINT / member,
            logs=Path(logs) / member if logs else None,
            show_bar=show_bar,
            log=log,
        )
        network, progress = fitting.run()
        members.append(network)
        trainings.append(progress)
    network = _average(members)
    valid = learned.splits["valid"]
    temperature = fit_temperature(predict_logits(network, features, valid), valid.targets)
    bundle = Bundle(
        path=str(folder),
        name=name,
        version="",
        labels=learned.labels,
        genres=learned.genres,
        features=features,
        temperature=round(temperature, 4),
        n_segments=recipe.n_segments,
    )

    def measured(source: LabelledMusic, split: str) -> dict[str, Any]:
        clips, _ = clips_as(source, split, learned.genres)
        return evaluate_logits(
            predict_logits(network, features, clips),
            clips.targets,
            temperature=bundle.temperature,
            vote=vote,
            genres=learned.genres,
        )

    metrics = {split: measured(music, split) for split in ("valid", "test")}
    if beside:
        metrics["beside"] = measured(join(beside), "test")
    facts: dict[str, Any] = {
        "recipe": recipe.name,
        "dataset": learned.name,
        "about": about,
        "sources": [{"name": one.name, "split": one.split} for one in (music, *beside)],
        "clips": {split: len(clips) for split, clips in learned.splits.items()},
        # Not the names: a bundle may be given away, and these are files of somebody's library.
        "left_out": len(learned.left_out),
        "seed": seed,
        "epochs_run": [progress.epochs for progress in trainings],
        "best_epoch": [progress.best_epoch for progress in trainings],
        "history": [
            {metric: [round(value, 4) for value in values] for metric, values in p.history.items()}
            for p in trainings
        ],
    }
    bundle = dataclasses.replace(bundle, training=facts, metrics=metrics)
    bundle = save_bundle(bundle, network, folder, model_card(bundle))
    shutil.rmtree(Path(folder) / _CHECKPOINT, ignore_errors=True)
    return bundle


@dataclasses.dataclass(frozen=True)
class _Fitting:
    """The training of one network."""

    recipe: Recipe
    features: FeatureSpec
    music: LabelledMusic
    seed: int
    epochs: int
    checkpoint: Path
    logs: Path | None
    show_bar: bool
    log: Callable[[str], None]

    def run(self) -> tuple[keras.Model, Progress]:
        """The network with the weights of its best epoch, and how it came there."""
        keras.utils.set_random_seed(self.seed)
        recipe, n_classes = self.recipe, len(self.music.labels)
        network = _build(recipe, self.features, n_classes, recipe.precision)
        checkpoint = Checkpoint(self.checkpoint, self._key(), self.seed, recipe.patience)
        train, valid = self.music.splits["train"], self.music.splits["valid"]
        batches = RandomSegments(recipe, self.features, train, n_classes, self.seed)
        network.compile(
            optimizer=keras.optimizers.AdamW(
                keras.optimizers.schedules.CosineDecay(
                    recipe.learning_rate, self.epochs * len(batches)
                ),
                weight_decay=recipe.weight_decay,
            ),
            loss=keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=recipe.label_smoothing
            ),
            metrics=["accuracy"],
        )
        progress = checkpoint.resume(network)
        if progress.epochs:
            self.log(f"{network.name}: goes on after epoch {progress.epochs}/{self.epochs}")
            batches.start(progress.epochs)
        elif recipe.initialise:
            recipe.initialise(network, _some_segments(self.features, train, self.seed), self.seed)
        if not progress.finished:
            network.fit(
                batches,
                validation_data=WholeSegments(self.features, valid, n_classes),
                epochs=self.epochs,
                initial_epoch=progress.epochs,
                shuffle=False,  # the batches are shuffled by themselves
                verbose=1 if self.show_bar else 0,
                callbacks=[checkpoint, *self._watchers(network.name)],
            )
        trained = _build(recipe, self.features, n_classes, "float32")
        checkpoint.restore_best(trained)
        return trained, progress

    def _watchers(self, name: str) -> list[keras.callbacks.Callback]:
        """What shows how the training goes."""

        def line(epoch: int, logs: dict[str, float]) -> None:
            figures = ", ".join(f"{metric} {value:.3f}" for metric, value in logs.items())
            self.log(f"{name}: epoch {epoch + 1}/{self.epochs}: {figures}")

        watchers: list[keras.callbacks.Callback] = []
        if not self.show_bar:
            watchers.append(keras.callbacks.LambdaCallback(on_epoch_end=line))
        if self.logs:
            watchers.append(keras.callbacks.TensorBoard(self.logs))
        return watchers

    def _key(self) -> str:
        """What is trained how on what; the same arguments give the same key."""
        recipe = dataclasses.asdict(self.recipe)
        recipe["build"] = self.recipe.build.__name__
        recipe["initialise"] = self.recipe.initialise and self.recipe.initialise.__name__
        clips = {s: [c.names, c.targets.tolist()] for s, c in self.music.splits.items()}
        facts = [recipe, dataclasses.asdict(self.features), self.seed, self.epochs, clips]
        return hashlib.sha256(json.dumps([*facts, self.music.labels]).encode()).hexdigest()


def _some_segments(features: FeatureSpec, clips: Clips, seed: int) -> np.ndarray:
    """At most so many whole segments: ``(n, n_rows, segment_frames) float32``."""
    places = clips.places(features)
    chosen = np.random.default_rng(seed).permutation(len(places))[:_SEGMENTS_TO_INITIALISE]
    return np.concatenate(
        [
            clips.cut(clip, [start], features.segment_frames)
            for clip, start in (places[index] for index in chosen)
        ]
    )


def _build(recipe: Recipe, features: FeatureSpec, n_classes: int, precision: str) -> keras.Model:
    """The recipe's network, computing in `precision`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return recipe.build(features, n_classes)
    finally:
        keras.config.set_dtype_policy(before)


def _average(members: list[keras.Model]) -> keras.Model:
    """One network whose logits are the mean of its members'."""
    if len(members) == 1:
        return members[0]
    segments = keras.Input(members[0].input_shape[1:], name="log_mel")
    logits = [
        keras.Model(member.input, member.output, name=f"member_{number}")(segments)
        for number, member in enumerate(members, start=1)
    ]
    return keras.Model(segments, keras.layers.Average(name="logits")(logits), name=members[0].name)
