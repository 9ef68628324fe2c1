"""Which paths regular expressions match; also a program, to be stopped when that takes too long.

As a program: reads the questions as JSON from standard input and writes a line of JSON for each
pattern as soon as it is known. It imports nothing but the standard library, to start at once.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Sequence

Answer = dict[str, str | None] | str
"""The paths that are matched, each with what the group `idx` took; or why it is no pattern."""


def answers(patterns: Sequence[tuple[str, bool]], paths: Sequence[str]) -> Iterator[Answer]:
    """Yield the answer to each `(pattern, whole)`: from the start of a path, or all of it."""
    for pattern, whole in patterns:
        try:
            compiled = re.compile(pattern)
            ask = compiled.fullmatch if whole else compiled.match
            found = {path: match for path in paths if (match := ask(path))}
        except (re.error, ValueError, OverflowError, RecursionError, MemoryError) as error:
            yield str(error) or type(error).__name__
        else:
            yield {path: match.groupdict().get("idx") for path, match in found.items()}


def _limit(seconds: int, megabytes: int) -> None:
    """Let the system end this process when it computes longer or takes more memory."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # no such limits everywhere
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


if __name__ == "__main__":
    _limit(*map(int, sys.argv[1:]))
    for answered in answers(*json.load(sys.stdin)):
        print(json.dumps(answered), flush=True)
