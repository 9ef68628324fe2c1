"""A page with one of everything, and names that are hard to show."""

from __future__ import annotations

from mergebench.report.page import (
    Curve,
    CurvePlot,
    Dot,
    DotPlot,
    Dots,
    Mark,
    Number,
    Origin,
    Page,
    PageColumn,
    PageTable,
    Section,
)

NAMES = ("<script>alert(1)</script>", "a|b", "x_y & 50 %", "=cmd()")
"""What tasks may be called that HTML, Markdown, LaTeX and spreadsheets would take for their own."""

VALUES = (3.0, -12.5, 10.0, 7.25)


def page(names: tuple[str, ...] = NAMES) -> Page:
    """Return a page in which every text comes from outside: two sections, four rows, two plots."""
    cells = tuple(
        Origin(title=f"{name} alone", command=f"mergebench {name}", record=f'{{"task": "{name}"}}')
        for name in names
    )
    mean = Origin(title=f"mean {names[0]}", facts=((names[1], names[2]),), parts=cells)
    rows = tuple(
        (
            name,
            "odd" if place % 2 else "even",
            Number(value=value, text=f"{value:.2f}", interval="1 to 2", origin=origin),
            Number(value=-value, text=f"{-value:.2f}", origin=mean),
        )
        for place, (name, value, origin) in enumerate(zip(names, VALUES, cells, strict=True))
    )
    table = PageTable(
        caption=f"Table of {names[0]}",
        columns=(
            PageColumn(name="task", hint=names[0]),
            PageColumn(name="parity"),
            PageColumn(name="accuracy"),
            PageColumn(name="more", detail=True),
        ),
        rows=rows,
        note=names[0],
    )
    return Page(
        title=f"Page {names[0]}",
        summary=(f"Said of {names[0]}.",),
        sections=(
            Section(
                title=names[0],
                subtitle=names[1],
                paragraphs=names,
                plots=(_curves(names), _dots(names, cells)),
                tables=(table,),
                facts=(("Command", names[0]), (names[1], names[2])),
            ),
            Section(title="Empty", tables=(PageTable(caption="none", columns=(), rows=()),)),
        ),
    )


def _curves(names: tuple[str, ...]) -> CurvePlot:
    return CurvePlot(
        title=names[0],
        x_label="scale",
        y_label="accuracy %",
        y_range=(0, 100),
        series=tuple(
            Curve(
                name=name,
                marks=tuple(
                    Mark(x=x, y=10 * x + place, text=f"{10 * x + place}", low=1, high=90)
                    for x in range(5)
                ),
            )
            for place, name in enumerate(names[:2])
        ),
    )


def _dots(names: tuple[str, ...], cells: tuple[Origin, ...]) -> DotPlot:
    return DotPlot(
        title=f"dots {names[0]}",
        x_label="accuracy %",
        reference=(5.0, names[0]),
        series=(
            Dots(
                name=names[0],
                dots=tuple(
                    Dot(name=name, value=value, text=str(value), origin=origin)
                    for name, value, origin in zip(names, VALUES, cells, strict=True)
                ),
            ),
        ),
    )
