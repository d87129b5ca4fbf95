"""Configuration: options from the environment and from files, below the command line.

command line > environment > ``--config FILE`` > ``genrebeam.toml`` in the library >
``genrebeam.toml`` in the user's configuration folder > default.

Every option of every subcommand can be set by its name, in a table named after the
subcommand; in the environment it is ``GENREBEAM_`` and the name. There is no second list of
options: names, types and checks are those of the argument parsers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from genrebeam.pipeline.options.errors import UsageError, reading
from genrebeam.pipeline.options.option import declared_in
from genrebeam.pipeline.options.tagging import TaggingOptions
from genrebeam.pipeline.views.terminal import safe

FILE_NAME = "genrebeam.toml"
PREFIX = "GENREBEAM_"
LIBRARY_KEYS = frozenset(one.key for one in declared_in(TaggingOptions) if one.settable_by_library)

_UNSAID = object()
_ADDING = (argparse._AppendAction, argparse._CountAction)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
# Options with these metavars are paths, relative to the file that names them.
_PATHS = ("DIR", "FILE")
_LIBRARY_FILE_LIMIT = 1 << 20


@dataclass(frozen=True)
class Setting:
    """An option's value and where it comes from.

    Parameters
    ----------
    value
        As it was written; None for a default that only words can describe.
    source : {"environment", "file", "library", "user", "default"}
    where : str
        The variable, the file, or a default in words.
    """

    value: Any
    source: str
    where: str = ""


@dataclass(frozen=True)
class Layer:
    """The options that one place sets.

    Parameters
    ----------
    source : str
        As in `Setting`.
    tables : mapping of str to mapping
        Subcommand to its options' names and values.
    path : str or None
        Of the file; None for the environment.
    """

    source: str
    tables: Mapping[str, Mapping[str, Any]]
    path: str | None = None

    def where(self, key: str) -> str:
        """Where a person changes an option: a file or a variable."""
        return self.path or variable_of(key)


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command line, and take what it does not set from the layers below it.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        With subcommands.

    Returns
    -------
    argparse.Namespace
        With ``layers``, and ``settings``: option to `Setting`, for options that the command
        line does not set.
    list of str
        Arguments that nobody declared.

    Raises
    ------
    UsageError
        If a file or a variable cannot be used.
    """
    commands = commands_of(parser)
    name = arguments[0] if arguments else ""
    if name and name not in commands and not name.startswith("-"):
        hint = nearest(name, {other: other for other in commands})
        if not hint and os.path.exists(name):
            hint = f"did you mean genrebeam tag {name}?"
        raise UsageError(f"{name}: no such command; {hint or 'see genrebeam --help'}")
    if name not in commands:
        known, others = parser.parse_known_args(arguments)  # help, version, or a complaint
        if others or known.command is not None:
            raise UsageError(f"{name}: not a command; options go after the command")
        return known, others
    command = commands[name]
    options = options_of(command)
    required = _relax(command, options)
    _add_negations(command, options)
    # Options that append start from None; for the others None is a possible value.
    unsaid = {
        action.dest: None if isinstance(action, _ADDING) else _UNSAID for action in options.values()
    }
    known, others = command.parse_known_args(arguments[1:], argparse.Namespace(**unsaid))

    # Only these two commands take a library; its file is about tagging it.
    library = known.library if name == "config" else None
    if name == "tag":
        while others and not others[0].startswith("-"):  # paths behind an option
            known.library.append(others.pop(0))
        library = _only_library(known.library)
    known.parser, known.subcommand = parser, name
    known.layers = read_layers(commands, known.config, library)
    known.settings = {}
    for key, action in options.items():
        if getattr(known, action.dest) is not unsaid[action.dest]:
            continue
        value, setting = _resolve(command, name, key, action, known.layers)
        if setting.source == "default" and action in required:
            command.error(f"the following arguments are required: --{key}")
        setattr(known, action.dest, value)
        known.settings[key] = setting
    return known, others


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Subcommands by name."""
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return commands.choices


def options_of(command: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Options by name, without those that cannot be configured (``--help``, ``--config``)."""
    named = (
        (next(option[2:] for option in action.option_strings if option.startswith("--")), action)
        for action in command._actions
        if action.option_strings and action.help is not argparse.SUPPRESS
    )
    return {key: action for key, action in named if key not in ("help", "config")}


def in_force(
    commands: Mapping[str, argparse.ArgumentParser], name: str, layers: Sequence[Layer]
) -> dict[str, Setting]:
    """The values of a subcommand's options where the command line sets none.

    Parameters
    ----------
    commands : mapping
        See `commands_of`.
    name : str
        The subcommand.
    layers : sequence of Layer
        The first that sets an option wins.

    Raises
    ------
    UsageError
        If a variable has a value that the option cannot have.
    """
    command = commands[name]
    return {
        key: _resolve(command, name, key, action, layers)[1]
        for key, action in options_of(command).items()
    }


