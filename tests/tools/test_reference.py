"""docs/reference.md is what the code says, and the same wherever it is made."""

import os
import subprocess
import sys

from genrebeam.transforms.records import Status
from genrebeam.transforms.reports.schema import COLUMNS, SCHEMA
from tests import REPOSITORY
from tools.reference import reference

PAGE = REPOSITORY / "docs" / "reference.md"


def test_reference_is_up_to_date():
    message = "run: python -m tools.reference > docs/reference.md"
    assert PAGE.read_text(encoding="utf-8") == reference(), f"docs/reference.md is stale; {message}"


def test_reference_does_not_depend_on_the_terminal_or_the_configuration():
    environment = {**os.environ, "COLUMNS": "40", "GENREBEAM_EXISTING": "merge"}
    code = "import sys, tools.reference as r; sys.stdout.write(r.reference())"
    made = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        cwd=REPOSITORY,
        env={**environment, "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    assert made.stdout == reference()


def test_reference_needs_neither_beam_nor_tensorflow():
    code = "import sys, tools.reference as r; r.reference(); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=REPOSITORY)
    assert not {"apache_beam", "tensorflow", "keras", "librosa"} & set(loaded.split())


def test_every_column_and_status_is_explained():
    assert [column.name for column in COLUMNS] == SCHEMA.names
    assert all(column.meaning for column in COLUMNS)
    assert all(status.meaning for status in Status)


def test_no_option_is_without_an_explanation():
    rows = [line for line in reference().splitlines() if line.startswith("| `-")]
    assert rows
    assert [row for row in rows if not row.split(" | ")[-1].strip(" |")] == []
