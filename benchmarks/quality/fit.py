"""Fit the head of the default bundle, and calibrate it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from benchmarks.quality.music import Piece
from genrebeam.model.backbones.backbone import BACKBONES
from genrebeam.model.backbones.projection import Projection, halved
from genrebeam.model.calibration import probabilities_of
from genrebeam.model.genres import join_columns
from genrebeam.model.head import Head, likeliest, similarities
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES
from genrebeam.model.training.linear import fit_head, fit_softmax
from genrebeam.model.vocabulary import GENRES

NAMES = tuple(genre.name for genre in GENRES)
STYLE_OF = tuple(genre.family for genre in GENRES)
FAMILIES = tuple(dict.fromkeys(STYLE_OF))
FOLDS = 5
# How much of a track's label the families have that are as right.
_SHARE_OF_OTHERS = 0.3
# How much a track counts: GTZAN and Magnatune are many tracks of few kinds.
_WEIGHTS = {"world": 1.0, "gtzan": 0.5, "magnatune": 0.3}
# Of the kernel: found by cross-validation on world. Maps and bands count the same.
_GAMMA, _PENALTY, _COMPONENTS, _RANK = 0.6, 0.1, 256, 500
_STYLE_STRENGTH = 5.0


def learned_from(piece: Piece) -> bool:
    """Whether a track is there to learn from, and not only to measure."""
    return piece.set in ("world", "magnatune") or (
        piece.set == "gtzan" and piece.part in ("train", "valid")
    )


def fit_projection(means: np.ndarray) -> Projection:
    """The principal components of tracks' outputs, scaled so that a usual track has length 1.

    Parameters
    ----------
    means : np.ndarray
        ``(n_tracks, n_outputs) float32``: over the windows of each.
    """
    backbone = BACKBONES["mn04"]
    centre, spread = means.mean(axis=0), means.std(axis=0) + 1e-6
    scale = np.zeros(means.shape[1], np.float32)
    for name in ("maps", "bands"):
        place = backbone.places[name]
        scale[place] = 1 / (spread[place] * np.sqrt(place.stop - place.start))
    scaled = (means - centre) * scale
    # Of the products of rows, because there are fewer of them than columns.
    values, vectors = _largest(scaled @ scaled.T, _COMPONENTS)
    matrix = scaled.T @ (vectors / np.sqrt(values))
    matrix /= np.sqrt(((scaled @ matrix) ** 2).sum(axis=1).mean())
    return Projection(
        np.array(backbone.kept), centre.astype(np.float32), halved(matrix * scale[:, None])
    )


def fit(pieces: Sequence[Piece], inputs: np.ndarray) -> Head:
    """The head that learns from some tracks.

    Parameters
    ----------
    pieces : sequence of Piece
    inputs : np.ndarray
        ``(n_pieces, n_inputs) float32``.

    Returns
    -------
    Head
        To families, and to their styles.
    """
    sounds = _sounds()
    strengths = likeliest(inputs, sounds)
    world = [number for number, piece in enumerate(pieces) if piece.set == "world"]
    centre, spread = strengths[world].mean(axis=0), strengths[world].std(axis=0)
    prior = (strengths - centre) / spread
    weights = np.array([_WEIGHTS[piece.set] for piece in pieces])
    embeddings = inputs[:, -_COMPONENTS:]
    families = _fit_kernel(embeddings, targets_of(pieces), weights, prior[:, : len(FAMILIES)])
    kernel, bias = _fit_styles(pieces, inputs, prior[:, len(FAMILIES) :])
    return dataclasses.replace(
        families,
        style_kernel=kernel,
        style_bias=bias,
        family_of=np.array([FAMILIES.index(family) for family in STYLE_OF]),
        sounds=sounds,
        sound_centre=centre.astype(np.float32),
        sound_spread=spread.astype(np.float32),
    )


def _fit_kernel(
    embeddings: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    prior: np.ndarray,
) -> Head:
    """A logistic regression on similarities to all tracks, in principal components of theirs."""
    similar = similarities(embeddings, embeddings, _GAMMA)
    values, vectors = _largest(similar, _RANK)
    root = vectors / np.sqrt(values)
    components = similar @ root
    middle = components.mean(axis=0)
    kernel, bias = fit_softmax(components - middle, targets, _PENALTY, weights, prior)
    return Head(
        kernel=(root @ kernel).astype(np.float32),
        bias=(bias - middle @ kernel).astype(np.float32),
        landmarks=embeddings,
        gamma=_GAMMA,
    )


def _largest(matrix: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues of a symmetric matrix, ``(n,)``, and their vectors, ``(d, n)``."""
    values, vectors = np.linalg.eigh(matrix.astype(np.float64))
    order = np.argsort(-values)[: min(most, len(values) - 1)]
    return values[order], vectors[:, order]


