"""What an audit found: counts, shares and words, as a record that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from mergebench.contracts import Knowledge
from mergebench.measure import Estimate, Hits, plain, wilson

AUDIT_FORMAT = 1
"""Version of the record."""

PeerKind = Literal["given", "suite", "synthetic"]
Whose = Literal["adapter", "plain", "left out"]

NOTHING = "none"
"""The attack of who merges nothing."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """`correct` of `size` inputs: `percent`, and Wilson's interval of 95 %, in percent."""

    correct: int
    size: int
    percent: float
    low_95: float
    high_95: float

    @classmethod
    def of(cls, hits: Hits) -> Self:
        """Return the accuracy of a model that has these inputs right, `(N,)` bool."""
        correct, size = int(np.count_nonzero(hits)), len(hits)
        found = wilson(correct, size)
        return cls(
            correct=correct,
            size=size,
            percent=100 * correct / size,
            low_95=found.low,
            high_95=found.high,
        )


@dataclass(frozen=True, kw_only=True)
class PeerRecord:
    """One of the updates that were merged with the adapter.

    `kind`: `given`, of the `suite`, or `synthetic`; `task`: whose accuracy is known, of the suite's
    alone; `norm`: Frobenius norm.
    """

    label: str
    kind: PeerKind
    sha256: str
    norm: float
    task: str | None = None


@dataclass(frozen=True, kw_only=True)
class ScalePoint:
    """The adapter alone, deployed at `scale`, on test inputs of its own task."""

    scale: float
    accuracy: Accuracy


@dataclass(frozen=True, kw_only=True)
class AuditedMerge:
    """One attack at the coefficient that validation chose.

    `attack`: as `attack@space`; `of`: whether the adapter, its plain twin or neither is among the
    merged updates. `alpha`: the coefficient. `validation`: mean accuracy over the known tasks, in
    percent. `own_share`, `peers_share`: with which share of its scale the adapter, and the peers in
    the mean, are in the merge; None for what is not merged. `accuracy`: on test, by task.
    `doubts`: what makes the merge itself doubtful, as bases cut between equal values do.
    """

    attack: str
    knowledge: Knowledge
    of: Whose
    alpha: float
    validation: float
    own_share: float | None
    peers_share: float | None
    accuracy: Mapping[str, Accuracy]
    doubts: tuple[str, ...] = ()

    @property
    def merged_with(self) -> str:
        """What is merged, in a few words; of the model itself it is nothing."""
        if self.attack == NOTHING:
            return "nothing"
        return {"adapter": "the adapter", "plain": "its twin", "left out": "peers alone"}[self.of]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What merging takes of the adapter's skill, by the best attack of one kind of merger.

    On test inputs, in points or as shares, with intervals of 95 %. `gain`: accuracy on the
    adapter's task of the merge with it minus that of the merge without it; `kept`: this as a share
    of what the adapter gains alone over the merge without it; `denied`: the share of what the plain
    twin would give in the same merges that the adapter does not, or `1 - kept` where no twin was
    given. `others`, `overall`: the same difference as `gain` on the mean of the other tasks and of
    all, where these are known; `denied_overall`: `denied` of all tasks, with a twin. None where a
    number is not defined: nothing can be kept of nothing, and beside a twin nothing is denied of an
    adapter that alone gains nothing beyond chance.
    """

    knowledge: Knowledge
    attack: str
    alpha: float
    accuracy: Accuracy
    gain: Estimate
    kept: Estimate | None
    denied: Estimate | None
    others: Estimate | None = None
    overall: Estimate | None = None
    denied_overall: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """How mergeable one adapter is: what it can alone, and what merging takes of that.

    `verdict`: one sentence; `notes`: what has to be known to read the numbers, a sentence each.
    `model`: the backbone or task file; `tasks`: on which accuracy is known, the adapter's own
    first. `base`, `alone`: test accuracy by task of the model without and with the adapter at scale
    1; `gain_alone`: the difference on its own task, in points. `left_out`: the yardstick, the best
    merge of the peers without the adapter, or the model itself. `blind`: merged by somebody who
    treats all updates alike; `informed`: by somebody who knows which one may be protected, and may
    also merge blindly. Both are None without peers.
    """

    adapter: str
    adapter_sha256: str
    norm: float
    model: str
    model_sha256: str | None
    tasks: tuple[str, ...]
    seed: int
    peers: tuple[PeerRecord, ...]
    plain: str | None
    base: Mapping[str, Accuracy]
    alone: Mapping[str, Accuracy]
    gain_alone: Estimate
    curve: tuple[ScalePoint, ...]
    merges: tuple[AuditedMerge, ...]
    left_out: AuditedMerge | None
    blind: Outcome | None
    informed: Outcome | None
    verdict: str
    notes: tuple[str, ...]
    seconds: float
    finished: str
    versions: Mapping[str, str]
    revision: str | None
    format: int = AUDIT_FORMAT

    @property
    def task(self) -> str:
        """The adapter's own task."""
        return self.tasks[0]

    def record(self) -> dict[str, Any]:
        """Return all of it in JSON's types, fields by their names."""
        found: dict[str, Any] = plain(self)
        return found
