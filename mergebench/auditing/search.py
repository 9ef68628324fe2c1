"""The merges of an audit: an attack's coefficient chosen on validation, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from mergebench.auditing.deployment import Deployment
from mergebench.auditing.merge_by_site import MergeBySite
from mergebench.auditing.record import NOTHING, Accuracy, AuditedMerge, Whose
from mergebench.auditing.source import Source
from mergebench.contracts import Attack, Merger, OnRule, Space
from mergebench.measure import Mixture
from mergebench.registry import registry
from mergebench.updates import Update

BLIND = ("ta@full", "ties@full", "tsv@full")
INFORMED = ("hold:ta@full", "hold:tsv@full")
YARDSTICKS = tuple(f"leave_out:{name}" for name in BLIND)
"""What a merger has without the adapter, with the same search."""

ALPHAS = (
    *(0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
    *(0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0),
)
LEAST_SHARE = 0.25
"""With which share of their scale peers of unknown skill are to be in a merge, in the mean.

Else nothing would hold a merger back from leaving them out: their accuracy is not seen. Sums of
updates are usually taken at 0.3 of their scale.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Searched:
    """A merge with what it has right on test inputs."""

    merge: AuditedMerge
    hits: Mixture


class Merges:
    """Measures attacks on a set of updates.

    `peers`: the others; `known`: whether the source has the tasks of all of them. Then a merger
    takes the coefficient with the best mean validation accuracy over all tasks, and else that with
    the best one on the only task among those at which the peers are in the merge. A merge has the
    adapter in it: 0 is a coefficient for who leaves it out, and for who holds it.
    """

    def __init__(
        self,
        source: Source,
        deployment: Deployment,
        peers: Sequence[Update],
        *,
        known: bool,
        seed: int = 0,
    ) -> None:
        self._source = source
        self._deployment = deployment
        self._peers = tuple(peers)
        self._known = known
        self._seed = seed

    def of(self, name: str, own: Update, *, whose: Whose) -> Searched:
        """Return the merge by the attack `name`, as `attack@space`, of `own` and the peers."""
        attack, space = configured(name)
        path = MergeBySite((own, *self._peers), attack, space, seed=self._seed)
        try:
            return self._searched(name, attack, path, whose)
        finally:
            path.close()

    def base(self) -> Searched:
        """Return the model itself, as what a merger has who merges nothing."""
        self._deployment.restore()
        merge = AuditedMerge(
            attack=NOTHING,
            knowledge="blind",
            of="left out",
            alpha=0.0,
            validation=self._score(),
            own_share=None,
            peers_share=None,
            accuracy={},
        )
        return self._tested(merge)

    def _searched(self, name: str, attack: Attack, path: MergeBySite, whose: Whose) -> Searched:
        best_alpha, best_score = 0.0, -1.0
        for alpha in self._alphas(path, whose):
            self._deployment.set(path, alpha)
            score = self._score()
            # Of equals the first where peers count, and else the one that has most of the peers.
            if score > best_score or (score == best_score and not self._known):
                best_alpha, best_score = alpha, score
        self._deployment.set(path, best_alpha)
        own, *others = path.carried(best_alpha)
        return self._tested(
            AuditedMerge(
                attack=name,
                knowledge=attack.knowledge,
                of=whose,
                alpha=best_alpha,
                validation=best_score,
                own_share=None if whose == "left out" else own,
                peers_share=fmean(others),
                accuracy={},
                doubts=path.doubts,
            )
        )

    def _alphas(self, path: MergeBySite, whose: Whose) -> Iterator[float]:
        if self._known:
            holds = path.carried(0.0)[0] != 0
            yield from ALPHAS if holds or whose == "left out" else ALPHAS[1:]
            return
        there = [alpha for alpha in ALPHAS if fmean(path.carried(alpha)[1:]) >= LEAST_SHARE]
        yield from there or ALPHAS[-1:]

    def _score(self) -> float:
        """Return the mean validation accuracy over the known tasks, in percent."""
        return 100 * fmean(float(own.mean()) for own in self._source.hits("val").values())

    def _tested(self, merge: AuditedMerge) -> Searched:
        hits = self._source.hits("test")
        accuracy = {task: Accuracy.of(own) for task, own in hits.items()}
        return Searched(merge=replace(merge, accuracy=accuracy), hits=hits)


def configured(name: str) -> tuple[Attack, Space]:
    """Return the attack and the space of `attack[:rule]@space`, with their own options."""
    words, _, space = name.partition("@")
    attack, _, rule = words.partition(":")
    found = registry().get(Attack, attack).configured()
    if rule:
        assert isinstance(found, OnRule)
        found = replace(found, rule=registry().get(Merger, rule).configured())
    return found, registry().get(Space, space)()