def _sounds() -> np.ndarray:
    """AudioSet's classes of each family and genre: ``(n_families + n_genres, n_kept) bool``."""
    backbone = BACKBONES["mn04"]
    every = backbone.read_labels()
    labels = [every[place] for place in backbone.kept]
    genres = np.array([[label in genre.sounds for label in labels] for genre in GENRES])
    families = [genres[[own == family for own in STYLE_OF]].any(axis=0) for family in FAMILIES]
    return np.concatenate([families, genres])


def targets_of(pieces: Sequence[Piece]) -> np.ndarray:
    """``(n_pieces, n_families)``: the share of each family in a track's label."""
    targets = np.zeros((len(pieces), len(FAMILIES)))
    for row, piece in zip(targets, pieces, strict=True):
        first, *others = (FAMILIES.index(family) for family in piece.families)
        row[first] = 1 - _SHARE_OF_OTHERS if others else 1
        row[others] = _SHARE_OF_OTHERS / max(1, len(others))
    return targets


def _fit_styles(
    pieces: Sequence[Piece], inputs: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias to the styles, from the tracks whose style is known."""
    kernel = np.zeros((inputs.shape[1], len(NAMES)), np.float32)
    bias = np.log([genre.share for genre in GENRES]).astype(np.float32)
    for family in FAMILIES:
        own = [number for number, of in enumerate(STYLE_OF) if of == family]
        known = [number for number, piece in enumerate(pieces) if piece.style in _names(own)]
        if len(own) < 2 or not known:
            continue
        targets = np.array([[pieces[i].style == NAMES[style] for style in own] for i in known])
        head = fit_head(
            inputs[known],
            targets.astype(float),
            BACKBONE_FEATURES,
            strength=_STYLE_STRENGTH,
            prior=prior[np.ix_(known, own)] + bias[own],
        )
        # How often a style is among these tracks says nothing of a library.
        kernel[:, own] = head.kernel
        bias[own] -= inputs[known].mean(axis=0) @ head.kernel
    return kernel, bias


def _names(styles: Sequence[int]) -> set[str]:
    return {NAMES[style] for style in styles}


def folds_of(keys: Sequence[str], seed: int = 0) -> np.ndarray:
    """A fold for every track, all that share a key in one: ``(n,) int64``."""
    names, numbers, counts = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of, sizes = np.zeros(len(names), np.int64), np.zeros(FOLDS)
    for key in order[np.argsort(-counts[order], kind="stable")]:
        fold_of[key] = sizes.argmin()
        sizes[fold_of[key]] += counts[key]
    return fold_of[numbers]


def logits_apart(
    pieces: Sequence[Piece],
    means: np.ndarray,
    key: Callable[[Piece], str],
    seed: int = 0,
) -> np.ndarray:
    """Logits of tracks by projections and heads that know none that shares their key.

    Parameters
    ----------
    pieces : sequence of Piece
        All of which are there to learn from.
    means : np.ndarray
        ``(n_pieces, n_outputs) float32``: over the windows of each.
    key : callable
        What folds keep together, such as the artist.
    seed : int

    Returns
    -------
    np.ndarray
        ``(n_pieces, n_genres) float32``.
    """
    folds = folds_of([key(piece) for piece in pieces], seed)
    logits = np.zeros((len(pieces), len(NAMES)), np.float32)
    for fold in range(FOLDS):
        inside = folds == fold
        rest = np.flatnonzero(~inside)
        inputs = fit_projection(means[rest]).inputs_of(means[:, None])
        logits[inside] = fit([pieces[i] for i in rest], inputs[rest]).logits(inputs[inside])
    return logits


def by_family(probabilities: np.ndarray) -> np.ndarray:
    """``(n, n_families)``: probabilities of `FAMILIES`."""
    return join_columns(probabilities, STYLE_OF)[0]


def is_right(pieces: Sequence[Piece]) -> np.ndarray:
    """``(n_pieces, n_families) bool``: which families are right."""
    return np.array([[family in piece.families for family in FAMILIES] for piece in pieces])


def best_temperature(pieces: Sequence[Piece], logits: np.ndarray) -> float:
    """The temperature with which the right families are likeliest."""
    right = is_right(pieces)

    def nll(temperature: float) -> float:
        families = by_family(probabilities_of(logits, temperature, STYLE_OF))
        return -float(np.log(np.maximum((families * right).sum(axis=1), 1e-9)).mean())

    return float(minimize_scalar(nll, bounds=(0.3, 3.0), method="bounded").x)
