"""LaTeX: escaped text and booktabs tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from mergebench.report.grid import Column, Grid, Row
from mergebench.report.spread import fixed
from mergebench.terminal import printable

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row these two are its options
    "*": "{*}",
    "²": r"\textsuperscript{2}",
    "±": r"$\pm$",
    "α": r"$\alpha$",
    "λ": r"$\lambda$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
    "−": "$-$",
    "…": r"\dots{}",
}
_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL)))


def escape(text: str) -> str:
    """Return `text` such that LaTeX prints it as it is."""
    return _SPECIAL.sub(lambda match: SPECIAL[match[0]], printable(text))


def typewriter(text: str) -> str:
    """Return `text` in typewriter, with `--` kept as two hyphens."""
    return rf"\texttt{{{escape(text).replace('--', '-{}-')}}}"


def latex_table(grid: Grid, *, caption: str, label: str) -> str:
    """Return a floating booktabs table; `caption` is LaTeX already.

    Standard deviations stand in a smaller line of their own below the means, so that thirteen
    columns fit a text width.
    """
    width = len(grid.columns)
    return "\n".join(
        (
            r"\begin{table}[tbp]",
            r"\centering",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{2.5pt}",
            rf"\caption{{{caption}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{l{'r' * width}}}",
            r"\toprule",
            *_header(grid.columns),
            r"\midrule",
            *(line for row in grid.rows for line in _row(row, grid.digits)),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        )
    )


def text_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str, label: str
) -> str:
    """Return a wide floating booktabs table of texts; `caption` is LaTeX already.

    The first two columns are names, the others numbers.
    """
    head, *lines = (f"{' & '.join(escape(cell) for cell in row)} \\\\" for row in (headings, *rows))
    body = "\n".join([head, "\\midrule", *lines])
    return (
        f"\\begin{{table*}}\n\\centering\n\\small\n"
        f"\\begin{{tabular}}{{ll{'r' * (len(headings) - 2)}}}\n\\toprule\n{body}\n"
        f"\\bottomrule\n\\end{{tabular}}\n\\caption{{{caption}}}\n"
        f"\\label{{{label}}}\n\\end{{table*}}\n"
    )


def _header(columns: tuple[Column, ...]) -> list[str]:
    names = [escape(column.short or column.name) for column in columns]
    if not any(column.group for column in columns):
        return [_line("", *names)]
    cells, rules, first = [""], [], 2
    for group, members in groupby(columns, key=lambda column: column.group):
        size = len(list(members))
        cells.append(rf"\multicolumn{{{size}}}{{c}}{{{escape(group)}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + size - 1}}}")
        first += size
    if not any(names):
        return [_line(*cells)]
    return [_line(*cells), "".join(rules), _line("", *names)]


def _row(row: Row, digits: int) -> list[str]:
    means = (
        "--" if value is None else fixed(value.mean, digits) + _raised(mark)
        for value, mark in row.marked()
    )
    lines = [_line(escape(row.label), *means)]
    if any(value is not None and value.std is not None for value in row.values):
        lines.append(
            _line(
                "",
                *(
                    ""
                    if value is None or value.std is None
                    else rf"{{\tiny$\pm${fixed(value.std, digits)}}}"
                    for value in row.values
                ),
            )
        )
    return lines


def _raised(mark: str) -> str:
    return rf"\textsuperscript{{\tiny {mark}}}" if mark else ""


def _line(*cells: str) -> str:
    return " & ".join(cells) + r" \\"
