"""A job is checked before any work is done."""

import pytest

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.job import check_job
from genrebeam.pipeline.options.tagging import TaggingOptions


def test_a_program_may_give_paths_and_lists(tmp_path, tiny_bundle):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    options = TaggingOptions(
        bundle=tiny_bundle.path, report=tmp_path / "reports", formats=["mp3", "flac"]
    )
    assert check_job(tmp_path / "a", options).library == str(tmp_path / "a")
    job = check_job([tmp_path / "a", tmp_path / "b"], options)
    assert job.paths == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert job.options.formats == ("mp3", "flac")
    assert job.options.report == str(tmp_path / "reports")


def test_a_value_that_no_command_line_could_give_is_refused(tmp_path):
    with pytest.raises(UsageError, match="existing: 'Keep' is not one of keep, merge"):
        check_job(tmp_path, TaggingOptions(existing="Keep"))


def test_no_library_is_refused():
    with pytest.raises(UsageError, match="no library is named"):
        check_job([], TaggingOptions())
