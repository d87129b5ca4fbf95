"""Formats: each file is found by the module that knows it."""

import mutagen
import pytest

from genrebeam.transforms.tags import formats
from genrebeam.transforms.tags.header import read_header
from tests.music_files import FORMATS

KINDS = [kind for format in formats.FORMATS for kind in format.kinds]


def test_no_format_hides_one_behind_it():
    hidden = [
        (general.__name__, special.__name__)
        for place, general in enumerate(KINDS)
        for special in KINDS[place + 1 :]
        if issubclass(special, general)
    ]
    assert hidden == []


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_a_module(originals, format):
    assert isinstance(mutagen.File(originals[format]), tuple(KINDS))
    read_header(str(originals[format]))
