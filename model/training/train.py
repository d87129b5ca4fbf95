"""Train a recipe on labelled music: a network, or the head of a backbone.

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
from scipy.special import log_softmax

from genrebeam.model.bundle import Bundle, save_bundle
from genrebeam.model.calibration import fit_temperature
from genrebeam.model.data.clips import SPLITS, Clips, LabelledMusic, clips_as, join
from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.evaluation.metrics import Vote, evaluate_logits
from genrebeam.model.evaluation.predict import TrackScores, predict
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.head import Head, inputs_of
from genrebeam.model.recipes import Recipe
from genrebeam.model.training.batches import RandomSegments, WholeSegments
from genrebeam.model.training.card import model_card
from genrebeam.model.training.checkpoint import Checkpoint, Progress

_CHECKPOINT = "checkpoint"
# Inverse penalties that are tried for a head.
_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
# A genre that a fold has no music of gets a logit so far below all others there, in nat.
_UNKNOWN = 5.0
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
    epochs : int, optional
        Instead of the recipe's.
    logs : str or Path, optional
        Folder for TensorBoard.
    show_bar : bool
        Show each epoch's progress as a bar instead of a line at its end.
    log : callable
        Takes one line per epoch.

    Raises
    ------
    DatasetError
        If there are fewer than two genres, a list is empty, or the data sets' frames differ or the
        recipe cannot learn from them.
    """
    learned = join([music, *beside]) if beside else music
    if len(learned.genres) < 2:
        raise DatasetError(learned.name, "one genre only; at least two are needed to tell apart")
    if empty := [split for split in SPLITS if not len(music.splits[split])]:
        raise DatasetError(music.name, f"no tracks for {' and '.join(empty)}")
    features = recipe.features_on(music.features)
    said: dict[str, TrackScores] = {}
    if recipe.build is None:
        # It learns from the valid list too, so only the test list can measure it.
        network, temperature, facts = _fit_head(learned, features)
        lists: tuple[str, ...] = ("test",)
    else:
        network, facts = _fit_networks(
            recipe,
            features,
            learned,
            seed=seed,
            epochs=epochs or recipe.epochs,
            checkpoint=Path(folder) / _CHECKPOINT,
            logs=Path(logs) if logs else None,
            show_bar=show_bar,
            log=log,
        )
        valid, lists = learned.splits["valid"], ("valid", "test")
        logits = predict(network, features, valid).logits
        temperature = fit_temperature(logits.segments, valid.targets)
        # Its own clips come before those of the sources beside it.
        said["valid"] = logits.of(range(len(music.splits["valid"])))
    bundle = Bundle(
        path=str(folder),
        name=name,
        version="",
        labels=learned.labels,
        genres=learned.genres,
        features=features.windows,
        temperature=round(temperature, 4),
        n_segments=recipe.n_segments,
    )
    metrics = {
        split: _measured(network, bundle, music, split, vote, said.get(split)) for split in lists
    }
    if beside:
        metrics["beside"] = _measured(network, bundle, join(beside), "test", vote)
    facts = {**_facts_of(recipe, [music, *beside], learned, about, seed), **facts}
    bundle = dataclasses.replace(bundle, training=facts, metrics=metrics)
    bundle = save_bundle(bundle, network, folder, model_card(bundle))
    shutil.rmtree(Path(folder) / _CHECKPOINT, ignore_errors=True)
    return bundle


def _facts_of(
    recipe: Recipe,
    sources: Sequence[LabelledMusic],
    learned: LabelledMusic,
    about: str,
    seed: int,
) -> dict[str, Any]:
    """What a bundle tells of what it learned from."""
    return {
        "recipe": recipe.name,
        "dataset": learned.name,
        "about": about,
        "sources": [{"name": one.name, "split": one.split} for one in sources],
        "clips": {split: len(clips) for split, clips in learned.splits.items()},
        # Not the names: a bundle may be given away, and these are files of somebody's library.
        "left_out": len(learned.left_out),
        "seed": seed,
    }


def _measured(
    network: keras.Model | Head,
    bundle: Bundle,
    music: LabelledMusic,
    split: str,
    vote: Vote,
    logits: TrackScores | None = None,
) -> dict[str, Any]:
    """Figures of a list, by its logits where they are known already."""
    clips, _ = clips_as(music, split, bundle.genres)
    return evaluate_logits(
        logits or predict(network, bundle.features.outputs, clips).logits,
        clips.targets,
        temperature=bundle.temperature,
        vote=vote,
        genres=bundle.genres,
        artists=clips.by,
    )


