"""Regular expressions that strangers wrote, matched within bounds and exactly as PEFT does.

PEFT matches by `re`, which has no limit: `(a+)+!` can take longer than anyone waits. The package
`regex` has a timeout, but none for memory, and reads some patterns otherwise. A restricted grammar
would refuse what PEFT's users write (lookaheads, for one). So `re` itself answers: here where a
pattern repeats nothing, in a process that can be ended otherwise.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError
from mergebench.updates import pattern_answers
from mergebench.updates.pattern_answers import Answer, answers

_SECONDS, _MEGABYTES = 5, 1024
_WAIT_S = 60.0
"""Where the system ends no process for its computing time, and on a busy machine."""
_REPEATS_NOTHING = re.compile(r"(?:[\w.^$-]|\\.)*")
_FEW = 256


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A pattern of a config: `given` there, `composed` by PEFT, to match all of a path or a start.

    `composed`: what is matched; a group `idx` in it can be asked for.
    """

    given: str
    composed: str
    whole: bool = False


Matches = Mapping[Pattern, Mapping[str, str | None]]
"""The paths that each pattern matches, each with what the pattern's group `idx` took."""


def match_patterns(file: Path, patterns: Sequence[Pattern], paths: Sequence[str]) -> Matches:
    """Return which of `paths` the patterns of the config `file` match.

    Raises `InputError` naming the first pattern that is none, or that takes too long or too much
    memory.
    """
    if not patterns:
        return {}
    questions = [(pattern.composed, pattern.whole) for pattern in patterns]
    if len(patterns) <= _FEW and all(_REPEATS_NOTHING.fullmatch(one.given) for one in patterns):
        found = list(answers(questions, paths))
    else:
        found = _asked_elsewhere(questions, paths)
    matches: dict[Pattern, Mapping[str, str | None]] = {}
    for pattern, answer in zip(patterns, found, strict=False):
        if isinstance(answer, str):
            raise InputError(
                f"{file}: {_shown(pattern)} is not a regular expression ({answer}); correct it"
            )
        matches[pattern] = answer
    if len(found) < len(patterns):
        raise InputError(
            f"{file}: {_shown(patterns[len(found)])} takes more than {_SECONDS} s or {_MEGABYTES} "
            "MB to match: name the modules without nested repeats"
        )
    return matches


def _asked_elsewhere(questions: Sequence[tuple[str, bool]], paths: Sequence[str]) -> list[Answer]:
    """Return the answers that another process gave before its limits ended it."""
    command = [sys.executable, "-I", "-S", pattern_answers.__file__, str(_SECONDS), str(_MEGABYTES)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps([questions, paths]).encode(),
            capture_output=True,
            timeout=_WAIT_S,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as expired:
        done = expired.stdout or b""
    return [json.loads(line) for line in done.splitlines(keepends=True) if line.endswith(b"\n")]


def _shown(pattern: Pattern) -> str:
    given = pattern.given
    return repr(given if len(given) <= 80 else f"{given[:80]}...")
