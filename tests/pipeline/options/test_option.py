"""Option: one field says all of an option."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.option import (
    COUNT,
    FOLDER,
    PROBABILITY,
    Group,
    Kind,
    add_options,
    declared_in,
    names,
    option,
    with_checked_values,
)

NUMBER = Kind("N", r"\d+", int)


@dataclass(frozen=True)
class Some:
    far: int = option("how far", 3, Group.FILES, kind=NUMBER)
    keep_all: bool = option("keep all", False, Group.GENRES, short="k")
    way: str = option("which way", "up", Group.FILES, choices=("up", "down"))


def parsed(*words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, Some)
    return parser.parse_args(words)


def test_options_are_listed_group_by_group():
    assert [one.key for one in declared_in(Some)] == ["keep-all", "far", "way"]


def test_flags_are_options_without_values():
    assert [one.is_flag for one in declared_in(Some)] == [True, False, False]


def test_a_parser_has_defaults_kinds_choices_and_letters():
    assert vars(parsed()) == {"far": 3, "keep_all": False, "way": "up"}
    assert vars(parsed("-k", "--far", "5", "--way", "down")) == vars(Some(5, True, "down"))


@pytest.mark.parametrize("words", [("--far", "much"), ("--way", "left")])
def test_other_values_are_refused(words):
    with pytest.raises(argparse.ArgumentError):
        parsed(*words)


@dataclass(frozen=True)
class Given:
    far: int | None = option("how far", None, Group.FILES, kind=COUNT)
    sure: float = option("how sure", 0.5, Group.FILES, kind=PROBABILITY)
    keep_all: bool = option("keep all", False, Group.GENRES)
    way: str = option("which way", "up", Group.FILES, choices=("up", "down"))
    kinds: tuple[str, ...] = option("which", (), Group.FILES, kind=Kind("LIST", ".*", names))
    place: str | None = option("where", None, Group.FILES, kind=FOLDER)


def test_a_program_may_give_lists_and_paths():
    given = Given(3, 1, True, "down", ["a", "b"], Path("/music"))
    assert with_checked_values(given) == Given(3, 1.0, True, "down", ("a", "b"), "/music")
    assert with_checked_values(Given()) == Given()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Given(0), "far: '0' is not a whole number from 1 up"),
        (Given(True), "far: True is not a number"),
        (Given(2.5), "far: '2.5' is not a whole number from 1 up"),
        (Given(sure=1.5), "sure: '1.5' is not a number from 0 to 1"),
        (Given(sure=None), "sure: None is not a number"),
        (Given(keep_all="no"), "keep_all: 'no' is neither True nor False"),
        (Given(way="Up"), "way: 'Up' is not one of up, down"),
        (Given(way=None), "way: None is not a text"),
        (Given(place=3), "place: 3 is not a text"),
    ],
)
def test_what_no_command_line_could_give_is_refused(given, why):
    with pytest.raises(UsageError) as refused:
        with_checked_values(given)
    assert str(refused.value) == why
