"""What a check found, for a terminal, for a pull request, and for a CI system."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mergebench.plurals import how_many
from mergebench.regression.comparing import Change, Checked, Verdict
from mergebench.report import markdown_text
from mergebench.terminal import printable

_TITLE = "# Merged accuracy against the baseline"
_SUITE = "mergebench check"
_HEADINGS = ("measurement", "task", "before", "after", "difference", "95 % interval", "verdict")


def summary(checked: Checked) -> str:
    """Return how many measurements are equal, within tolerance and moved."""
    if checked.other_inputs:
        return "Nothing was measured: the numbers would be of other inputs."
    counts = Counter(change.verdict for change in checked.changes)
    parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)
    sentence = f"{how_many(len(checked.changes), 'measurement')}: {parts}."
    if any(checked.alone):
        older, newer = checked.alone
        sentence += f" Not compared: {older} of the older store alone, {newer} of the newer alone."
    if checked.at_baseline_point:
        sentence += (
            " In this environment, which is not the baseline's, another point was chosen for "
            f"{', '.join(checked.at_baseline_point)}: compared at the baseline's point."
        )
    return sentence


def print_checked(checked: Checked, console: Console) -> None:
    """Print what moved as a table, and the summary."""
    for sentence in _failures(checked):
        console.print(sentence, highlight=False, soft_wrap=True)
    if checked.moved:
        table = Table(*_HEADINGS, header_style="")
        for change in checked.moved:
            table.add_row(*map(Text, _row(change)))
        console.print(table)
    console.print(summary(checked), highlight=False, soft_wrap=True)


def markdown(checked: Checked) -> str:
    """Return the summary and a table of all that is not equal, what moved first."""
    lines = [_TITLE, "", markdown_text(summary(checked)), ""]
    lines += [f"- {markdown_text(sentence)}" for sentence in _failures(checked)]
    changed = [change for change in checked.changes if change.verdict is not Verdict.EQUAL]
    if changed:
        changed.sort(key=lambda change: change.verdict is not Verdict.MOVED)
        rows = [_HEADINGS, ("---",) * len(_HEADINGS), *map(_row, changed)]
        lines += [f"| {' | '.join(map(markdown_text, row))} |" for row in rows]
    return "\n".join(lines).rstrip() + "\n"


def junit(checked: Checked) -> bytes:
    """Return JUnit XML: a test case per input and measurement, failed if it moved or is lacking."""
    cases = [(sentence, sentence) for sentence in _failures(checked)]
    cases += [
        (change.name, _sentence(change) if change.verdict is Verdict.MOVED else "")
        for change in checked.changes
    ]
    cases = [(printable(name), printable(failure)) for name, failure in cases]
    failures = str(sum(bool(failure) for _, failure in cases))
    suite = ElementTree.Element("testsuite", name=_SUITE, tests=str(len(cases)), failures=failures)
    for name, failure in cases:
        case = ElementTree.SubElement(
            suite, "testcase", classname="mergebench", name=printable(name)
        )
        if failure:
            ElementTree.SubElement(case, "failure", message=failure)
    ElementTree.indent(suite)
    content: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def is_junit(file: Path) -> bool:
    """Whether `file` begins as `junit` writes it."""
    second = _lines(file)[1:2]
    return bool(second) and second[0].startswith(f'<testsuite name="{_SUITE}" '.encode())


def is_markdown(file: Path) -> bool:
    """Whether `file` begins as `markdown` writes it."""
    return _lines(file)[:1] == [_TITLE.encode()]


def _lines(file: Path) -> list[bytes]:
    """Return the first lines of a file; none if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(1000).splitlines()
    except OSError:
        return []


def _failures(checked: Checked) -> list[str]:
    """Return what is wrong beside measurements that moved, in a sentence each."""
    vanished = (f"{name} is of the baseline, and was not measured" for name in checked.vanished)
    return [*checked.other_inputs, *vanished]


def _sentence(change: Change) -> str:
    texts = zip(_HEADINGS[1:], _row(change)[1:], strict=True)
    return ", ".join(f"{heading} {text}" for heading, text in texts)


def _row(change: Change) -> tuple[str, ...]:
    before, after, size = change.counts
    low, high = change.interval.low, change.interval.high
    return (
        change.name,
        change.task,
        _count(before, size, change.before.point),
        _count(after, size, change.after.point),
        f"{change.difference:+.1f}",
        f"{low:+.1f} to {high:+.1f}",
        change.verdict,
    )


def _count(correct: int, size: int, point: str) -> str:
    return f"{correct}/{size}" + (f" ({point})" if point else "")
