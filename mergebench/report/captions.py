"""How numbers came about, as every written table and figure states it."""

from __future__ import annotations

import re

from mergebench.measure import Context
from mergebench.report.latex import escape, typewriter
from mergebench.report.markdown import code_span, markdown_text, stated_code, stated_text
from mergebench.terminal import printable

_NAMES = (
    *("Command", "Date", "Seeds", "Protocol", "Suite"),
    *("Backbone", "Precision", "Versions", "Code"),
)
_PRINTED = ("Command", "Date", "Seeds", "Protocol")


def facts(context: Context) -> tuple[tuple[str, str], ...]:
    """Return `(what, value)` in the order in which captions list them."""
    versions = ", ".join(f"{name} {context.versions[name]}" for name in sorted(context.versions))
    suite = f"{context.suite} (sha256 {context.suite_sha256})"
    backbone = f"{context.backbone} (sha256 {context.backbone_sha256})"
    pairs = (
        ("Command", context.command),
        ("Date", context.date),
        ("Seeds", ", ".join(map(str, context.seeds))),
        ("Protocol", context.protocol),
        ("Suite", suite),
        ("Backbone", backbone),
        ("Precision", f"{context.precision} on {context.device}"),
        ("Versions", versions),
        ("Code", ", ".join(context.revisions)),
        *(("Note", note) for note in context.notes),
    )
    return tuple((what, " ".join(value.split())) for what, value in pairs if value)


def markdown_caption(context: Context) -> str:
    """Return the caption as a Markdown list."""
    return "".join(
        f"- {what}: {code_span(value) if what == 'Command' else markdown_text(value)}\n"
        for what, value in facts(context)
    )


def listed_facts(markdown: str) -> tuple[tuple[str, str], ...]:
    """Return `(what, value)` of a written table's caption, in order; the inverse of the above."""
    found = re.findall(rf"^- ({'|'.join((*_NAMES, 'Note'))}): (.+)$", markdown, flags=re.MULTILINE)
    return tuple(
        (what, stated_code(value) if what == "Command" else stated_text(value))
        for what, value in found
    )


def stated_facts(markdown: str) -> dict[str, str]:
    """Return the facts of a written table's caption by what they are, but for notes.

    Without a caption there are none.
    """
    return {what: value for what, value in listed_facts(markdown) if what != "Note"}


def latex_caption(context: Context) -> str:
    """Return LaTeX sentences of what readers of a paper need of the caption.

    The file has all of it as comments (`latex_comment`).
    """
    return " ".join(
        f"{what}: {typewriter(value) if what == 'Command' else escape(value)}."
        for what, value in facts(context)
        if what in _PRINTED
    )


def latex_comment(context: Context) -> str:
    """Return the caption as LaTeX comment lines."""
    return "".join(f"% {what}: {printable(value)}\n" for what, value in facts(context))


def plain_caption(context: Context) -> str:
    """Return the caption as one line, for the metadata of figures."""
    return printable("; ".join(f"{what}: {value}" for what, value in facts(context)))


def plain_facts(caption: str) -> tuple[tuple[str, str], ...]:
    """Return what `plain_caption` was made of."""
    parts = re.split(rf"(?:^|; )({'|'.join((*_NAMES, 'Note'))}): ", caption)
    return tuple(zip(parts[1::2], parts[2::2], strict=True))


def headline(context: Context, *, merging: bool = True) -> str:
    """Return the few facts that fit above a table in the terminal or below a figure."""
    protocol = [f"protocol {context.protocol}"] if merging and context.protocol else []
    numbers = ", ".join(map(str, context.seeds))
    seeds = f"seed{'s' if len(context.seeds) > 1 else ''} {numbers}"
    return " · ".join((context.backbone, context.suite, *protocol, seeds, context.date))
