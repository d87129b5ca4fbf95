"""Reports as tables for spreadsheets."""

import csv
import io

import pyarrow as pa

from genrebeam.pipeline.views.table_file import COLUMNS, write_csv


def test_the_latest_row_of_each_file_and_no_formula():
    row = dict.fromkeys(COLUMNS) | {"uri": "/a.mp3", "title": "=cmd()"}
    rows = [
        {**row, "stage": "tag", "genres_after": ["Pop"], "run": "1"},
        {**row, "stage": "tag", "genres_after": ["Rock", "Punk"], "run": "2"},
        {**row, "stage": "skip", "genres_after": ["Rock", "Punk"], "run": "3"},
    ]
    stream = io.StringIO(newline="")
    assert write_csv([pa.Table.from_pylist(rows)], ["1", "2", "3"], stream) == 1
    (found,) = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert (found["title"], found["genres_after"], found["run"]) == ("'=cmd()", "Rock; Punk", "2")


def test_a_cell_cannot_command_a_terminal():
    row = dict.fromkeys(COLUMNS) | {"uri": "/a.mp3", "title": "\x1b[31mred", "run": "1"}
    stream = io.StringIO(newline="")
    write_csv([pa.Table.from_pylist([{**row, "stage": "tag"}])], ["1"], stream)
    assert "\x1b" not in stream.getvalue()
    assert "\\u001b[31mred" in stream.getvalue()
