"""State: this user's folder for what outlives a run."""

from __future__ import annotations


def state_folder() -> str:
    """Path of the folder, which need not exist; relative if this user has no home."""
    import platformdirs  # late: not needed for --help

    return platformdirs.user_state_dir("genrebeam", appauthor=False)
