"""The audit of adapters: everything that is measured, in its order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from torch import nn

from mergebench.auditing.backbone_bench import BackboneBench
from mergebench.auditing.bench import Bench
from mergebench.auditing.deployment import Alone, Deployment
from mergebench.auditing.outcomes import LEAST_INPUTS, Compared, best, gain_alone
from mergebench.auditing.record import Accuracy, Audit, Outcome, ScalePoint, Whose
from mergebench.auditing.request import Request
from mergebench.auditing.search import BLIND, INFORMED, YARDSTICKS, Merges, Searched
from mergebench.auditing.source import Source
from mergebench.auditing.task_file_bench import TaskFileBench
from mergebench.auditing.updates import Updates, load_updates
from mergebench.auditing.words import notes, verdict
from mergebench.measure import Hits, Mixture, code_revision, package_versions
from mergebench.updates import Update

SCALES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
"""At which an adapter is deployed alone: close to 1, where a trap turns, in small steps."""

Tell = Callable[[str], None]
"""Is told in a line what is measured next."""


def make_bench(request: Request) -> Bench:
    """Return where adapters are audited; `InputError` for a model or data that cannot be used."""
    return BackboneBench(request) if request.task is None else TaskFileBench(request)


def audit_on(bench: Bench, adapter: str, *, tell: Tell = lambda line: None) -> Audit:
    """Return the audit of one adapter.

    The model's weights are the same before and after. Raises `InputError` for an adapter or a peer
    that does not fit the model or the others.
    """
    start = time.perf_counter()
    updates = load_updates(bench, adapter)
    with Deployment(_changed(bench.source, updates.own)) as deployment:
        measured = _measured(bench, updates, deployment, tell)
    return _audit(bench, updates, measured, time.perf_counter() - start)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """What the model had right in every state, on test inputs.

    `unsteady`: on how many validation inputs two looks at the same weights differ;
    `validation_inputs`: of the task that has fewest.
    """

    base: Mixture
    alone: Mixture
    curve: tuple[ScalePoint, ...]
    left_out: tuple[Searched, ...] = ()
    adapter: tuple[Searched, ...] = ()
    plain: tuple[Searched, ...] = ()
    unsteady: int = 0
    validation_inputs: int = 0


def _measured(bench: Bench, updates: Updates, deployment: Deployment, tell: Tell) -> _Measured:
    source, path = bench.source, Alone(updates.own.sites)
    first, second = source.hits("val"), source.hits("val")
    unsteady = sum(int((own != second[task]).sum()) for task, own in first.items())
    base = source.hits("test")
    tell("the adapter alone")
    deployment.set(path, 1.0)
    alone = source.hits("test")
    curve = tuple(_curve(source, path, deployment, {0.0: base, 1.0: alone}))
    merged = _merged(bench, updates, deployment, tell) if updates.peers else {}
    return _Measured(
        base=base,
        alone=alone,
        curve=curve,
        unsteady=unsteady,
        validation_inputs=min(map(len, first.values())),
        **merged,
    )


def _curve(
    source: Source, path: Alone, deployment: Deployment, seen: Mapping[float, Mixture]
) -> Iterator[ScalePoint]:
    task = source.tasks[0]
    for scale in SCALES:
        if scale in seen:
            own = seen[scale][task]
        else:
            deployment.set(path, scale)
            own = source.hits("test", [task])[task]
        yield ScalePoint(scale=scale, accuracy=Accuracy.of(own))


def _merged(
    bench: Bench, updates: Updates, deployment: Deployment, tell: Tell
) -> dict[str, tuple[Searched, ...]]:
    merges = Merges(
        bench.source,
        deployment,
        [peer.update for peer in updates.peers],
        known=updates.known,
        seed=bench.request.seed,
    )

    def searched(names: Sequence[str], update: Update, whose: Whose) -> Iterator[Searched]:
        for name in names:
            tell(f"{name}, {_OF[whose]}")
            yield merges.of(name, update, whose=whose)

    every, plain = (*BLIND, *INFORMED), updates.plain
    return {
        "left_out": (merges.base(), *searched(YARDSTICKS, updates.own, "left out")),
        "adapter": tuple(searched(every, updates.own, "adapter")),
        "plain": () if plain is None else tuple(searched(every, plain, "plain")),
    }


_OF = {
    "adapter": "with the adapter",
    "plain": "with its plain twin",
    "left out": "without the adapter",
}


def _audit(bench: Bench, updates: Updates, measured: _Measured, seconds: float) -> Audit:
    source, request = bench.source, bench.request
    peers = tuple(peer.record() for peer in updates.peers)
    gain = gain_alone(source.tasks[0], measured.base, measured.alone)
    blind, informed, held = _outcomes(source, measured)
    merges = tuple(one.merge for one in (*measured.left_out, *measured.adapter, *measured.plain))
    told = (
        *notes(
            peers,
            merges,
            [one for one in (blind, informed) if one is not None],
            known=updates.known,
            plain=updates.plain is not None,
            gain_alone=gain,
            validation=measured.validation_inputs,
            test=len(measured.alone[source.tasks[0]]),
        ),
        *_unsteady_note(measured),
        *_nothing_right(measured.alone[source.tasks[0]], updates.own.norm()),
        *bench.notes_on(updates.own),
    )
    return Audit(
        adapter=updates.own.label,
        adapter_sha256=updates.own.sha256,
        norm=updates.own.norm(),
        model=source.name,
        model_sha256=source.sha256,
        tasks=source.tasks,
        seed=request.seed,
        peers=peers,
        plain=None if updates.plain is None else updates.plain.label,
        base=_accuracies(measured.base),
        alone=_accuracies(measured.alone),
        gain_alone=gain,
        curve=measured.curve,
        merges=merges,
        left_out=best(measured.left_out).merge if measured.left_out else None,
        blind=blind,
        informed=informed,
        verdict=verdict(
            *(source.tasks[0], gain, peers, blind, informed, held),
            plain=updates.plain is not None,
        ),
        notes=told,
        seconds=round(seconds, 1),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
        revision=code_revision(),
    )


def _outcomes(source: Source, measured: _Measured) -> tuple[Outcome | None, ...]:
    """Return what who merges blindly takes, who knows the adapter, and who holds it."""
    if not measured.adapter:
        return None, None, None
    compared = Compared(
        task=source.tasks[0], alone=measured.alone, left_out=best(measured.left_out).hits
    )
    blind = len(BLIND)
    return (
        compared.outcome("blind", measured.adapter[:blind], measured.plain[:blind]),
        compared.outcome("informed", measured.adapter, measured.plain),
        compared.outcome("informed", measured.adapter[blind:], measured.plain[blind:]),
    )


def _unsteady_note(measured: _Measured) -> Iterator[str]:
    if measured.unsteady:
        yield (
            f"Two looks at the same weights differ on {measured.unsteady} validation inputs, "
            "which no interval accounts for: something draws at random, or the device does."
        )


def _nothing_right(alone: Hits, norm: float) -> Iterator[str]:
    if not alone.any() and len(alone) >= LEAST_INPUTS:
        yield (
            f"Alone, at s = 1, the adapter has none of {len(alone)} test inputs right, which "
            "hardly happens by chance: outputs that are not finite count as wrong (its norm is "
            f"{norm:.3g})."
        )


def _accuracies(hits: Mixture) -> dict[str, Accuracy]:
    return {task: Accuracy.of(own) for task, own in hits.items()}


def _changed(source: Source, update: Update) -> dict[str, nn.Parameter]:
    return {site: source.parameters[site] for site in update.sites}
