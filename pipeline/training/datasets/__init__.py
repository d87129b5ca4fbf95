"""Data sets: a module for each, which alone knows what it is.

A new one needs a module that ends in ``DATASET``, and its name in `NAMES`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genrebeam.pipeline.training.datasets.dataset import Dataset

# In the order in which a folder is asked whether it is one.
NAMES = ("gtzan", "fma", "homburg", "folders", "tags")
# A single folder that is named after its genre; never a data set by itself.
ONE_GENRE = "one-genre"


def is_corrections(name: str) -> bool:
    """Whether labels come from a file that a report page has saved."""
    return name.endswith(".json")


def dataset_named(name: str) -> Dataset:
    """The data set of that name, or that of the corrections at that path."""
    module = "corrections" if is_corrections(name) else "folders" if name == ONE_GENRE else name
    found = importlib.import_module(f"{__name__}.{module}")
    if is_corrections(name):
        return found.Corrections(name)
    return found.ONE_GENRE if name == ONE_GENRE else found.DATASET
