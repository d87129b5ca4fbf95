"""Option: one field says all of an option."""

import argparse
from dataclasses import dataclass

import pytest

from genrebeam.pipeline.options.option import Group, Kind, add_options, declared_in, option

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
