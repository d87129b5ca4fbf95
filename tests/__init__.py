"""The tests: the same tree as the code; what many of them share is beside this file."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
