"""Strict: what lasts becomes a record, or is refused."""

from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.transforms.strict import RecordError, check, check_version, parse, record


@dataclass(frozen=True)
class Song:
    path: str
    size: int
    seconds: float = 0.0
    genres: tuple[str, ...] = ()
    album: str | None = None
    facts: dict[str, int] | None = None


class Shelf(TypedDict, total=False):
    name: str
    options: dict[str, Any]


def test_a_record_is_what_it_was():
    facts = {"path": "/a", "size": 3, "seconds": 1, "genres": ["Jazz"], "facts": {"a": 1}}
    assert record(Song, facts) == Song("/a", 3, 1, ("Jazz",), None, {"a": 1})


@pytest.mark.parametrize(
    "facts",
    [
        {"path": "/a"},
        {"path": "/a", "size": "3"},
        {"path": "/a", "size": True},
        {"path": "/a", "size": 3.5},
        {"path": "/a", "size": 10**40},
        {"path": None, "size": 3},
        {"path": "/a", "size": 3, "genres": "Jazz"},
        {"path": "/a", "size": 3, "genres": [["Jazz"]]},
        {"path": "/a", "size": 3, "facts": {"a": "1"}},
        {"path": "/a", "size": 3, "more": 1},
    ],
)
def test_what_is_missing_unknown_or_of_another_type_is_refused(facts):
    with pytest.raises(RecordError):
        record(Song, facts)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "null", "[" * 100_000, '{"a":' * 100_000, '{"a": NaN}', "9" * 10_000, "\ud800"],
)
def test_what_is_no_object_is_refused(text):
    with pytest.raises(RecordError):
        parse(text)


@pytest.mark.parametrize("version", [2, 0, -1, "1", True, None, 1.0])
def test_another_version_is_refused(version):
    with pytest.raises(RecordError, match="version"):
        check_version({"version": version}, 1)


def test_no_version_is_the_first():
    facts = {"a": 1}
    check_version(facts, 3)
    assert facts == {"a": 1}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from([*Song.__annotations__, "other"]), _JSON))
def test_nothing_else_is_raised(facts):
    try:
        record(Song, facts)
        check(Shelf, facts)
    except RecordError:
        pass
