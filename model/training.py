"""Train a recipe on labelled music.

Only Keras 3 calls, so that any of its backends can train.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model.bundle import Bundle, FeatureSpec, save_bundle
from model.calibration import fit_temperature
from model.datasets import Clips, LabelledMusic
from model.evaluation import evaluate_logits, predict_logits
from model.recipes import Recipe

if TYPE_CHECKING:
    import keras

    from model.evaluation import Vote


def train(
    recipe: Recipe,
    music: LabelledMusic,
    folder: str | Path,
    *,
    name: str,
    vote: Vote,
    seed: int = 0,
    epochs: int | None = None,
    log: Callable[[str], None] = print,
) -> Bundle:
    """Train on the train list, stop and calibrate on the valid list, save a bundle.

    The test list is looked at once, after everything is decided, for the model card.

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
    seed : int
    epochs : int, optional
        Instead of the recipe's.
    log : callable
        Takes one line per epoch.

    Returns
    -------
    Bundle
    """
    members, histories = [], []
    for number, build in enumerate((recipe.build, *recipe.companions)):
        alone = dataclasses.replace(recipe, build=build, companions=())
        member, losses = _fit(alone, music, seed + number, epochs or recipe.epochs, log)
        members.append(member)
        histories.append(losses)
    network = _average(members)
    valid_logits = predict_logits(network, recipe.features, music.splits["valid"])
    bundle = Bundle(
        path=str(folder),
        name=name,
        version="",
        labels=music.labels,
        genres=music.genres,
        features=recipe.features,
        temperature=round(fit_temperature(valid_logits, music.splits["valid"].targets), 4),
        n_segments=recipe.n_segments,
    )
    metrics = {
        split: evaluate_logits(
            predict_logits(network, recipe.features, music.splits[split]),
            music.splits[split].targets,
            temperature=bundle.temperature,
            vote=vote,
        )
        for split in ("valid", "test")
    }
    facts: dict[str, Any] = {
        "recipe": recipe.name,
        "dataset": music.name,
        "clips": {split: len(clips) for split, clips in music.splits.items()},
        "left_out": list(music.left_out),
        "seed": seed,
        "epochs_run": [len(losses) for losses in histories],
        "best_epoch": [int(np.argmin(losses)) + 1 for losses in histories],
    }
    bundle = dataclasses.replace(bundle, training=facts, metrics=metrics)
    return save_bundle(bundle, network, folder, model_card(bundle))


def _fit(
    recipe: Recipe,
    music: LabelledMusic,
    seed: int,
    epochs: int,
    log: Callable[[str], None],
) -> tuple[keras.Model, list[float]]:
    """One trained network with the weights of its best epoch, and its validation losses."""
    import keras

    keras.utils.set_random_seed(seed)
    n_classes = len(music.labels)
    batches = _batches(recipe, music.splits["train"], n_classes, seed)
    valid_segments, valid_targets = _segments(recipe.features, music.splits["valid"])
    network = _build(recipe, n_classes, recipe.precision)
    network.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(recipe.learning_rate, epochs * len(batches)),
            weight_decay=recipe.weight_decay,
        ),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=["accuracy"],
    )

    class LogEpoch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            figures = ", ".join(f"{key} {value:.3f}" for key, value in (logs or {}).items())
            log(f"{network.name}: epoch {epoch + 1}/{epochs}: {figures}")

    history = network.fit(
        batches,
        validation_data=(valid_segments, np.eye(n_classes)[valid_targets]),
        validation_batch_size=256,
        epochs=epochs,
        verbose=0,
        callbacks=[
            LogEpoch(),
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=recipe.patience, restore_best_weights=True
            ),
        ],
    )
    trained = _build(recipe, n_classes, "float32")
    trained.set_weights(network.get_weights())
    return trained, history.history["val_loss"]


def _build(recipe: Recipe, n_classes: int, precision: str) -> keras.Model:
    """The recipe's network, computing in `precision`."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return recipe.build(recipe.features, n_classes)
    finally:
        keras.config.set_dtype_policy(before)


def _average(members: list[keras.Model]) -> keras.Model:
    """One network whose logits are the mean of its members'."""
    import keras

    if len(members) == 1:
        return members[0]
    segments = keras.Input(members[0].input_shape[1:], name="log_mel")
    logits = [
        keras.Model(member.input, member.output, name=f"member_{number}")(segments)
        for number, member in enumerate(members, start=1)
    ]
    return keras.Model(segments, keras.layers.Average(name="logits")(logits), name=members[0].name)