def user_file() -> str:
    """Path of the user's own file, which need not exist."""
    import platformdirs  # late: not needed for --help

    return os.path.join(platformdirs.user_config_dir("genrebeam", appauthor=False), FILE_NAME)


def read_layers(
    commands: Mapping[str, argparse.ArgumentParser], file: str | None, library: str | None
) -> list[Layer]:
    """Read and check everything that is configured.

    Parameters
    ----------
    commands : mapping
        See `commands_of`.
    file : str, optional
        Named by the user; otherwise ``GENREBEAM_CONFIG`` may name one.
    library : str, optional
        A folder may have a file of its own.

    Returns
    -------
    list of Layer
        The first wins.

    Raises
    ------
    UsageError
    """
    layers = [_environment(commands)]
    file = file or os.environ.get(f"{PREFIX}CONFIG")
    if file:
        file = os.path.abspath(os.path.expanduser(file))
        layers.append(_read("file", file, commands))
    if library is not None and os.path.isdir(library):
        own = os.path.join(os.path.abspath(library), FILE_NAME)
        # A user who names it trusts it; then it may set everything.
        if os.path.lexists(own) and not (file and os.path.realpath(file) == os.path.realpath(own)):
            _check_harmless(own)
            layers.append(_read("library", own, commands, LIBRARY_KEYS))
    user = user_file()
    if os.path.lexists(user):
        layers.append(_read("user", user, commands))
    return layers


def _only_library(libraries: Sequence[str]) -> str | None:
    """The library if there is one; several must have no files of their own."""
    if len(libraries) == 1:
        return libraries[0]
    for library in libraries:
        own = os.path.join(os.path.abspath(library), FILE_NAME)
        if os.path.isdir(library) and os.path.lexists(own):
            raise UsageError(f"{own}: holds for this library alone; tag it by itself")
    return None


def _check_harmless(path: str) -> None:
    """Refuse a library's file that is a device or far too large."""
    with reading(path):
        facts = os.stat(path)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LIBRARY_FILE_LIMIT:
        raise UsageError(f"{path}: not a configuration file")


def _read(
    source: str,
    path: str,
    commands: Mapping[str, argparse.ArgumentParser],
    allowed: Collection[str] | None = None,
) -> Layer:
    try:
        with reading(path), open(path, "rb") as stream:
            tables = _recorded(stream) if path.endswith(".json") else tomllib.load(stream)
    except ValueError as error:  # TOML, JSON or UTF-8
        raise UsageError(f"{path}: {error}") from error
    layer = Layer(source, tables, path)
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name!r} must be in a table, such as [tag]")
        known = [name for name, command in commands.items() if options_of(command)]
        if name not in known:
            _unknown(path, f"table [{name!r}]", name, {other: other for other in known})
        if allowed is not None and name != "tag":
            raise UsageError(f"{path}: a library's own file can only have the table [tag]")
        options = options_of(commands[name])
        for key, value in table.items():
            if key not in options:
                names = {o.lstrip("-"): k for k, a in options.items() for o in a.option_strings}
                _unknown(path, f"key {key!r} in [{name}]", key, names)
            if allowed is not None and key not in allowed:
                raise UsageError(
                    f"{path}: a library's own file cannot set {key!r}; if you trust it, "
                    "name it with --config"
                )
            _checked(commands[name], key, options[key], value, layer)
    return layer


def _recorded(stream: BinaryIO) -> dict[str, Any]:
    """The options of a run, from its ``run.json``."""
    manifest = json.load(stream)
    options = manifest.get("options") if isinstance(manifest, dict) else None
    if not isinstance(options, dict):
        raise ValueError("not the run.json of a run of tag")
    return {
        "tag": {
            name.replace("_", "-"): value for name, value in options.items() if value is not None
        }
    }


def _environment(commands: Mapping[str, argparse.ArgumentParser]) -> Layer:
    tables = {
        name: {
            key: os.environ[variable_of(key)]
            for key in options_of(command)
            if os.environ.get(variable_of(key))
        }
        for name, command in commands.items()
    }
    known = {variable_of(key) for command in commands.values() for key in options_of(command)}
    known.add(f"{PREFIX}CONFIG")
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable not in known:
            names = {other: other for other in known}
            _unknown("environment", f"variable {variable!r}", variable, names)
    return Layer("environment", tables)


def variable_of(key: str) -> str:
    """The environment variable that sets an option.

    Examples
    --------
    >>> variable_of("dry-run")
    'GENREBEAM_DRY_RUN'
    """
    return PREFIX + key.upper().replace("-", "_")


def _unknown(where: str, what: str, name: str, names: Mapping[str, str]) -> NoReturn:
    """Refuse an unknown name; `names` maps what could be meant to what is known."""
    known = ", ".join(sorted(set(names.values())))
    raise UsageError(f"{where}: unknown {what}; {nearest(name, names) or f'known are {known}'}")


