"""An audit on the terminal: the verdict first, then the numbers."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from mergebench.auditing import Accuracy, Audit, Outcome, points, share
from mergebench.terminal import printable


def print_audit(audit: Audit, console: Console) -> None:
    """Print an audit."""

    def line(text: str = "") -> None:
        console.print(printable(text), highlight=False, markup=False)

    line(audit.verdict)
    line()
    for note in audit.notes:
        line(note)
    if audit.notes:
        line()
    line(f"{audit.adapter} on {audit.model}, task {audit.task}, test inputs:")
    console.print(_models(audit))
    line("In brackets: intervals of 95 %, over other test inputs like these.")
    console.print(_curve(audit))
    if audit.blind is not None and audit.informed is not None:
        line("What merging takes, by the best attack on validation inputs:")
        console.print(_outcomes((audit.blind, audit.informed), full=len(audit.tasks) > 1))
        line("All merges, at the coefficients that validation chose. Share: of its own scale.")
        console.print(_merges(audit))


def _models(audit: Audit) -> Table:
    table = Table("", header_style="")
    for task in audit.tasks:
        table.add_column(printable(task), justify="right")
    table.add_row("the model", *(_accuracy(audit.base[task]) for task in audit.tasks))
    table.add_row("the adapter alone", *(_accuracy(audit.alone[task]) for task in audit.tasks))
    if audit.left_out is not None:
        left = audit.left_out.accuracy
        table.add_row("merged without it", *(_accuracy(left[task]) for task in audit.tasks))
    return table


def _curve(audit: Audit) -> Table:
    table = Table("scale", header_style="")
    for point in audit.curve:
        table.add_column(f"{point.scale:g}", justify="right", no_wrap=True)
    table.add_row("%", *(f"{point.accuracy.percent:.0f}" for point in audit.curve))
    return table


def _outcomes(outcomes: tuple[Outcome, Outcome], *, full: bool) -> Table:
    table = Table("", header_style="")
    rows = {
        "blind": "who treats all alike",
        "informed": "who knows which one it is",
    }
    for one in outcomes:
        table.add_column(
            f"{rows[one.knowledge]}\n{_short(one.attack)}, {one.alpha:g}", justify="right"
        )
    table.add_row("accuracy", *(_accuracy(one.accuracy) for one in outcomes))
    table.add_row("gain of taking it", *(points(one.gain) for one in outcomes))
    table.add_row("kept", *(share(one.kept) for one in outcomes))
    table.add_row("denied", *(share(one.denied) for one in outcomes))
    if full:
        table.add_row("on the other tasks", *(points(one.others) for one in outcomes))
        table.add_row("on all tasks", *(points(one.overall) for one in outcomes))
        table.add_row("denied on all", *(share(one.denied_overall) for one in outcomes))
    return table


def _merges(audit: Audit) -> Table:
    table = Table("attack", "with", header_style="")
    for heading in ("coefficient", "its share", "peers' share", "accuracy"):
        table.add_column(heading, justify="right")
    for one in audit.merges:
        table.add_row(
            _short(one.attack),
            one.merged_with,
            f"{one.alpha:g}",
            _part(one.own_share),
            _part(one.peers_share),
            f"{one.accuracy[audit.task].percent:.1f} %",
        )
    return table


def _short(attack: str) -> str:
    """Return an attack without the space of all of them, and without what is left out."""
    return attack.removesuffix("@full").removeprefix("leave_out:")


def _part(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _accuracy(one: Accuracy) -> str:
    return f"{one.percent:.1f} % ({one.low_95:.1f} to {one.high_95:.1f})"
