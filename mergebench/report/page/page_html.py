"""A page as HTML: one text, in which everything from outside is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from mergebench.errors import InputError
from mergebench.plurals import how_many
from mergebench.report.page.content import Number, Page, PageColumn, PageTable
from mergebench.report.page.geometry import drawn_curves, drawn_dots
from mergebench.report.page.origin import Origin
from mergebench.report.page.plots import CurvePlot, Dot, DotPlot, Mark
from mergebench.terminal import printable

GENERATOR = '<meta name="generator" content="mergebench">'
"""How `write_page` knows what it wrote."""

_SCRIPTS = ("theme.js", "tables.js", "plots.js", "records.js")
_ROOM = "mergebench.report.page"


def page_text(page: Page) -> str:
    """Return the page as HTML that needs nothing else; equal pages give equal texts.

    Raises `InputError` where what it is made with is not installed.
    """
    origins = _numbered(page)
    style, script = _resource("page.css"), "".join(map(_resource, _SCRIPTS))
    template = _environment().get_template("page.html.jinja")
    text: str = template.render(
        page=page,
        origins=origins,
        style=style,
        script=script,
        style_hash=_content_hash(style),
        script_hash=_content_hash(script),
        drawn_curves=drawn_curves,
        drawn_dots=drawn_dots,
        numbers_of=numbers_of,
        is_number=lambda cell: isinstance(cell, Number),
        is_curves=lambda plot: isinstance(plot, CurvePlot),
    )
    return text


def numbers_of(plot: CurvePlot | DotPlot) -> PageTable:
    """Return the numbers of a plot as a table, for those who do not see it."""
    if isinstance(plot, CurvePlot):
        first = plot.x_label
        names = dict(plot.x_ticks)
        columns = [
            (curve.name, {names.get(mark.x, f"{mark.x:g}"): mark.text for mark in curve.marks})
            for curve in plot.series
        ]
    else:
        first = "name"
        columns = [(one.name, {dot.name: dot.text for dot in one.dots}) for one in plot.series]
    lines = dict.fromkeys(line for _, found in columns for line in found)
    return PageTable(
        caption=plot.title,
        columns=(PageColumn(name=first), *(PageColumn(name=name) for name, _ in columns)),
        rows=tuple((line, *(found.get(line, "") for _, found in columns)) for line in lines),
    )


def _numbered(page: Page) -> dict[Origin, str]:
    """Return the name of every origin in the page, in the order in which they come."""
    found: dict[Origin, str] = {}
    waiting = list(_origins(page))[::-1]
    while waiting:
        origin = waiting.pop()
        if origin not in found:
            found[origin] = f"origin-{len(found) + 1}"
            waiting.extend(reversed(origin.parts))
    return found


def _origins(page: Page) -> Iterator[Origin]:
    for section in page.sections:
        for plot in section.plots:
            for series in plot.series:
                marks: tuple[Mark | Dot, ...] = getattr(series, "marks", ()) or getattr(
                    series, "dots", ()
                )
                yield from (mark.origin for mark in marks if mark.origin)
        for table in section.tables:
            cells = (cell for row in table.rows for cell in row)
            yield from (one.origin for one in cells if isinstance(one, Number) and one.origin)


def _environment() -> Any:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise InputError(f"a page needs {error.name}: pip install 'mergebench[report]'") from error

    def shown(value: object) -> object:
        """Text from outside without what steers whoever shows it; templates' own as it is."""
        return printable(value) if type(value) is str else value

    environment = Environment(
        loader=PackageLoader(_ROOM),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    environment.filters["written"] = Markup
    environment.globals["how_many"] = how_many
    return environment


def _resource(name: str) -> str:
    return files(_ROOM).joinpath("templates", name).read_text(encoding="utf-8")


def _content_hash(text: str) -> str:
    """Return what a content security policy calls this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
