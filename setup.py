"""Dataflow workers install from this file (``--setup_file``); all else is in pyproject.toml."""

from setuptools import setup

setup()
