"""Time left: how long the files that are still to be analysed will take.

A part of a file's cost is the same for all files, another grows with its size, as a file is copied
to be tagged. A library comes folder by folder, perhaps small files first and large ones last:
counting files alone was wrong by half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_MB = 1e6
# Files are done in batches: what is measured is the time of this many files and s; of fewer
# files only where they take very long.
_FILES, _SECONDS, _LONG_SECONDS = 32, 2.0, 30.0
# Files that are done within this many s are of one batch, and their time is that of all.
_BETWEEN_BATCHES = 0.05
# How long what was measured counts, in s: the pace follows a machine that becomes busy; what size
# costs does not change with it.
_PACE_S, _NATURE_S = 300.0, 7200.0
# What is taken for granted before anything is measured: what a MB costs, as a share of what a file
# costs that has no size, as if this many files of no size and of this many MB had been analysed.
_SHARE_PER_MB, _GRANTED_FILES, _GRANTED_MB = 0.04, 8, 40.0


@dataclass
class _Measured:
    """Sums over files analysed; what is `memory_s` old counts a third."""

    memory_s: float
    files: float = 0.0
    mb: float = 0.0
    mb_squared: float = 0.0
    seconds: float = 0.0
    mb_seconds: float = 0.0

    def add(self, files: int, mb: float, seconds: float) -> None:
        fades = math.exp(-seconds / self.memory_s)
        self.files = self.files * fades + files
        self.mb = self.mb * fades + mb
        self.seconds = self.seconds * fades + seconds
        # Per file: the time of many files is less exact than that of few.
        self.mb_squared = self.mb_squared * fades + mb * mb / files
        self.mb_seconds = self.mb_seconds * fades + mb * seconds / files

    def pace(self, share_per_mb: float) -> float:
        """What a file costs that has no size, in s."""
        return self.seconds / (self.files + share_per_mb * self.mb)

    def share_per_mb(self) -> float:
        """Least squares of the time of files by their number and their MB."""
        base = self.pace(_SHARE_PER_MB)
        large = base * (1 + _SHARE_PER_MB * _GRANTED_MB)
        files = self.files + 2 * _GRANTED_FILES
        mb = self.mb + _GRANTED_FILES * _GRANTED_MB
        squared = self.mb_squared + _GRANTED_FILES * _GRANTED_MB**2
        seconds = self.seconds + _GRANTED_FILES * (base + large)
        mb_seconds = self.mb_seconds + _GRANTED_FILES * _GRANTED_MB * large
        per_mb = max(0.0, files * mb_seconds - mb * seconds)
        per_file = squared * seconds - mb * mb_seconds
        # Never by size alone: a file costs something however small it is.
        return min(per_mb / per_file, 1.0) if per_file > 0 else 1.0


class TimeLeft:
    """Estimates the time left from the files that are done; it has no clock of its own.

    Examples
    --------
    >>> time_left = TimeLeft()
    >>> for number in range(200):
    ...     time_left.add(seconds=number / 4, size_bytes=5_000_000)
    >>> round(time_left(files=400, size_bytes=400 * 5_000_000))
    100
    """

    def __init__(self) -> None:
        self._pace, self._nature = _Measured(_PACE_S), _Measured(_NATURE_S)
        self._since: float | None = None
        self._last = 0.0
        self._files, self._bytes = 0, 0

    def add(self, seconds: float, size_bytes: int) -> None:
        """Note a file that is done.

        Parameters
        ----------
        seconds : float
            Since analysis began, by a clock that stands still while the machine sleeps. The first
            file comes after loading; it is where measuring begins.
        """
        if self._since is None:
            self._since = self._last = seconds
            return
        passed = self._last - self._since
        is_next_batch = seconds - self._last > _BETWEEN_BATCHES
        if is_next_batch and passed >= (_SECONDS if self._files >= _FILES else _LONG_SECONDS):
            for measured in (self._pace, self._nature):
                measured.add(self._files, self._bytes / _MB, passed)
            self._since, self._files, self._bytes = self._last, 0, 0
        self._files += 1
        self._bytes += size_bytes
        self._last = seconds

    def __call__(self, files: int, size_bytes: int) -> float | None:
        """Time that these files will take.

        Parameters
        ----------
        files, size_bytes : int
            Number of the files that are still to be analysed, and bytes of all of them.

        Returns
        -------
        float or None
            In s; None while too few files are done.
        """
        if not self._pace.files:
            return None
        share = self._nature.share_per_mb()
        return self._pace.pace(share) * (files + share * max(0, size_bytes) / _MB)