def _fit_head(music: LabelledMusic, features: FeatureSpec) -> tuple[Head, float, dict[str, Any]]:
    """A head for train and valid lists together, its temperature, and how it was found.

    Strength and temperature are chosen on folds of them, artists apart: a list that is kept
    aside for it would be too small in most libraries.
    """
    from genrebeam.model.training.linear import fit_head

    clips = music.splits["train"] + music.splits["valid"]
    inputs = np.stack([inputs_of(clip.T.astype(np.float32), features) for clip in clips.values])
    folds = folds_by_artist(clips)

    def tried(strength: float) -> tuple[float, float, float]:
        """Surprise over folds that were not learned from, the strength, its temperature."""
        logits = np.zeros((len(clips), len(music.labels)), np.float32)
        for fold in range(folds.max() + 1):
            inside = folds == fold
            known = np.unique(clips.targets[~inside])
            targets = (clips.targets[~inside, None] == known).astype(float)
            head = fit_head(inputs[~inside], targets, features, strength=strength)
            found = head.logits(inputs[inside])
            logits[inside] = found.min() - _UNKNOWN
            logits[np.ix_(inside, known)] = found
        temperature = fit_temperature([], clips.targets, logits)
        likelihoods = log_softmax(logits / temperature, axis=1)
        nll = -float(likelihoods[np.arange(len(clips)), clips.targets].mean())
        return nll, strength, temperature

    nll, strength, temperature = min(map(tried, _STRENGTHS))
    targets = np.eye(len(music.labels))[clips.targets]
    head = fit_head(inputs, targets, features, strength=strength)
    facts = {"strength": strength, "nll": round(nll, 4), "folds": int(folds.max() + 1)}
    return head, temperature, facts


def folds_by_artist(clips: Clips, n_folds: int = 5, seed: int = 0) -> np.ndarray:
    """A fold for every clip, all of an artist in one, of about the same size.

    Returns
    -------
    np.ndarray
        ``(n_clips,) int64``, 0 to at most ``n_folds - 1``.
    """
    artists, numbers, counts = np.unique(clips.by, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(artists))
    order = order[np.argsort(-counts[order], kind="stable")]
    sizes = np.zeros(min(n_folds, len(artists)), np.int64)
    fold_of = np.zeros(len(artists), np.int64)
    for artist in order:  # those with most tracks first, each into the smallest fold
        fold_of[artist] = sizes.argmin()
        sizes[fold_of[artist]] += counts[artist]
    return fold_of[numbers]


def _fit_networks(
    recipe: Recipe,
    features: FeatureSpec,
    music: LabelledMusic,
    *,
    seed: int,
    epochs: int,
    checkpoint: Path,
    logs: Path | None,
    show_bar: bool,
    log: Callable[[str], None],
) -> tuple[keras.Model, dict[str, Any]]:
    """One network of the recipe's members, and how they were trained."""
    members, trainings = [], []
    for number, build in enumerate((recipe.build, *recipe.companions)):
        member = f"member_{number + 1}"
        fitting = _Fitting(
            recipe=dataclasses.replace(recipe, build=build, companions=()),
            features=features,
            music=music,
            seed=seed + number,
            epochs=epochs,
            checkpoint=checkpoint / member,
            logs=logs / member if logs else None,
            show_bar=show_bar,
            log=log,
        )
        network, progress = fitting.run()
        members.append(network)
        trainings.append(progress)
    return _average(members), {
        "epochs_run": [progress.epochs for progress in trainings],
        "best_epoch": [progress.best_epoch for progress in trainings],
        "history": [
            {metric: [round(value, 4) for value in values] for metric, values in p.history.items()}
            for p in trainings
        ],
    }


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
        """Callbacks that show how the training goes."""

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
        """A hash of all that decides the result; the same arguments give the same key."""
        recipe = dataclasses.asdict(self.recipe)
        recipe["build"] = self.recipe.build and self.recipe.build.__name__
        recipe["initialise"] = self.recipe.initialise and self.recipe.initialise.__name__
        clips = {s: [c.names, c.targets.tolist()] for s, c in self.music.splits.items()}
        facts = [recipe, dataclasses.asdict(self.features), self.seed, self.epochs, clips]
        return hashlib.sha256(json.dumps([*facts, self.music.labels]).encode()).hexdigest()


def _some_segments(features: FeatureSpec, clips: Clips, seed: int) -> np.ndarray:
    """At most this many whole segments: ``(n, n_rows, segment_frames) float32``."""
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
    assert recipe.build is not None  # a head is no network
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
