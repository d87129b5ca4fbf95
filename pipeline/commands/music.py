"""Labelled music, for the commands that train on it or evaluate with it."""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.training.datasets import NAMES, ONE_GENRE, is_corrections
from genrebeam.pipeline.views.terminal import safe

if TYPE_CHECKING:
    from genrebeam.model.data.clips import LabelledMusic
    from genrebeam.model.feature_spec import FeatureSpec
    from genrebeam.model.recipes import Recipe

# The networks of an ensemble use the seeds that follow; all must fit into 32 bits.
_LARGEST_SEED = 2**32 - 100

WHERE_FROM = (
    "the names and lists of a known data set (gtzan, fma, homburg), the names of the folders "
    "(folders), the files' tags (tags), or what you chose on a report page (corrections.json, "
    "or the path of such a file)"
)


def add_music_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose the music."""
    parser.add_argument(
        "--dataset",
        "--labels",
        type=labels,
        metavar="KIND",
        help=f"where the genres come from: {WHERE_FROM} "
        "(default: recognises GTZAN, FMA and prepared sets)",
    )
    parser.add_argument(
        "--also",
        metavar="DIR",
        action="append",
        default=[],
        help="one more folder of music, all of one genre, the folder's name; can be repeated",
    )
    parser.add_argument(
        "--random-split",
        metavar="SEED",
        type=seed,
        help="split all tracks 70:30 at random, as many papers do; this leaks artists "
        "(default: the data set's own lists, else by artist)",
    )


def seed(text: str) -> int:
    """Parse a seed of random numbers; the type of an argument."""
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_SEED:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number from 0 to {_LARGEST_SEED}"
        )
    return int(text)


def labels(text: str) -> str:
    """Parse where labels come from; the type of an argument."""
    if text in NAMES:
        return text
    if text == "corrections":
        text = "corrections.json"
    if not is_corrections(text):
        known = ", ".join(NAMES)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {known}, and no corrections.json")
    return os.path.abspath(text)


def gather(
    library: str,
    arguments: argparse.Namespace,
    frames: Callable[[FeatureSpec | None], FeatureSpec],
    work: str,
    *,
    whole: bool = False,
    only: str | None = None,
    extracted: str | None = None,
) -> list[LabelledMusic]:
    """Labelled music: an array or a prepared set is read, audio is analysed first.

    Parameters
    ----------
    library : str
        The data set's folder.
    arguments : argparse.Namespace
        With what `add_music_arguments` declares.
    frames : callable
        From the frames that the data has (None for audio) to those that audio is to be
        analysed with.
    work : str
        Folder that prepared sets are put into.
    whole : bool
        All music is one list, ``test``, and no genre is left out.
    only : str, optional
        Analyse this list only, where the lists are not chosen at random.
    extracted : str, optional
        Folder of sets that an earlier command has made; one that fits is taken and not changed.

    Returns
    -------
    list of LabelledMusic
        The data set, then one for each ``--also``.

    Raises
    ------
    UsageError
        If there is no such music.
    """
    from genrebeam.model.data.splits import all_in_one, random_split
    from genrebeam.model.data.training_set import DatasetError
    from genrebeam.pipeline.training.music import load_music, load_training_set, recognise

    prepared = functools.partial(
        _prepared, work=work, whole=whole, only=None if whole else only, extracted=extracted
    )
    try:
        dataset, form = recognise(library)
        if form != "audio" and arguments.dataset not in (None, dataset):
            raise UsageError(f"{library}: is {dataset}, not {arguments.dataset}")
        if form == "audio":
            music = prepared(library, arguments.dataset or dataset, frames(None))
        elif form == "set" and whole:
            music = load_training_set(library, whole=True)
        else:
            music = load_music(library)
            music = all_in_one(music) if whole else music
        if arguments.random_split is not None:
            music = random_split(music, arguments.random_split)
        beside = [prepared(folder, ONE_GENRE, frames(music.features)) for folder in arguments.also]
    except DatasetError as error:
        raise UsageError(str(error)) from error
    for one in (music, *beside):
        for label in one.too_small:
            note(f"left out {label}")
    return [music, *beside]


def _prepared(
    library: str,
    dataset: str | None,
    spec: FeatureSpec,
    *,
    work: str,
    whole: bool,
    only: str | None,
    extracted: str | None,
) -> LabelledMusic:
    from genrebeam.pipeline.graphs.prepare import is_prepared, prepare
    from genrebeam.pipeline.runs import interruption
    from genrebeam.pipeline.training.music import load_training_set
    from genrebeam.pipeline.views import progress

    if not os.path.isdir(library):
        raise UsageError(f"{library}: no such folder")
    if dataset is None:
        raise UsageError(
            f"{library}: where do the genres come from? Say --labels folders or --labels tags"
        )
    place = os.path.abspath(library)
    # One folder for each way to analyse the same music.
    key = hashlib.sha256(repr((os.fsencode(place), dataset, spec)).encode()).hexdigest()
    name = f"{os.path.basename(place)}-{key[:8]}"
    if extracted and is_prepared(library, dataset, spec, os.path.join(extracted, name)):
        return load_training_set(os.path.join(extracted, name), whole=whole)
    out = os.path.join(work, name)
    try:
        with interruption.handled(), progress.shown():
            music = prepare(library, dataset, spec, out, only=only, log=note)
    finally:
        for folder in (out, work):
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # if there was nothing to leave in it
    return load_training_set(out, whole=True) if whole else music


def features_beside(bundle: str) -> str:
    """Where ``train`` puts what it extracts for a bundle."""
    return f"{bundle.rstrip('/')}-features"


def note(line: str) -> None:
    """Print a remark on stderr, beside the result."""
    print(safe(line), file=sys.stderr)


def recipe_named(name: str) -> Recipe:
    """The recipe of that name.

    Raises
    ------
    UsageError
        If there is none.
    """
    from genrebeam.model.recipes import RECIPES

    if name not in RECIPES:
        raise UsageError(f"unknown recipe {name!r}; known are {', '.join(sorted(RECIPES))}")
    return RECIPES[name]


def chosen_music(arguments: argparse.Namespace) -> str | None:
    """The folder of the music that corrections are about, where these have the labels."""
    from genrebeam.model.data.training_set import DatasetError
    from genrebeam.pipeline.training.datasets.corrections import folder_of_chosen

    if not arguments.dataset or not is_corrections(arguments.dataset):
        return None
    try:
        return folder_of_chosen(arguments.dataset)
    except DatasetError as error:
        raise UsageError(str(error)) from error


def one_data_folder(positional: str | None, option: str | None) -> str:
    """The data's folder, given with or without ``--data``.

    Raises
    ------
    UsageError
        If it is given twice or not at all.
    """
    given: Sequence[str] = [folder for folder in (positional, option) if folder]
    if len(given) != 1:
        raise UsageError("name the folder of the music once, as DATA or with --data")
    return given[0]


def load_keras() -> None:
    """Import Keras and hide what its backend prints."""
    from genrebeam.model.loading import silenced

    with silenced():
        import keras  # noqa: F401
