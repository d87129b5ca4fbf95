"""``python -m genrebeam``: the command line."""

from genrebeam.pipeline.cli import program

program()
