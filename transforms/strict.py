"""Strict: JSON that was kept for later becomes a record, or is refused.

What lasts beyond a run lies in a folder that anybody may have written. Nothing in it is believed:
not that it is JSON, nor of which version, nor that a number is a number.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from genrebeam.transforms.records import printable

T = TypeVar("T")

VERSION = "version"


class RecordError(ValueError):
    """Something that is not the record that it should be."""


def parse(text: str | bytes) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    RecordError
    """
    try:
        facts = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RecordError("not JSON") from error
    if not isinstance(facts, dict):
        raise RecordError("not a JSON object")
    return facts


def _refuse(name: str) -> float:
    raise RecordError(f"{name} is no number")


def check_version(facts: dict[str, Any], known: int) -> None:
    """Take the version out of an object; without one it is the first.

    Raises
    ------
    RecordError
        If it is a later one than is known here.
    """
    version = facts.pop(VERSION, 1)
    if not _is(version, int) or not 1 <= version <= known:
        raise RecordError(f"of version {version!r:.20}; this program knows version {known}")


def record(kind: type[T], facts: Mapping[str, Any]) -> T:
    """A dataclass from its fields.

    Parameters
    ----------
    kind : type
        Its fields are texts, numbers, ``tuple[str, ...]``, dictionaries by text, or None.

    Raises
    ------
    RecordError
        If a field is missing, unknown or of another type.
    """
    check(kind, facts)
    of: Any = kind
    missing = [name for name in _required(of) if name not in facts]
    if missing:
        raise RecordError(f"has no {missing[0]}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()})


def check(kind: type, facts: Mapping[str, Any]) -> None:
    """Check that an object has only fields of a dataclass or a `typing.TypedDict`.

    Raises
    ------
    RecordError
    """
    hints = _hints(kind)
    for name, value in facts.items():
        if name not in hints:
            raise RecordError(f"has an unknown field {printable(name)!r:.40}")
        if not _is(value, hints[name]):
            raise RecordError(f"{name} is not what it should be")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@functools.cache
def _required(kind: Any) -> tuple[str, ...]:
    nothing = dataclasses.MISSING
    return tuple(
        field.name
        for field in dataclasses.fields(kind)
        if field.default is nothing and field.default_factory is nothing
    )


def _is(value: Any, hint: Any) -> bool:
    """Whether a value that came from JSON is of a type."""
    origin, of = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if hint in (float, int):
        kinds = (int, float) if hint is float else int
        # What no column and no file system takes is no number of ours.
        return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) < 2**63
    if hint is None or hint is type(None):
        return value is None
    if origin in (types.UnionType, typing.Union):
        return any(_is(value, one) for one in of)
    if origin in (tuple, list):
        return isinstance(value, list | tuple) and all(_is(one, of[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is(one, of[1]) for one in value.values())
    if typing.is_typeddict(hint):
        try:
            check(hint, value if isinstance(value, dict) else {"": None})
        except RecordError:
            return False
        return True
    return isinstance(value, hint)
