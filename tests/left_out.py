"""Left out: which tests were skipped and why, printed in one line.

A skipped test proves nothing. With ``--allowed-skips=FILE``, as in CI, one whose reason is not on
the list in that file makes the run fail. (With a space instead, pytest takes FILE for a test.)
"""

from __future__ import annotations

import collections
import fnmatch
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--allowed-skips",
        metavar="FILE",
        default=None,
        help="fail where a test is skipped for a reason that is not in this file",
    )


def pytest_configure(config: pytest.Config) -> None:
    listed = config.getoption("--allowed-skips")
    allowed = Path(listed).read_text(encoding="utf-8").splitlines() if listed else ["*"]
    config.pluginmanager.register(LeftOut(allowed))


class LeftOut:
    """Counts skipped tests by reason.

    Parameters
    ----------
    allowed : list of str
        Reasons, with ``*`` for any text; empty lines and those behind ``#`` say nothing.
    """

    def __init__(self, allowed: list[str]) -> None:
        lines = [line.strip() for line in allowed]
        self.allowed = [line for line in lines if line and not line.startswith("#")]
        self.reasons: collections.Counter[str] = collections.Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._count(report)  # a whole file

    def _count(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            self.reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._unexpected() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.reasons:
            parts = [f"{reason} ({count})" for reason, count in self.reasons.most_common()]
            terminalreporter.write_line(f"left out: {'; '.join(parts)}")
        for reason in self._unexpected():
            terminalreporter.write_line(f"not on the list of allowed skips: {reason}", red=True)

    def _unexpected(self) -> list[str]:
        return [
            reason
            for reason in self.reasons
            if not any(fnmatch.fnmatchcase(reason, pattern) for pattern in self.allowed)
        ]
