"""Which plots a table of results has, by its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mergebench.measure import FROM_BASE, UNPROTECTED, ZERO_SHOT
from mergebench.report.labels import release_order
from mergebench.report.page import Curve, CurvePlot, Dot, DotPlot, Dots, Mark
from mergebench.report.results_page.columns import HIGH, LOW, heading, label
from mergebench.report.results_page.table import OriginOf, end_of
from mergebench.report.sheet import Sheet, number

_AVERAGE = "average"
_PERCENT = (0.0, 100.0)
_NO_TASKS = frozenset({"backbone", "release", "row", "seeds"})

Plot = CurvePlot | DotPlot
_PLAIN = ("unprotected", "fine_tuned")
_Line = tuple[int, Mapping[str, str]]


def plots(sheet: Sheet, origin_of: OriginOf) -> tuple[Plot, ...]:
    """Return the plots of a table; none where its columns are not known."""
    columns = set(sheet.columns)
    lines = list(enumerate(sheet.rows))
    if {"row", "task", "scale", "accuracy", "accuracy_std"} <= columns:
        return tuple(_curves(lines, origin_of, "row", "task", "scale"))
    if {"protection", "target", "images_per_class", "accuracy", "accuracy_std"} <= columns:
        return tuple(_curves(lines, origin_of, "protection", "target", "images_per_class"))
    if {"protection", "knowledge", "data", "denied"} <= columns:
        return tuple(_denials(lines, origin_of))
    if {"protection", "attack", "space", "accuracy", LOW, HIGH} <= columns and (
        "target" not in columns
    ):
        return (_merges(lines, origin_of),)
    if {"row", _AVERAGE} <= columns:
        return (_alone(sheet, lines, origin_of),)
    return ()


def _curves(
    lines: Sequence[_Line], origin_of: OriginOf, whose: str, task: str, across: str
) -> Iterator[CurvePlot]:
    """Yield the mean over tasks, and a small plot per task if there are several."""
    tasks = list(dict.fromkeys(row[task] for _, row in lines))
    tasks.sort(key=lambda name: name != _AVERAGE)
    places = sorted({float(row[across]) for _, row in lines if number(row[across]) is not None})
    even = across != "scale"  # numbers of inputs stand at equal distances
    ticks = tuple((float(at), f"{place:g}") for at, place in enumerate(places)) if even else ()
    label_across = "scale s of the update" if across == "scale" else heading(across)
    for name in tasks if len(tasks) > 2 else tasks[:1]:
        own = [line for line in lines if line[1][task] == name]
        yield CurvePlot(
            title="Mean over tasks" if name == _AVERAGE else name,
            x_label=label_across,
            y_label="accuracy %",
            y_range=_PERCENT,
            x_ticks=ticks,
            small=name != _AVERAGE,
            series=tuple(
                Curve(
                    name=label(whose, one),
                    marks=tuple(
                        _mark(line, across, places if even else None, origin_of)
                        for line in own
                        if line[1][whose] == one and number(line[1]["accuracy"]) is not None
                    ),
                )
                for one in sorted({row[whose] for _, row in own}, key=_order)
            ),
        )


def _mark(line: _Line, across: str, places: list[float] | None, origin_of: OriginOf) -> Mark:
    place, row = line
    x, y = float(row[across]), float(row["accuracy"])
    std = number(row["accuracy_std"]) or None
    return Mark(
        x=float(places.index(x)) if places else x,
        y=y,
        text=f"{row['accuracy']} ± {row['accuracy_std']}" if std else row["accuracy"],
        low=y - std if std else None,
        high=y + std if std else None,
        origin=origin_of(place, "accuracy"),
    )


def _merges(lines: Sequence[_Line], origin_of: OriginOf) -> DotPlot:
    """Accuracy on the target by attack and space, a set of dots per protection."""
    zero_shot = {number(row.get("zero_shot", "")) for _, row in lines}
    known = zero_shot.pop() if len(zero_shot) == 1 else None
    return DotPlot(
        title="Accuracy on the target after merging, with 95 % intervals over targets",
        x_label="accuracy %",
        series=_dots(lines, origin_of, "accuracy", LOW, HIGH, _attack_name),
        reference=None if known is None else (known, "zero-shot"),
    )


def _denials(lines: Sequence[_Line], origin_of: OriginOf) -> Iterator[DotPlot]:
    for column, title, unit in (
        ("denied", "Share of its gain that an attacker is denied, with 95 % intervals", "denied"),
        ("target", "Accuracy on the target under the best attack of each level", "accuracy %"),
    ):
        ends = (f"{column}_{LOW}", f"{column}_{HIGH}")
        # Of the unprotected nothing is denied: it is what the others are held against.
        own = [one for one in lines if column == "target" or one[1]["protection"] not in _PLAIN]
        series = _dots(own, origin_of, column, *ends, _level_name)
        if series:
            yield DotPlot(title=title, x_label=unit, series=series)


def _alone(sheet: Sheet, lines: Sequence[_Line], origin_of: OriginOf) -> DotPlot:
    """Accuracy of every model by task."""
    tasks = list(sheet.columns[: sheet.columns.index(_AVERAGE)])
    shown = [name for name in tasks if name not in _NO_TASKS] + [_AVERAGE]
    return DotPlot(
        title="Accuracy by task of each model alone; the average with a 95 % interval over tasks",
        x_label="accuracy %",
        series=tuple(
            Dots(
                name=label("row", row["row"]),
                dots=tuple(
                    _dot(name, (place, row), name, f"{name}_{LOW}", f"{name}_{HIGH}", origin_of)
                    for name in shown
                    if number(row[name]) is not None
                ),
            )
            for place, row in sorted(lines, key=lambda line: _order(line[1]["row"]))
        ),
    )


def _dots(
    lines: Sequence[_Line],
    origin_of: OriginOf,
    column: str,
    low: str,
    high: str,
    name_of: Callable[[Mapping[str, str]], str],
) -> tuple[Dots, ...]:
    """Return a set of dots per protection that has any."""
    found: dict[str, dict[str, Dot]] = {}
    for line in lines:
        _, row = line
        if number(row[column]) is not None:
            dots = found.setdefault(row["protection"], {})
            dots[name_of(row)] = _dot(name_of(row), line, column, low, high, origin_of)
    return tuple(
        Dots(name=label("protection", one), dots=tuple(dots.values()))
        for one, dots in sorted(found.items(), key=lambda item: _order(item[0]))
    )


def _order(name: str) -> tuple[bool, tuple[int, str]]:
    """Sort key that gives each kind of model the same colour everywhere: no update comes last."""
    protection = UNPROTECTED if name in _PLAIN else name
    return protection in (ZERO_SHOT, FROM_BASE), release_order(protection)


def _dot(name: str, line: _Line, column: str, low: str, high: str, origin_of: OriginOf) -> Dot:
    place, row = line
    return Dot(
        name=name,
        value=float(row[column]),
        text=row[column],
        low=end_of(row, low if low in row else None),
        high=end_of(row, high if high in row else None),
        origin=origin_of(place, column),
    )


def _attack_name(row: Mapping[str, str]) -> str:
    return f"{label('attack', row['attack'])} {label('space', row['space'])}"


def _level_name(row: Mapping[str, str]) -> str:
    return f"{row['knowledge']}, {row['data']}"
