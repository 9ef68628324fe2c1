"""The parser of all verbs: one line for every mistake."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn, TypeAlias

from mergebench.errors import unknown_name


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the command, as every other error is said.

    Options are not abbreviated, so that captions state one command in one way.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.+)' \(choose from (.+)\)", message)
        if wrong:
            message = unknown_name("word", wrong[1], re.findall(r"[\w-]+", wrong[2]))
        print(f"mergebench: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"
"""Where a module adds its verbs."""