def nearest(name: str, names: Mapping[str, str]) -> str:
    """Ask whether a known name was meant; empty where none is near.

    Parameters
    ----------
    names : mapping of str to str
        What could be meant to what is known.
    """
    import difflib  # late: only needed for a message

    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {names[close[0]]}?" if close else ""


def _resolve(
    command: argparse.ArgumentParser,
    name: str,
    key: str,
    action: argparse.Action,
    layers: Sequence[Layer],
) -> tuple[Any, Setting]:
    """An option's checked value, and where it comes from."""
    for layer in layers:
        if key in layer.tables.get(name, {}):
            value = layer.tables[name][key]
            checked = _checked(command, key, action, value, layer)
            return checked, Setting(value, layer.source, layer.where(key))
    words = re.search(r"\(default: (.+)\)$", action.help or "")
    if words and words[1] != "%(default)s":
        setting = Setting(None, "default", words[1])
    else:
        setting = Setting(action.default, "default", "not set" if action.default is None else "")
    if isinstance(action.default, str):  # argparse converts such a default like a user's text
        return command._get_value(action, action.default), setting
    return action.default, setting


def _checked(
    command: argparse.ArgumentParser, key: str, action: argparse.Action, value: Any, layer: Layer
) -> Any:
    """A value as the command line would give it, or an error that says where it is set."""
    try:
        if action.nargs == 0:
            return _flag(action, value, layer)
        if isinstance(value, list) and action.metavar == "LIST":
            value = ",".join(_text(action, item, layer) for item in value)
        if action.nargs in ("+", "*") or isinstance(action, _ADDING):
            items = value if isinstance(value, list) else [value]
            return [_argument(command, action, item, layer) for item in items]
        return _argument(command, action, value, layer)
    except argparse.ArgumentError as error:
        raise UsageError(f"{layer.where(key)}: {key}: {error.message}") from error


def _flag(action: argparse.Action, value: Any, layer: Layer) -> Any:
    if layer.path is None and str(value).lower() in _TRUE + _FALSE:
        value = value.lower() in _TRUE
    if not isinstance(value, bool):
        raise argparse.ArgumentError(None, f"{toml(value)} is neither true nor false")
    return value


def _argument(
    command: argparse.ArgumentParser, action: argparse.Action, value: Any, layer: Layer
) -> Any:
    checked = command._get_value(action, _text(action, value, layer))
    command._check_value(action, checked)
    return checked


def _text(action: argparse.Action, value: Any, layer: Layer) -> str:
    """A value as a user would type it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_text_only = action.type is None and action.choices is None
    if not isinstance(value, str) and (is_text_only or not is_number):
        wanted = "text in quotes" if is_text_only else "text or a number"
        raise argparse.ArgumentError(None, f"{toml(value)} is not {wanted}")
    text = str(value)
    if action.metavar in _PATHS and "://" not in text:
        text = os.path.expanduser(text)
        if layer.path is not None:
            beside = os.path.join(os.path.dirname(layer.path), text)
            if action.dest != "bundle" or os.path.isdir(beside) or not _is_shipped(text):
                text = beside
    return text


def _is_shipped(bundle: str) -> bool:
    from genrebeam.model.bundle import is_shipped  # late: most files name no bundle

    return is_shipped(bundle)


def _relax(
    command: argparse.ArgumentParser, options: Mapping[str, argparse.Action]
) -> list[argparse.Action]:
    """Let a file or a variable set options that are required on the command line."""
    required = [action for action in options.values() if action.required]
    if required:
        usage = command.format_usage().removeprefix("usage: ").strip()
        command.usage = usage.replace("%", "%%")  # the usage still shows which are required
    for action in required:
        action.required = False
    return required


def _add_negations(
    command: argparse.ArgumentParser, options: Mapping[str, argparse.Action]
) -> None:
    """Add ``--no-x`` for every flag, so that the command line can overrule a file."""
    for key, action in options.items():
        if action.nargs == 0 and f"--no-{key}" not in command._option_string_actions:
            command.add_argument(
                f"--no-{key}", dest=action.dest, action="store_false", help=argparse.SUPPRESS
            )


def toml_lines(settings: Mapping[str, Setting]) -> Iterator[str]:
    """Options as lines of a configuration file, with defaults as comments."""
    pairs = []
    for key, setting in settings.items():
        is_default = setting.source == "default"
        text = key if setting.value is None else f"{key} = {toml(setting.value)}"
        where = f": {setting.where}" if setting.where else ""
        pairs.append((f"# {text}" if is_default else text, f"# {setting.source}{where}"))
    width = min(40, max((len(text) for text, _ in pairs), default=0))
    for text, comment in pairs:
        yield f"{text:{width}}  {comment}"


def toml(value: Any) -> str:
    """A value as TOML writes it.

    Examples
    --------
    >>> toml(["mp3", True, 0.5])
    '["mp3", true, 0.5]'
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{safe(escaped)}"'
    return str(value)
