"""An option is one field of a dataclass, which says all there is to know about it.

The argument parser, the keys of configuration files, the decision digest, ``run.json``, the plan,
Dataflow's ``metadata.json`` and ``docs/reference.md`` are made from these fields.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from genrebeam.pipeline.options.errors import UsageError

Options = TypeVar("Options")


class Group(enum.StrEnum):
    """Headings of ``--help``, in their order."""

    GENRES = "which genres to write"
    TAGS = "how to write them"
    ANALYSIS = "analysis"
    FILES = "which files to process"
    REPORT = "report"


@dataclass(frozen=True)
class Kind:
    """The values that an option can have.

    Parameters
    ----------
    metavar : str
        `config.py` reads ``DIR`` and ``FILE`` as paths, ``LIST`` as several values.
    regex : str
        The values that Dataflow accepts; fewer than `parse` accepts.
    parse : callable, optional
        Text to value; raises `argparse.ArgumentTypeError`.
    parameter : str
        Dataflow's name of the kind.
    """

    metavar: str
    regex: str
    parse: Callable[[str], Any] | None = None
    parameter: str = "TEXT"


@dataclass(frozen=True)
class Option:
    """One option.

    Parameters
    ----------
    name : str
        Of its field.
    default
        None if `bundle_attribute` is set, or if words in `help` describe the default.
    kind : Kind, optional
        None for flags, and for options with `choices`.
    decides : bool
        Whether it affects the genre that a file gets, or the file's row.
    settable_by_library : bool
        Whether a library's own file may set it. A library can come from anybody, so its file may
        only say how to classify its music and how to write a genre into its tags. It may not say
        what to overwrite, where to read or write, what to load (a Keras file can hold code),
        whether to change files that other folders share, or how busy the machine gets.
    bundle_attribute : str
        The bundle's attribute with the default, for options that each model has its own default of.
    short : str
        A letter that stands for it, for flags.
    plan : callable, optional
        A value in words, for the plan that a terminal shows; a plan without it names the option.
    """

    name: str
    default: Any
    help: str
    group: Group
    kind: Kind | None = None
    choices: tuple[str, ...] = ()
    decides: bool = False
    settable_by_library: bool = False
    bundle_attribute: str = ""
    short: str = ""
    plan: Callable[[Any], str] | None = None

    @property
    def key(self) -> str:
        """Its name on the command line and in files."""
        return self.name.replace("_", "-")

    @property
    def is_flag(self) -> bool:
        """Whether it is on or off."""
        return self.kind is None and not self.choices


def option(help: str, default: Any, group: Group, **others: Any) -> Any:
    """Declare a field as an option; see `Option` for `others`."""
    return dataclasses.field(default=default, metadata={"help": help, "group": group, **others})


def declared_in(options: type) -> list[Option]:
    """The options of a dataclass, group by group."""
    fields = dataclasses.fields(options)
    found = [Option(field.name, field.default, **field.metadata) for field in fields]
    return sorted(found, key=lambda one: list(Group).index(one.group))


def add_options(parser: argparse.ArgumentParser, options: type) -> None:
    """Let a parser know the options of a dataclass."""
    groups: dict[Group, argparse._ArgumentGroup] = {}
    for one in declared_in(options):
        if one.group not in groups:
            groups[one.group] = parser.add_argument_group(one.group)
        facts: dict[str, Any] = {"action": "store_true"}
        if one.kind:
            facts = {"type": one.kind.parse, "metavar": one.kind.metavar}
        elif one.choices:
            facts = {"choices": one.choices}
        names = [*([f"-{one.short}"] if one.short else []), f"--{one.key}"]
        groups[one.group].add_argument(*names, default=one.default, help=one.help, **facts)


def options_from(arguments: argparse.Namespace, options: type[Options]) -> Options:
    """The options of a dataclass, with the values of a parsed command line."""
    return options(**{one.name: getattr(arguments, one.name) for one in declared_in(options)})


def with_checked_values(options: Options) -> Options:
    """Options of a program, with values that a command line could have given.

    Lists are taken for tuples, and `os.PathLike` for names.

    Raises
    ------
    UsageError
        If an option cannot have its value.
    """
    found = {}
    for one in declared_in(type(options)):
        value = getattr(options, one.name)
        try:
            found[one.name] = value if value is one.default else _checked(one, value)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{one.name}: {error}") from error
    return dataclasses.replace(options, **found)  # type: ignore[type-var]


def _checked(one: Option, value: Any) -> Any:
    if one.is_flag:
        if isinstance(value, bool):
            return value
        raise argparse.ArgumentTypeError(f"{value!r} is neither True nor False")
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, list | tuple) and one.kind and one.kind.metavar == "LIST":
        value = ",".join(str(item) for item in value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    takes_numbers = one.kind is not None and one.kind.parse is not None
    if not isinstance(value, str) and not (is_number and takes_numbers):
        raise argparse.ArgumentTypeError(
            f"{value!r} is not {'a number' if takes_numbers else 'a text'}"
        )
    if one.choices and value not in one.choices:
        raise argparse.ArgumentTypeError(f"{value!r} is not one of {', '.join(one.choices)}")
    return one.kind.parse(str(value)) if one.kind and one.kind.parse else value


def count(text: str) -> int:
    """Parse a whole number from 1 up; the type of an argument."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return value


def probability(text: str) -> float:
    """Parse a number from 0 to 1; the type of an argument."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def names(text: str) -> tuple[str, ...]:
    """Parse names with commas between them; the type of an argument."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


COUNT = Kind("N", "[1-9][0-9]{0,5}", count, "NUMBER")
SECONDS = Kind("SECONDS", COUNT.regex, count, "NUMBER")
PROBABILITY = Kind("P", r"(0|1|[01]\.0+|0?\.[0-9]+)", probability)
FOLDER = Kind("DIR", "/.+")
