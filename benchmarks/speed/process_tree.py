"""What a command and all its processes cost: time, CPU and memory; Linux only."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SECONDS_PER_LOOK = 0.05


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Parameters
    ----------
    exit_code : int
    wall_s : float
    cpu_s : float
        User and system time of all processes that were ever seen.
    peak_memory : int
        In bytes, of all processes together; proportional set size, so that shared pages
        count once.
    """

    exit_code: int
    wall_s: float
    cpu_s: float
    peak_memory: int


def cost_of(command: Sequence[str], folder: Path, output: Path | None = None) -> Cost:
    """Run a command and look at it twenty times a second."""
    with open(output or os.devnull, "wb") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=stream)
        tree = _Tree(process.pid)
        while process.poll() is None:
            tree.look()
            time.sleep(_SECONDS_PER_LOOK)
        wall = time.perf_counter() - started
    return Cost(process.returncode, wall, sum(tree.cpu_s.values()), tree.peak_memory)


class _Tree:
    """A process and all its descendants, looked at from outside while they run."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.peak_memory = 0
        self.cpu_s: dict[int, float] = {}

    def look(self) -> None:
        """Take one sample."""
        children: dict[int, list[int]] = {}
        ticks: dict[int, int] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stream:
                        facts = stream.read().rpartition(")")[2].split()
                except OSError:
                    continue
                children.setdefault(int(facts[1]), []).append(int(entry))
                ticks[int(entry)] = int(facts[11]) + int(facts[12])
        memory, waiting = 0, [self.root]
        while waiting:
            process = waiting.pop()
            waiting += children.get(process, [])
            if process in ticks:
                self.cpu_s[process] = ticks[process] / os.sysconf("SC_CLK_TCK")
            try:
                with open(f"/proc/{process}/smaps_rollup") as stream:
                    memory += sum(int(line.split()[1]) for line in stream if line[:4] == "Pss:")
            except OSError:
                continue
        self.peak_memory = max(self.peak_memory, memory * 1024)
