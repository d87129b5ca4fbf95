"""Colours of families: one each, visible on white and on black."""

import pytest

from genrebeam.model.colours import COLOURS, FAMILY_COLOURS, GREY, colour_of, colours_of
from genrebeam.model.vocabulary import FAMILIES


def test_every_family_has_a_colour_of_its_own():
    assert set(FAMILY_COLOURS) == set(FAMILIES.values())
    assert len({*COLOURS, GREY}) == len(FAMILY_COLOURS) + 1


@pytest.mark.parametrize("genre", ["Punk", "Alt. Rock", "rock", "Metal"])
def test_a_genre_has_the_colour_of_its_family(genre):
    assert colour_of(genre) == FAMILY_COLOURS["Rock"]


def test_a_genre_of_no_family_is_grey():
    assert colour_of("Zeuhl") == GREY


def test_names_beside_each_other_differ_while_there_are_colours():
    names = ["metal", "rock", "disco", "Zeuhl", "Polka"]
    found = colours_of(names)
    assert len(set(found)) == len(names)
    assert found[1] == FAMILY_COLOURS["Rock"]
    assert found[2] == FAMILY_COLOURS["R&B"]
    assert colours_of([*FAMILY_COLOURS, "Punk", "Zeuhl"])[-2:] == [FAMILY_COLOURS["Rock"], GREY]
