"""A record as a Markdown page; what was not measured has no section but the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from mergebench.gpu_check.goals import goals
from mergebench.gpu_check.prediction import Prediction, predictions
from mergebench.gpu_check.record import (
    AlphaTime,
    EvaluationSpeed,
    MatrixSpeed,
    MergeTime,
    Missed,
    Outcome,
    Record,
    TableRun,
    TrainingSpeed,
)
from mergebench.measure import UNPROTECTED
from mergebench.report import markdown_text

COMMAND = "make gpu-check"


def page(record: Record) -> str:
    """Return the whole page."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: Record) -> Iterator[str]:
    yield from _head(record)
    measured = (_tests, _matrices, _evaluation, _training, _merging, _tables)
    for section in (_goals, *measured, _predicted):
        yield from section(record)
    missed = record.of(Missed)
    if missed:
        yield from ["", "## Not measured", ""]
        for one in missed:
            yield f"- {markdown_text(one.what)} ({one.part}): {markdown_text(one.why)}"


def _head(record: Record) -> Iterator[str]:
    machine = record.machine
    memory = "" if machine.memory is None else f", {machine.memory / 2**30:.0f} GiB"
    cuda = "" if machine.cuda is None else f" (CUDA {machine.cuda})"
    yield f"# {markdown_text(machine.device)}"
    yield ""
    yield (
        f"Written by `{COMMAND}`, size {record.size}, within {record.budget} s on {machine.date}: "
        f"{markdown_text(machine.device)}{memory}; {machine.cores} cores of "
        f"{markdown_text(machine.processor)}; Python {machine.python}, torch "
        f"{machine.torch}{cuda}; code {machine.code}. Random weights and images; medians, warmed "
        "up and waited for."
    )
    if record.size != "full":
        yield ""
        yield "**Tiny models and few repetitions: a check that everything runs, no evidence.**"


def _section(
    title: str, head: Sequence[str], rows: Iterable[str], text: str | None = None
) -> Iterator[str]:
    """Yield a section that is a table, below its text; nothing where it has no rows."""
    shown = list(rows)
    if shown:
        yield from ["", f"## {title}", ""]
        yield from [] if text is None else [text, ""]
        yield from [*head, *shown]


def _goals(record: Record) -> Iterator[str]:
    rows = (
        f"| {one.what} | {'at least' if one.at_least else 'at most'} {one.wanted:g} {one.unit} "
        f"| {one.found:.3g} {one.unit} | {'reached' if one.reached else '**missed**'} |"
        for one in goals(record)
    )
    return _section("Goals", ("| | wanted | found | |", "|---|--:|--:|---|"), rows)


def _tests(record: Record) -> Iterator[str]:
    outcomes = record.of(Outcome)
    if not outcomes:
        return
    counted = Counter(one.outcome for one in outcomes)
    yield from ["", "## Tests marked `gpu`", ""]
    yield ", ".join(f"{count} {outcome}" for outcome, count in counted.items()) + "."
    for one in outcomes:
        if one.outcome == "failed":
            yield f"- failed: {markdown_text(one.test)}"


def _matrices(record: Record) -> Iterator[str]:
    return _section(
        "Matrix products",
        ("| | side | TFLOP/s |", "|---|--:|--:|"),
        (
            f"| {one.precision} | {one.side} | {one.flops / 1e12:.3g} |"
            for one in record.of(MatrixSpeed)
        ),
        "What the shares below are of: `torch.mm` of two square matrices of random numbers.",
    )


def _evaluation(record: Record) -> Iterator[str]:
    def row(one: EvaluationSpeed) -> str:
        share = _share(record, one.precision, one.images_per_second * one.flop_per_image)
        return (
            f"| {one.backbone} | {one.precision} | {one.images} | {one.images_per_second:.0f} "
            f"| {one.flop_per_image / 1e9:.3g} | {share} |"
        )

    head = "| | | images | images/s | GFLOP per image | share of products |"
    return _section(
        "Evaluation",
        (head, "|---|---|" + "--:|" * 4),
        map(row, record.of(EvaluationSpeed)),
        "`Evaluator` on all images, which are on the device; FLOP as counted in what ran.",
    )


