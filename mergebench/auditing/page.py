"""Audits as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mergebench.auditing.record import Accuracy, Audit, Outcome, ScalePoint
from mergebench.auditing.words import NO_INTERVAL
from mergebench.measure import Estimate
from mergebench.report.page import (
    Cell,
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

_OUTCOMES = {"blind": "who treats all alike", "informed": "who knows which one it is"}


def audit_page(audits: Sequence[Audit], command: str) -> Page:
    """Return the page of audits; `command`: what measures them again."""
    return Page(
        title="How mergeable: " + ", ".join(map(_name, audits)),
        summary=tuple(
            one.verdict if len(audits) == 1 else f"{_name(one)}: {one.verdict}" for one in audits
        ),
        sections=tuple(_section(one, command) for one in audits),
    )


def _name(audit: Audit) -> str:
    """Return what the adapter is called, wherever it lies."""
    return Path(audit.adapter).resolve().name or audit.adapter


def _section(audit: Audit, command: str) -> Section:
    origin = Origin(
        title=f"Audit of {audit.adapter}",
        command=command,
        record=json.dumps(audit.record(), indent=1, ensure_ascii=False),
    )
    outcomes = [one for one in (audit.blind, audit.informed) if one is not None]
    tables = [_models(audit, origin)]
    if outcomes:
        tables += [_taken(outcomes, origin), _merges(audit, origin)]
    return Section(
        title=_name(audit),
        subtitle=f"on {audit.model}",
        paragraphs=audit.notes,
        plots=(_curve(audit, origin), *([_dots(audit, origin)] if outcomes else [])),
        tables=(*tables, _peers(audit)) if audit.peers else tuple(tables),
        facts=_facts(audit, command),
    )


def _facts(audit: Audit, command: str) -> tuple[tuple[str, str], ...]:
    place = audit.revision or "an installed package"
    return (
        ("Command", command),
        ("Adapter", f"{audit.adapter}, SHA-256 {audit.adapter_sha256}, norm {audit.norm:.4g}"),
        ("Model", f"{audit.model}, SHA-256 {audit.model_sha256 or 'not known'}"),
        ("Seed", str(audit.seed)),
        ("Measured", f"{audit.finished}, in {audit.seconds:g} s, by {place}"),
        ("Versions", ", ".join(f"{name} {one}" for name, one in audit.versions.items())),
    )


def _curve(audit: Audit, origin: Origin) -> CurvePlot:
    def mark(point: ScalePoint) -> Mark:
        one = point.accuracy
        return Mark(
            x=point.scale,
            y=one.percent,
            text=_text(one),
            low=one.low_95,
            high=one.high_95,
            origin=origin,
        )

    return CurvePlot(
        title="The adapter alone, by the scale that it is deployed with",
        x_label="scale",
        y_label=f"accuracy on {audit.task}, %",
        series=(Curve(name="the adapter", marks=tuple(map(mark, audit.curve))),),
        y_range=(0.0, 100.0),
    )


def _dots(audit: Audit, origin: Origin) -> DotPlot:
    rows = {
        "the model": audit.base[audit.task],
        "the adapter alone": audit.alone[audit.task],
        **{
            f"{one.attack}, {one.merged_with}": one.accuracy[audit.task]
            for one in audit.merges
            if one.of != "left out"
        },
    }
    if audit.left_out is not None:
        rows["merged without it"] = audit.left_out.accuracy[audit.task]
    dots = tuple(
        Dot(
            name=name,
            value=one.percent,
            text=_text(one),
            low=one.low_95,
            high=one.high_95,
            origin=origin,
        )
        for name, one in rows.items()
    )
    return DotPlot(
        title=f"Accuracy on {audit.task}, alone and merged",
        x_label="%",
        series=(Dots(name="test accuracy", dots=dots),),
        x_range=(0.0, 100.0),
    )


def _models(audit: Audit, origin: Origin) -> PageTable:
    rows: dict[str, Mapping[str, Accuracy]] = {
        "the model": audit.base,
        "the adapter alone": audit.alone,
    }
    if audit.left_out is not None:
        rows["merged without it"] = audit.left_out.accuracy
    return PageTable(
        caption="Test accuracy, %",
        columns=(PageColumn(name=""), *(PageColumn(name=task) for task in audit.tasks)),
        rows=tuple(
            (name, *(_accuracy(own[task], origin) for task in audit.tasks))
            for name, own in rows.items()
        ),
        note="Intervals of 95 % (Wilson), over other test inputs like these.",
    )


def _taken(outcomes: Sequence[Outcome], origin: Origin) -> PageTable:
    columns = (
        PageColumn(name="merged by"),
        PageColumn(name="attack", hint="the best on validation inputs, and its coefficient"),
        PageColumn(name="accuracy, %"),
        PageColumn(name="gain, points", hint="with the adapter minus without it, on its task"),
        PageColumn(name="kept", hint="of what the adapter gains alone over leaving it out"),
        PageColumn(name="denied", hint="of what a plain adapter gains, or else what is not kept"),
        PageColumn(name="others, points", hint="on the other tasks, with it minus without it"),
        PageColumn(name="all, points", hint="on all tasks, with it minus without it"),
        PageColumn(name="denied, all", hint="of what a plain adapter gains on all tasks"),
    )
    return PageTable(
        caption="What merging takes",
        columns=columns,
        rows=tuple(
            (
                _OUTCOMES[one.knowledge],
                f"{one.attack}, {one.alpha:g}",
                _accuracy(one.accuracy, origin),
                _estimate(one.gain, 1, origin),
                *(_estimate(found, 2, origin) for found in (one.kept, one.denied)),
                *(_estimate(found, 1, origin) for found in (one.others, one.overall)),
                _estimate(one.denied_overall, 2, origin),
            )
            for one in outcomes
        ),
        note="Empty where it is not known or not defined.",
    )


def _merges(audit: Audit, origin: Origin) -> PageTable:
    names = ("attack", "with", "coefficient", "its share", "peers' share")
    return PageTable(
        caption="All merges, at the coefficients that validation chose",
        columns=(*map(_column, names), *(PageColumn(name=f"{one}, %") for one in audit.tasks)),
        rows=tuple(
            (
                one.attack,
                one.merged_with,
                *map(_number, (one.alpha, one.own_share, one.peers_share)),
                *(_accuracy(one.accuracy[task], origin) for task in audit.tasks),
            )
            for one in audit.merges
        ),
        note="Share: with which part of its scale an update is in the merge.",
        folded=True,
    )


def _peers(audit: Audit) -> PageTable:
    names = ("peer", "kind", "task", "norm", "SHA-256")
    return PageTable(
        caption="Peers",
        columns=tuple(map(_column, names)),
        rows=tuple(
            (one.label, one.kind, one.task or "not known", _number(one.norm), one.sha256[:16])
            for one in audit.peers
        ),
        folded=True,
    )


def _column(name: str) -> PageColumn:
    return PageColumn(name=name)


def _number(value: float | None) -> Cell:
    return "" if value is None else Number(value=value, text=f"{value:.3g}")


def _accuracy(one: Accuracy, origin: Origin) -> Number:
    return Number(
        value=one.percent,
        text=f"{one.percent:.1f}",
        low=one.low_95,
        high=one.high_95,
        interval=f"{one.low_95:.1f} to {one.high_95:.1f}",
        origin=origin,
    )


def _estimate(one: Estimate | None, digits: int, origin: Origin) -> Cell:
    if one is None:
        return ""
    around = one.interval
    return Number(
        value=one.value,
        text=f"{one.value:z.{digits}f}",
        low=None if around is None else around.low,
        high=None if around is None else around.high,
        interval=NO_INTERVAL
        if around is None
        else f"{around.low:z.{digits}f} to {around.high:z.{digits}f}",
        origin=origin,
    )


def _text(one: Accuracy) -> str:
    return f"{one.percent:.1f} % ({one.correct} of {one.size})"
