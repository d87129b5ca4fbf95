"""Rows in pieces: nothing is lost or torn apart, whether they fit in memory or not."""

import os

import pyarrow as pa
import pytest

from genrebeam.transforms.reports import partitions
from genrebeam.transforms.reports.partitions import PartitionedRows, last_of_each

COLUMNS = pa.schema([("uri", pa.string()), ("genres", pa.list_(pa.string()))])


def tables():
    """Two folders with ten files in each, as they come from five parts of a report."""
    for part in range(5):
        uris = [f"/music/{album}/{2 * part + track}.mp3" for album in "ab" for track in range(2)]
        yield pa.table([uris, [["Jazz"]] * len(uris)], schema=COLUMNS)


@pytest.fixture(params=["in memory", "in files"])
def workplace(request, monkeypatch, tmp_path):
    if request.param == "in files":
        monkeypatch.setattr(partitions, "_MOST_IN_MEMORY", 3)
    return str(tmp_path)


def test_no_row_is_lost_however_often_they_are_read(workplace):
    found = PartitionedRows(tables(), COLUMNS, workplace)
    expected = sorted(row["uri"] for table in tables() for row in table.to_pylist())
    for _ in range(2):
        rows = [row for piece in found for row in piece.to_pylist()]
        assert sorted(row["uri"] for row in rows) == expected
        assert all(row["genres"] == ["Jazz"] for row in rows)


def test_all_files_of_a_folder_are_in_one_piece(workplace):
    places = {}
    for number, piece in enumerate(PartitionedRows(tables(), COLUMNS, workplace)):
        for uri in piece["uri"].to_pylist():
            places.setdefault(os.path.dirname(uri), set()).add(number)
    assert [len(numbers) for numbers in places.values()] == [1, 1]


def test_nothing_is_left_among_the_reports(workplace):
    found = PartitionedRows(tables(), COLUMNS, workplace)
    assert sum(len(piece) for piece in found) == 20
    assert os.listdir(workplace) == []  # not even while they are read: a kill leaves nothing


def test_of_no_rows_there_is_an_empty_table(workplace):
    assert pa.concat_tables(PartitionedRows([], COLUMNS, workplace)) == COLUMNS.empty_table()


def test_the_last_of_rows_with_equal_keys_counts():
    rows = pa.table({"uri": ["a", "b", "a", "a"], "time": [1, 1, 3, 2], "status": list("wxyz")})
    found = last_of_each(rows, ["uri"], "time").sort_by("uri")
    assert found["status"].to_pylist() == ["y", "x"]