def _training(record: Record) -> Iterator[str]:
    def row(one: TrainingSpeed) -> str:
        share = _share(record, one.precision, one.flop_per_step / one.step_seconds)
        peak = "" if one.peak_bytes is None else f"{one.peak_bytes / 2**30:.1f}"
        name = "plain" if one.protection == UNPROTECTED else one.protection
        return (
            f"| {one.backbone} | {name} | {one.precision} | {one.batch} "
            f"| {1 / one.step_seconds:.3g} | {one.flop_per_step / 1e12:.3g} | {share} | {peak} |"
        )

    head = "| | | | batch | steps/s | TFLOP per step | share of products | peak GiB |"
    return _section(
        "Training",
        (head, "|---|---|---|" + "--:|" * 5),
        map(row, record.of(TrainingSpeed)),
        "Steps of the one fine-tuning loop under the recipe of the backbone's setting (LoRA).",
    )


def _merging(record: Record) -> Iterator[str]:
    found, alphas = record.of(MergeTime), record.of(AlphaTime)
    if not found and not alphas:
        return
    timed: list[MergeTime | AlphaTime] = [*alphas, *found]
    backbone, devices = timed[0].backbone, list(dict.fromkeys(one.device for one in timed))
    yield from ["", f"## Merging, shapes of {backbone}", ""]
    if found:
        yield _how_merged(found)
        yield ""
        heads = [f"{device}: {what}" for device in devices for what in ("first", "point", "grid")]
        yield f"| attack @ space | {' | '.join(heads)} |"
        yield "|---" + "|--:" * len(heads) + "|"
        for column in dict.fromkeys(one.column for one in found):
            own = {one.device: one for one in found if one.column == column}
            yield f"| {column} | {' | '.join(_times(own.get(device)) for device in devices)} |"
    for one in alphas:
        rate = 3 * one.bytes / one.seconds / 1e9
        yield ""
        yield (
            f"A further alpha on {one.device}: {1000 * one.seconds:.3g} ms, {rate:.0f} GB/s read "
            "and written."
        )


def _how_merged(found: list[MergeTime]) -> str:
    timed = {one.device: f"{one.timed} of {one.sites} sites on {one.device}" for one in found}
    return (
        f"Seconds of a whole model, of which {' and '.join(timed.values())} were timed; one thread "
        "where the CPU computes. *First*: components and one merge; *point*: one more, components "
        "at hand; *grid*: the first and every structural point. Attacks that look at updates alone."
    )


def _times(time: MergeTime | None) -> str:
    if time is None:
        return " | | "
    return f"{time.first:.3g} | {time.point:.3g} | {time.grid:.3g}"


def _tables(record: Record) -> Iterator[str]:
    rows = (
        f"| {one.backbone} | {one.stage} | {one.done} | {one.wanted} | {one.seconds:.1f} "
        f"| {one.processes} |"
        for one in record.of(TableRun)
    )
    head = ("| | stage | done | of | s | processes |", "|---|---|--:|--:|--:|--:|")
    return _section("Table 2 from scratch", head, rows)


def _predicted(record: Record) -> Iterator[str]:
    return _section(
        "Predicted: tables 1 and 2 in each backbone's own setting",
        ("| | table | work | hours |", "|---|--:|---|--:|"),
        (
            f"| {one.backbone} | {one.table} | {one.work} | {_hours(one)} |"
            for one in predictions(record)
        ),
        "Hours of this device, one process, one seed, from the speeds above "
        "(`mergebench/experiment/cost_estimate.py`). Training ends by its patience. Evaluation and "
        "merging of table 2 are what its merges take beside table 1; they add up.",
    )


def _hours(one: Prediction) -> str:
    least, most = f"{one.least:.2g}", f"{one.most:.2g}"
    return least if least == most else f"{least} to {most}"


def _share(record: Record, precision: str, flops: float) -> str:
    for one in record.of(MatrixSpeed):
        if one.precision == precision:
            return f"{100 * flops / one.flops:.0f} %"
    return ""
