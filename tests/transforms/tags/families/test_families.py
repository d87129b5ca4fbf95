"""Families: each format is found by the family that knows it."""

import mutagen
import pytest

from genrebeam.transforms.tags.families import FAMILIES
from genrebeam.transforms.tags.header import read_header
from tests.music_files import FORMATS

KINDS = [kind for family in FAMILIES for kind in family.kinds]


def test_no_family_hides_one_behind_it():
    hidden = [
        (general.__name__, special.__name__)
        for place, general in enumerate(KINDS)
        for special in KINDS[place + 1 :]
        if issubclass(special, general)
    ]
    assert hidden == []


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_a_family(originals, format):
    assert isinstance(mutagen.File(originals[format]), tuple(KINDS))
    read_header(str(originals[format]))
