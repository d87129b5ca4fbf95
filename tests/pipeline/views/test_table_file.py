"""Reports as tables for spreadsheets."""

import csv
import io

import pyarrow as pa

from genrebeam.pipeline.views.table_file import _COLUMNS, write_csv


def test_the_latest_row_of_each_file_and_no_formula():
    row = dict.fromkeys(_COLUMNS) | {"uri": "/a.mp3", "title": "=cmd()"}
    rows = [
        {**row, "finished_at": "1", "genres_after": ["Pop"], "run": "1"},
        {**row, "finished_at": "2", "genres_after": ["Rock", "Punk"], "run": "2"},
    ]
    stream = io.StringIO(newline="")
    assert write_csv([pa.Table.from_pylist(rows)], stream) == 1
    (found,) = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert (found["title"], found["genres_after"], found["run"]) == ("'=cmd()", "Rock; Punk", "2")
