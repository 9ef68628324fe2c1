"""Training of an adapter to publish, as a user follows it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from mergebench.commands.numbers import finite
from mergebench.commands.runs.experiments import caption_command
from mergebench.measure import OFF_NOMINAL, UNPROTECTED, ZERO_SHOT, ScaleCurve, Standalone, wilson
from mergebench.plurals import how_many
from mergebench.protecting import Protected, protect
from mergebench.report import (
    Sweep,
    gained_alone,
    lost_when_rescaled,
    points_text,
    protection_label,
    trap_found,
)
from mergebench.terminal import make_console

_NAMES = {ZERO_SHOT: "base model", UNPROTECTED: "plain"}


def run_protect(options: argparse.Namespace) -> None:
    """Train, choose, measure and write; then say what was made."""
    console = make_console()
    made = protect(
        backbone=options.backbone,
        out=options.out,
        data=options.data,
        task=options.task,
        protection=options.protection,
        only=options.only,
        sweep=[finite("--sweep", word) for word in options.sweep],
        margin=finite("--margin", options.margin),
        steps=options.steps,
        seed=options.seed,
        names=options.names,
        templates=options.template,
        partial=options.partial,
        licence=options.license,
        weights=options.weights,
        device=options.device,
        jobs=options.jobs,
        store=options.store,
        cache=options.cache,
        data_root=options.data_root,
        plugins=options.plugin,
        force=options.force,
        command=caption_command(options.words),
        console=console,
    )
    _show(made, console, options)


def _trained(made: Protected) -> Iterator[str]:
    """Yield for how many steps adapters were trained; whose steps these are where they differ."""
    by_steps = {(one.steps, one.usual_steps): one.folder.name for one in made.adapters}
    for (steps, usual), name in by_steps.items():
        fewer = "" if steps == usual else f" instead of {usual}"
        whose = f" ({name})" if len(by_steps) > 1 else ""
        yield f"{how_many(steps, 'step')} of training{fewer}{whose}"


def _show(made: Protected, console: Console, options: argparse.Namespace) -> None:
    inputs = made.measurements.context.inputs
    counts = ", ".join(f"{size} {split}" for split, size in made.sizes.items())
    _say(
        console,
        f"\n{made.task} on {made.backbone}: {made.classes} classes, {inputs}: {counts}; "
        f"{' and '.join(_trained(made))}.",
    )
    if made.sweep is not None:
        _say(console, "\nChoice of λ, by validation and single updates alone:")
        console.print(_choice(made.sweep))
        _say(console, _reason(made.sweep))
    _say(console, f"\nAccuracy on {made.sizes['test']} test {inputs}, with its interval of 95 %:")
    console.print(_accuracies(made))
    for line in _doubts(made):
        _say(console, line)
    _say(console, "")
    for one in made.adapters:
        strength = "" if one.strength is None else f", λ {one.strength:g}"
        shown = f"{_name(one.release)}{strength}"
        _say(console, f"wrote {one.folder}: {shown}, model card, scale_curve.png, record.json")
    if not options.license:
        _say(console, "Before you publish: fill in the licence in README.md, or give --license.")


def _doubts(made: Protected) -> Iterator[str]:
    for one in made.adapters:
        gained = gained_alone(made.measurements, one.release)
        if not gained.is_above_chance:
            less = "" if one.strength is None else ", or a smaller λ"
            yield (
                f"{_name(one.release)} alone is no better than the base model beyond chance: its "
                f"difference from it is {points_text(gained)}. Give more steps or inputs{less}."
            )
    lost = lost_when_rescaled(made.measurements)
    if lost is None:
        return
    name, points = _name(made.adapters[-1].release), points_text(lost)
    loses = f"re-scaled, {name} loses {points} against the plain adapter"
    found = trap_found(lost)
    if found == "none":
        yield (
            f"No trap to rely on has formed: {loses}. Try larger λ with --sweep, or more --steps. "
            "The card says so too."
        )
    elif found == "perhaps":
        size, inputs = made.sizes["test"], made.measurements.context.inputs
        yield (
            f"The trap may be chance: {loses}, on {size} test {inputs}. Give more of them. The "
            "card says so too."
        )


def _name(release: str) -> str:
    return _NAMES.get(release) or protection_label(release)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)


def _choice(sweep: Sweep) -> Table:
    table = Table("", header_style="")
    scales = f"s = {OFF_NOMINAL[0]:g} ... {OFF_NOMINAL[-1]:g}"
    for heading in ("at s = 1", f"mean at {scales}", ""):
        table.add_column(heading, justify="right")
    for one in (sweep.plain, *sweep.tried):
        name = "plain" if one.strength is None else f"λ {one.strength:g}"
        chosen = "chosen" if one is sweep.chosen else ""
        row = f"{one.accuracy:.1f} %", f"{one.off_nominal_accuracy:.1f} %"
        table.add_row(name, *row, chosen)
    return table


def _reason(sweep: Sweep) -> str:
    return (
        f"λ {sweep.chosen.strength:g}: among those within {sweep.margin:g} points of the plain "
        "adapter at s = 1 (rounded up to a whole input), the one that fails most elsewhere."
    )


def _accuracies(made: Protected) -> Table:
    table = Table("", header_style="")
    for heading in ("s = 1", "95 %", "s = 0.3", "s = 0.5", "s = 0.7"):
        table.add_column(heading, justify="right")
    curves = {curve.release: curve for curve in made.measurements.curves}
    for row in made.measurements.standalone:
        table.add_row(*_row(row, curves.get(row.release)))
    return table


def _row(row: Standalone, curve: ScaleCurve | None) -> Iterator[str]:
    found = wilson(row.correct, row.size)
    yield _name(row.release)
    yield f"{100 * row.correct / row.size:.1f} %"
    yield f"{found.low:.1f} to {found.high:.1f}"
    for scale in (0.3, 0.5, 0.7):
        if curve is None:
            yield ""
        else:
            yield f"{100 * curve.correct[curve.scales.index(scale)] / curve.size:.1f} %"
