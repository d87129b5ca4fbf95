"""A terminal for tests, and names that would command one."""

import io
import re
import unicodedata

EVIL = "a\x1b[31m\x9b2J\x1b]0;pwned\x07[red]b[/red] :cat:\u202egpj\r\ncaf\udce9 日本.mp3"
SHOWN = (
    r"a\u001b[31m\u009b2J\u001b]0;pwned\u0007[red]b[/red] :cat:\u202egpj\u000d\u000acaf\udce9 "
    "日本.mp3"
)
STYLE = re.compile(r"\x1b\[[\d;]*m")


class Screen(io.TextIOWrapper):
    """A terminal that keeps what is written to it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace")

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)

    @property
    def plain(self) -> str:
        return STYLE.sub("", self.text)


def cells(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
