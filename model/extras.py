"""Extras: what an installation for tagging leaves out, and which command needs it."""

from __future__ import annotations

import importlib.util

# For each extra of `pyproject.toml` the modules that only it brings.
EXTRAS = {
    "train": ("tensorflow", "keras", "librosa", "sklearn", "tensorboard", "plotly"),
    "pages": ("librosa", "matplotlib", "PIL", "openTSNE"),
    "watch": ("watchfiles",),
}


class MissingExtraError(ImportError):
    """An extra that is not installed.

    Parameters
    ----------
    extra : str
        Its name in `EXTRAS`.
    purpose : str
        What needs it: the subject of a sentence.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs an extra: pip install 'genrebeam[{extra}]'")
        self.extra = extra


def is_installed(extra: str) -> bool:
    """Whether all modules of an extra can be found; none is imported.

    Parameters
    ----------
    extra : str
        One of `EXTRAS`.
    """
    return all(importlib.util.find_spec(module) is not None for module in EXTRAS[extra])


def require(extra: str, purpose: str) -> None:
    """Check, before any work, that an extra is installed.

    Parameters
    ----------
    extra : str
        One of `EXTRAS`.
    purpose : str
        What needs it, for the message.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    if not is_installed(extra):
        raise MissingExtraError(extra, purpose)