def model_card(bundle: Bundle) -> str:
    """Markdown that tells what a model is, what it learned from and how good it is.

    Parameters
    ----------
    bundle : Bundle
        With `training` and `metrics` filled in.

    Returns
    -------
    str
        With ``{version}`` where the version goes.
    """
    training, test, valid = bundle.training, bundle.metrics["test"], bundle.metrics["valid"]
    epochs = [
        f"best epoch {best} of {run}"
        for best, run in zip(training["best_epoch"], training["epochs_run"], strict=True)
    ]
    members = "network" if len(epochs) == 1 else "networks, their logits averaged"
    low, high = test["track_accuracy_ci95"]
    clips = training["clips"]
    rows = "\n".join(
        f"| {genre} | {recall:.0%} |"
        for genre, recall in zip(bundle.genres, test["recall"], strict=True)
    )
    return f"""# {bundle.name}, version {{version}}

Genres: {", ".join(bundle.genres)}.

## What it is
Recipe `{training["recipe"]}` (seed {training["seed"]}): {len(epochs)} {members}
({", ".join(epochs)}). It hears segments of {bundle.features.segment_seconds:.1f} s and
averages their calibrated probabilities (temperature {bundle.temperature}).

## What it learned from
GTZAN (Tzanetakis and Cook, 2002): 30 s clips, log-mel pictures of them. The recordings
belong to their owners; no audio is part of this model. Fault-filtered split without
duplicates and with no artist in two lists: {clips["train"]} clips to train,
{clips["valid"]} to stop and calibrate, {clips["test"]} to test.
Left out because the data lacks them: {", ".join(training["left_out"]) or "none"}.

## How good it is
On the test list, which nothing was chosen on ({test["n_tracks"]} tracks, every segment):

| figure | test | valid |
|---|---|---|
| track accuracy, mean vote | {test["track_accuracy"]:.1%} (95 %: {low:.1%} to {high:.1%}) \
| {valid["track_accuracy"]:.1%} |
| track accuracy, majority vote | {test["majority_accuracy"]:.1%} \
| {valid["majority_accuracy"]:.1%} |
| refused by majority vote | {test["majority_refused"]:.1%} | {valid["majority_refused"]:.1%} |
| segment accuracy | {test["segment_accuracy"]:.1%} | {valid["segment_accuracy"]:.1%} |
| calibration error (ECE) | {test["ece"]:.3f} | {valid["ece"]:.3f} |

Ten genres equally often by chance: {1 / len(bundle.labels):.0%}. Found of each genre (recall):

| genre | found |
|---|---|
{rows}

## What it must not be used for
It knows ten Western genres as one data set of the year 2002 drew them. Everything else
(folk, electronic, film music, speech) still gets one of the ten. Do not use it to judge
people, to pay rights holders, or where a wrong genre does harm.
"""


def _segments(features: FeatureSpec, clips: Clips) -> tuple[np.ndarray, np.ndarray]:
    """Every whole segment of all clips: ``(n, n_mels, segment_frames)`` and targets."""
    segments, targets = [], []
    for log_mel, target in zip(clips.log_mel, clips.targets, strict=True):
        for start in features.segment_starts(log_mel.shape[1]):
            segments.append(log_mel[:, start : start + features.segment_frames])
            targets.append(target)
    return np.stack(segments).astype(np.float32), np.array(targets)


def _batches(recipe: Recipe, clips: Clips, n_classes: int, seed: int) -> keras.utils.PyDataset:
    """Randomly cut and augmented segments, as many an epoch as the clips hold."""
    import keras

    width = recipe.features.segment_frames
    per_clip = max(1, clips.log_mel[0].shape[1] // width)
    one_hot = np.eye(n_classes, dtype=np.float32)

    class RandomSegments(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.rng = np.random.default_rng(seed)
            self.on_epoch_end()

        def __len__(self) -> int:
            return len(self.order) // recipe.batch_size

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            first = index * recipe.batch_size
            chosen = self.order[first : first + recipe.batch_size]
            segments = np.stack([self._cut(clips.log_mel[c]) for c in chosen]).astype(np.float32)
            targets = one_hot[clips.targets[chosen]]
            return augment(segments, targets, recipe, self.rng)

        def _cut(self, log_mel: np.ndarray) -> np.ndarray:
            n_frames = log_mel.shape[1]
            tempo = np.exp(self.rng.uniform(-recipe.stretch, recipe.stretch))
            # Nearest frames: the features are single frames too, not averages.
            frames = np.floor(np.arange(width) * min(tempo, n_frames / width)).astype(int)
            return log_mel[:, self.rng.integers(0, n_frames - frames[-1]) + frames]

        def on_epoch_end(self) -> None:
            self.order = self.rng.permutation(np.repeat(np.arange(len(clips)), per_clip))

    return RandomSegments()


def augment(
    segments: np.ndarray, targets: np.ndarray, recipe: Recipe, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Move, tilt, mix and mask a batch as the recipe says.

    Parameters
    ----------
    segments : np.ndarray
        ``(n, n_mels, n_frames) float32`` in 0..1.
    targets : np.ndarray
        ``(n, n_classes) float32``, one-hot.
    recipe : Recipe
    rng : np.random.Generator

    Returns
    -------
    segments, targets : np.ndarray
        Of the same shapes.
    """
    n, n_mels, _ = segments.shape
    if recipe.shift_bands:
        shifts = rng.integers(-recipe.shift_bands, recipe.shift_bands + 1, (n, 1))
        moved = np.clip(np.arange(n_mels) - shifts, 0, n_mels - 1)
        segments = np.take_along_axis(segments, moved[:, :, None], axis=1)
    if recipe.tilt_db:
        span = recipe.tilt_db / recipe.features.top_db
        slopes = rng.uniform(-span, span, (n, 1, 1)).astype(np.float32)
        tilt = np.linspace(-0.5, 0.5, n_mels, dtype=np.float32)[None, :, None]
        segments = np.clip(segments + slopes * tilt, 0, None)
    if recipe.mixup:
        share = rng.beta(recipe.mixup, recipe.mixup, (n, 1, 1)).astype(np.float32)
        partner = rng.permutation(n)
        segments = share * segments + (1 - share) * segments[partner]
        targets = share[:, 0] * targets + (1 - share[:, 0]) * targets[partner]
    segments = segments.copy()
    for segment in segments:
        # Blanked with the mean: the network standardises what it sees.
        blank = segment.mean()
        for axis, widest in ((0, recipe.mask_bands), (1, recipe.mask_frames)):
            if widest:
                width = rng.integers(0, widest + 1)
                start = rng.integers(0, segment.shape[axis] - width + 1)
                stripe = [slice(None), slice(None)]
                stripe[axis] = slice(start, start + width)
                segment[tuple(stripe)] = blank
    return segments, targets
