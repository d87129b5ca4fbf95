"""Errors: what cannot be read or written is one line that names the path."""

import pytest

from genrebeam.pipeline.options.errors import UsageError, reading, writing


@pytest.mark.parametrize(("block", "what"), [(reading, "read"), (writing, "written")])
def test_an_error_of_the_system_names_the_path(tmp_path, block, what):
    reason = rf"music\.toml: cannot be {what} \(No such file or directory\)"
    with pytest.raises(UsageError, match=reason), block("music.toml"):
        (tmp_path / "missing" / "file").read_bytes()


def test_other_errors_pass():
    with pytest.raises(UsageError, match=r"^as it was$"), reading("music.toml"):
        raise UsageError("as it was")
    with pytest.raises(ValueError, match="bad"), writing("music.toml"):
        raise ValueError("bad")
