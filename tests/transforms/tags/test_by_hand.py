"""By hand: what a person chose is written into the file that the report shows."""

import os

from transforms.tags.by_hand import path_of


def test_a_path_that_is_no_text_is_found_by_what_the_report_shows(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp3")
    (tmp_path / name).touch()
    shown = f"{tmp_path}/caf\\udce9.mp3"
    assert path_of(shown) == f"{tmp_path}/{name}"
    (tmp_path / "caf\\udce9.mp3").touch()  # a file that really is called so
    assert path_of(shown) == shown


def test_other_paths_are_themselves():
    for path in ("/music/a.mp3", "/music/\\u00e9.mp3", "gs://bucket/a.mp3"):
        assert path_of(path) == path
