"""A folder of results as a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mergebench.errors import InputError
from mergebench.measure import Cell
from mergebench.plurals import how_many
from mergebench.report.page import Origin, Page, PageTable, Section
from mergebench.report.results_page.cells import Cells
from mergebench.report.results_page.origins import Origins, is_counted
from mergebench.report.results_page.pictures import plots
from mergebench.report.results_page.table import OriginOf, page_table
from mergebench.report.results_page.words import Words, read_words
from mergebench.report.sheet import Sheet, read_sheet

_PARTS = {
    "_tasks": "Counts by task and seed",
    "_stored": "Counts by task and seed, by the dtype of the file",
    "_targets": "Counts by target and seed",
    "_paper": "Beside the paper",
    "_roc": "Points of the ROC",
    "_points": "Accuracy on the target against the other tasks",
}
_KINDS = ("leaderboard", "table", "figure", "recovery")
_TITLES = {
    "figure2": "Figure 2: accuracy against the scale at which an update is deployed",
    "recovery": "Recovery: accuracy after an attack against the labelled inputs it has",
}
"""Of what has no Markdown file."""

_BACKBONE = re.compile(r" \(sha256 .*\)")


def results_page(folder: Path, cells: Iterable[Cell] = ()) -> Page:
    """Return the tables that lie in `folder`, with their captions, plots and the `cells` behind.

    Numbers of which no cell is given lead to the command of their table. Raises `InputError`
    naming a file that cannot be read, and for a folder without tables.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}: give one that `mergebench table2` wrote")
    stems = sorted((file.stem for file in folder.glob("*.csv")), key=_order)
    if not stems:
        raise InputError(f"{folder} has no table, *.csv: give one that `mergebench table2` wrote")
    known = Cells(cells)
    made = [_section(folder, base, stems, known) for base in stems if base not in _parts(stems)]
    found = sum(origins.found for _, origins in made)
    lacking = sum(origins.lacking for _, origins in made)
    return Page(
        title=f"Results: {folder.resolve().name}",
        summary=tuple(_summary([origins.words for _, origins in made], found, lacking)),
        sections=tuple(section for section, _ in made),
    )


def _order(stem: str) -> tuple[int, list[tuple[str, int]]]:
    """Sort key: what is asked for first comes first, and numbers in names by their size."""
    kind = next((at for at, name in enumerate(_KINDS) if stem.startswith(name)), len(_KINDS))
    return kind, [(name, int(digits or 0)) for name, digits in re.findall(r"(\D*)(\d*)", stem)]


def _parts(stems: Iterable[str]) -> dict[str, str]:
    """Return the tables that belong to another one, by name, and to which."""
    known = set(stems)
    return {
        stem: stem.removesuffix(suffix)
        for stem in known
        for suffix in _PARTS
        if stem.endswith(suffix) and stem.removesuffix(suffix) in known
    }


def _section(folder: Path, base: str, stems: list[str], cells: Cells) -> tuple[Section, Origins]:
    words = read_words(folder, base)
    kind = base.partition("_")[0]  # what follows says what is not the default
    words = replace(words, title=words.title or _TITLES.get(kind, base))
    origins = Origins(words=words, cells=cells)
    belonging = [stem for stem, whose in sorted(_parts(stems).items()) if whose == base]
    sheets = {stem: read_sheet(folder / f"{stem}.csv") for stem in (base, *belonging)}
    counted = {stem: origins.of_cells(sheet) for stem, sheet in sheets.items() if is_counted(sheet)}
    sources = {
        stem: _origin_of(
            sheet,
            origins,
            counted.get(stem),
            [(sheets[one], found) for one, found in counted.items() if one != stem],
        )
        for stem, sheet in sheets.items()
    }
    section = Section(
        title=words.title,
        subtitle=f"{base}.csv",
        paragraphs=words.paragraphs,
        plots=plots(sheets[base], sources[base]),
        tables=tuple(
            _table(stem, sheet, base, words, sources[stem]) for stem, sheet in sheets.items()
        ),
        facts=words.facts,
    )
    return section, origins


def _table(stem: str, sheet: Sheet, base: str, words: Words, origin_of: OriginOf) -> PageTable:
    suffix = stem.removeprefix(base)
    caption = _PARTS[suffix] if suffix else words.title
    return page_table(sheet, caption, origin_of, folded=bool(suffix))


def _origin_of(
    sheet: Sheet,
    origins: Origins,
    own: list[Origin] | None,
    others: list[tuple[Sheet, list[Origin]]],
) -> OriginOf:
    whole = origins.of_table(sheet)

    def origin_of(place: int, column: str) -> Origin:
        if own is not None:
            return own[place]
        for counted, found in others:
            mean = origins.of_mean(sheet.rows[place], column, counted, found)
            if mean is not None:
                return mean
        return whole

    return origin_of


def _summary(words: list[Words], found: int, lacking: int) -> Iterator[str]:
    """Yield what was measured, and whether the cells are there."""
    backbones, suites, dates = (
        sorted({_BACKBONE.sub("", one.fact(what)) for one in words} - {""})
        for what in ("Backbone", "Suite", "Date")
    )
    if backbones and suites and dates:
        when = dates[0] if len(dates) == 1 else f"from {dates[0]} to {dates[-1]}"
        what = how_many(len(words), "table or figure", "tables and figures")
        yield f"{what} of {', '.join(backbones)} on {', '.join(suites)}, measured {when}."
    if found:
        yield (
            "Every number leads to its record and command: of "
            f"{found + lacking} counts {found} have their cell in the store."
        )
    else:
        yield "Every number leads to the command that measures it; no store of cells was read."
