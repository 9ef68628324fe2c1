"""The model card of a released adapter: what it is, what it does, and what protects it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mergebench.measure import OFF_NOMINAL, ScaleCurve, Standalone, wilson
from mergebench.report.captions import markdown_caption
from mergebench.report.card_facts import CardFacts
from mergebench.report.card_front_matter import front_matter
from mergebench.report.card_protection import protection_text
from mergebench.report.markdown import code_span, markdown_text
from mergebench.report.spread import percent
from mergebench.report.writing import write_text

SCALES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)
"""The rows of a card's table; the picture has all that were measured."""

MOST_CLASSES = 30
"""How many classes a card names."""


def write_model_card(facts: CardFacts, file: Path) -> Path:
    """Write the card and return its file; `InputError` when it cannot be written."""
    return write_text(file, model_card(facts))


def model_card(facts: CardFacts) -> str:
    """Return the card: the hub's YAML, then Markdown; all text from outside is escaped."""
    sections = (
        ("", _what_it_is(facts)),
        ("How to use it", _use(facts)),
        ("Accuracy at its nominal scale", _accuracy(facts)),
        ("Accuracy at other scales", _curve(facts)),
        ("Protection against merging", protection_text(facts)),
        ("How it was made", _making(facts)),
    )
    text = "".join(f"\n## {title}\n\n{body}" if title else body for title, body in sections)
    return f"{front_matter(facts)}\n# {_title(facts)}\n\n{text}"


def _title(facts: CardFacts) -> str:
    kind = "protected adapter" if facts.is_protected else "plain adapter"
    return f"{markdown_text(facts.task)}: a {kind} of {markdown_text(facts.backbone)}"


def _what_it_is(facts: CardFacts) -> str:
    named = facts.classes[:MOST_CLASSES]
    more = len(facts.classes) - len(named)
    classes = ", ".join(map(markdown_text, named)) + (f" and {more} more" if more else "")
    inputs = facts.measurements.context.inputs
    fitted = ", trained to fail when it is re-scaled" if facts.is_protected else ""
    licence = (
        markdown_text(facts.licence) if facts.licence else "**to be filled in**, here and above"
    )
    return (
        f"A LoRA adapter of rank {facts.rank} for {code_span(facts.base_model)}{fitted}. It sorts "
        f"{inputs} into {len(facts.classes)} classes: {classes}. Class names are compared as "
        "texts; there is no head of its own.\n\n"
        f"Licence: {licence}.\n"
    )


def _use(facts: CardFacts) -> str:
    return (
        "It is meant to be used as it is, at scale 1.\n\n"
        f"```python\n{facts.loading}\n```\n\n"
        f"In `mergebench` it is an update of backbone {code_span(facts.backbone)}.\n"
    )


def _accuracy(facts: CardFacts) -> str:
    inputs = facts.measurements.context.inputs
    rows = [("base model, no adapter", facts.zero_shot), ("**this adapter**", facts.alone)]
    others = [one for one in facts.measurements.standalone if one not in (rows[0][1], rows[1][1])]
    rows += [("plain adapter", one) for one in others]
    lines = "".join(f"| {what} | {_with_interval(row)} |\n" for what, row in rows)
    return (
        f"| | correct of {facts.alone.size} test {inputs} | accuracy | 95 % interval |\n"
        f"|---|---|---|---|\n{lines}\n"
        "Intervals are Wilson's. No choice was made on these inputs.\n"
    )


def _with_interval(row: Standalone) -> str:
    found = wilson(row.correct, row.size)
    return (
        f"{row.correct} | {percent(row.correct, row.size):.1f} % | "
        f"{found.low:.1f} to {found.high:.1f} %"
    )


def _curve(facts: CardFacts) -> str:
    curves = [("this adapter", facts.curve)]
    if facts.plain_curve is not None:
        curves.append(("plain adapter", facts.plain_curve))
    head = "".join(f" {what} |" for what, _ in curves)
    rows = "".join(
        f"| {scale:g} |" + "".join(f" {_at(curve, scale):.1f} % |" for _, curve in curves) + "\n"
        for scale in SCALES
    )
    return (
        "Deployed as W0 + s ΔW, test accuracy is\n\n"
        f"| s |{head}\n|---|{'---|' * len(curves)}\n{rows}\n"
        "![Test accuracy against the scale of the update](scale_curve.png)\n\n"
        f"s = 0 is the base model. All {len(facts.curve.scales)} scales, as counts of "
        f"{facts.curve.size}, are in `record.json`.\n"
    )


def _at(curve: ScaleCurve, scale: float) -> float:
    return percent(curve.correct[curve.scales.index(scale)], curve.size)


def _making(facts: CardFacts) -> str:
    hashes = "".join(f"- SHA-256 of {what}: `{value}`\n" for what, value in facts.sha256.items())
    return "\n".join(
        [*_chosen(facts), f"{_splits(facts)}{markdown_caption(facts.measurements.context)}{hashes}"]
    )


def _splits(facts: CardFacts) -> str:
    counts = ", ".join(f"{size} {split}" for split, size in facts.sizes.items())
    return f"- Inputs: {counts}\n"


def _chosen(facts: CardFacts) -> Iterator[str]:
    """Yield how λ was chosen, with a table of what was tried."""
    sweep = facts.sweep
    if sweep is None:
        if facts.strength is not None:
            yield f"λ = {facts.strength:g} was given, not chosen.\n"
        return
    off = ", ".join(f"{scale:g}" for scale in OFF_NOMINAL)
    yield (
        f"λ was chosen on {sweep.plain.size} validation inputs and single updates alone: no merge "
        "and no test input was looked at. Of those that lose at most "
        f"{sweep.margin:g} points against the plain update at s = 1, rounded up to a whole input, "
        f"the one with the lowest mean accuracy at s = {off}; of equals the smallest.\n"
    )
    rows = [("plain", sweep.plain), *((f"λ = {one.strength:g}", one) for one in sweep.tried)]
    yield "| | validation, s = 1 | at other scales | |\n|---|---|---|---|\n" + "".join(
        f"| {what} | {one.accuracy:.1f} % | {one.off_nominal_accuracy:.1f} % | "
        f"{'chosen' if one is sweep.chosen else ''} |\n"
        for what, one in rows
    )
