"""The parser of all verbs: one line for every mistake."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from mergebench.commands.help_pages import DescribedVerbs, HelpPage
from mergebench.errors import InputError, nearest_names, shown, unknown_name

_OPTION = re.compile(r"--?[A-Za-z]\S*")
"""What argparse takes for an option, wherever it stands: never for the value of another one."""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the command, as every other error is said.

    Options are not abbreviated, so that captions state one command in one way. Every `type=Path`
    is read by `named_path`. The parser of a verb refuses what it does not know itself, so that the
    line names the verb's own options and help.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=HelpPage, **options)
        self._refused: dict[str, str] = {}
        self._checks: list[Callable[[argparse.Namespace], None]] = []
        self.register("type", Path, named_path)
        self.register("action", "parsers", DescribedVerbs)

    def refuse(self, why: str, *options: str) -> None:
        """Let options of other verbs, which this one has no use for, be refused with the reason."""
        self._refused |= dict.fromkeys(options, why)

    def check(self, words: Callable[[argparse.Namespace], None]) -> None:
        """Let `words` raise `InputError` for options that are wrong together, at once."""
        self._checks.append(words)

    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Return the options and no rest: `InputError` for every word that is not known here.

        An unknown option is named before one that is missing, which it may have been meant for.
        """
        words = [*(sys.argv[1:] if args is None else args)]
        for word in takewhile(self._is_own, words):
            if _OPTION.fullmatch(word):
                self._check_option(word)
        options, rest = super().parse_known_args(words, namespace)
        for word in rest:
            if word != "--":
                self._check_option(word)
                self.error(f"unexpected word {shown(word)!r}")
        for check in self._checks:
            check(options)
        return options, []

    def _is_own(self, word: str) -> bool:
        """Whether a word may be an option of this parser: none after `--` or the verb is."""
        return word != "--" and (self._subparsers is None or word.startswith("-"))

    def _check_option(self, word: str) -> None:
        """Raise `InputError` if a word looks like an option and is none."""
        known = [option for action in self._actions for option in action.option_strings]
        name = word.partition("=")[0]
        if name in self._refused:
            raise InputError(f"{name}: {self._refused[name]}; leave it out")
        if name.startswith("-") and name not in known:
            near = nearest_names(name, known, most=1)
            self.error(f"unknown option {shown(name)}; {near}".rstrip("; "))

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"argument (\S+): invalid choice: '(.+)' \(choose from (.+)\)", message)
        if wrong:
            what = f"{wrong[1]}" if wrong[1].startswith("-") else "word"
            message = unknown_name(what, wrong[2], re.findall(r"[\w-]+", wrong[3]))
        mark = "" if message.endswith("?") else ";"
        raise InputError(f"{message}{mark} see {self.prog} --help")


def named_path(text: str) -> Path:
    """Return the path that a word names, whether or not something is there.

    Raises `ArgumentTypeError` for a name that nothing can have, and for a loop of links.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    try:
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.stat(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from error
    except ValueError as error:  # a byte 0, or what the file system's encoding lacks
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error
    return Path(text)


def named_folder(text: str) -> Path:
    """Return the path of a folder, whether or not it is there; as `named_path`.

    Raises `ArgumentTypeError` where something else than a folder is.
    """
    path = named_path(text)
    if os.path.exists(path) and not os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"{text} is no folder: choose another name")
    return path


def path_word(text: str) -> str:
    """Return the word as it is, if `named_path` takes it."""
    named_path(text)
    return text


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the names of an option, separated by spaces or commas; none if it is not given.

    Those between brackets separate nothing.
    """
    return tuple(filter(None, re.split(r"[\s,]+(?![^\[]*\])", text or "")))


def names_word(text: str) -> str:
    """Return the word as it is, if it names anything: names stand between spaces or commas."""
    if not names_in(text):
        raise argparse.ArgumentTypeError(f"{text!r} names nothing: give a name, or leave it out")
    return text


class Once(argparse.Action):
    """Keeps the value of an option that is given at most once: of two, one would go unread."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Set the value; `ArgumentError` if there is one."""
        before = getattr(namespace, self.dest)
        if before is not self.default:
            raise argparse.ArgumentError(
                self, f"{before} and {values} are given, and one is taken: leave the other out"
            )
        setattr(namespace, self.dest, values)


Options: TypeAlias = "Parser | argparse._ArgumentGroup"
"""Where options are added: to a verb, or to a group of its help."""

Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"
"""Where a module adds its verbs."""


@dataclass(frozen=True)
class Later:
    """What a verb does: `run_<what>` of a module of `commands.runs`, imported when it is called."""

    module: str
    what: str

    @property
    def function(self) -> Callable[[argparse.Namespace], int | None]:
        """Import the function; it returns the exit status, None meaning 0."""
        runs = importlib.import_module(f"mergebench.commands.runs.{self.module}")
        found: Callable[[argparse.Namespace], int | None] = getattr(runs, f"run_{self.what}")
        return found

    def __call__(self, options: argparse.Namespace) -> int:
        """Run it; return the exit status."""
        return self.function(options) or 0


def add_plugin_option(parser: Options) -> None:
    """Add what every verb takes that looks up plug-ins by name."""
    parser.add_argument(
        "--plugin",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.py",
        help="a file of attacks, spaces or protections of your own; repeatable",
    )
