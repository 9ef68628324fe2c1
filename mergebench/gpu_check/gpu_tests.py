"""The tests marked `gpu`, run by pytest in a process of its own until the time is over."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from mergebench.errors import InputError
from mergebench.gpu_check.budget import Deadline
from mergebench.gpu_check.record import Outcome

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "gpu"

_LINE = re.compile(r"^(\S+::.+?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b", re.MULTILINE)
_OUTCOMES = {"PASSED": "passed", "XPASS": "passed", "SKIPPED": "skipped", "XFAIL": "skipped"}


def run_gpu_tests(device: str, deadline: Deadline) -> list[Outcome]:
    """Return how each test ended that did so in time.

    `device`: as of `choose_device`. Raises `InputError` where there are no tests or no pytest, and
    for tests that could not be collected.
    """
    if not FOLDER.is_dir():
        raise InputError("the tests are not there: run this in a clone of the repository")
    if find_spec("pytest") is None:
        raise InputError("pytest is not installed")
    with TemporaryDirectory(prefix="mergebench-gpu-check-") as folder:
        shown = Path(folder) / "shown"
        with shown.open("w") as out, suppress(subprocess.TimeoutExpired):
            subprocess.run(
                _command(device),
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=deadline.left,
                check=False,
            )
        text = shown.read_text(errors="replace")
    found = [*_outcomes(text)]
    if not found:
        last = next(reversed(text.strip().splitlines()), "pytest printed nothing")
        raise InputError(f"no test ended{' in time' if deadline.passed else ''}: {last}")
    return found


def _command(device: str) -> list[str]:
    options = ["-m", "gpu", "-v", "--color=no", "--tb=line", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", *options, str(FOLDER), "--gpu-device", device]


def _outcomes(text: str) -> Iterator[Outcome]:
    """Yield what the lines of `pytest -v` say, in their order; a test that failed twice once."""
    seen = set()
    for match in _LINE.finditer(text):
        file, colons, test = match[1].partition("::")
        name = f"{file.rpartition('/')[2]}{colons}{test}"
        if name not in seen:
            seen.add(name)
            yield Outcome(test=name, outcome=_OUTCOMES.get(match[2], "failed"))
