"""What an experiment measured, as tables and figures read it: integer counts and context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mergebench.contracts import DataUse
from mergebench.measure.cell_warnings import CellWarning
from mergebench.measure.level import Level

ZERO_SHOT = "zero_shot"
UNPROTECTED = "none"
FROM_BASE = "from_base"
"""The row of attacks that start from W0 in place of a merge (`DataMerger.from_base`)."""

REALIGN = "realign:"
"""What attacks are called that put the protected update back beside W0 before they merge."""

COUNTER = "counter"
"""What attacks of others are called: `counter:<entry>`; only their merged update is known."""


@dataclass(frozen=True, kw_only=True)
class Standalone:
    """Test accuracy of one model on one task: the zero-shot backbone or a released update.

    `release` is `zero_shot` or a protection's name; `correct` of `size` test inputs; `hits`: which
    of them (`mergebench.measure.cell.packed`); `norm`: of the update, where it was asked for;
    `warnings`: what makes the number doubtful.
    """

    seed: int
    release: str
    task: str
    correct: int
    size: int
    hits: str = ""
    norm: float | None = None
    warnings: tuple[CellWarning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Test accuracy, in float32, of a checkpoint that was stored in a `dtype` (fp32, fp16, bf16).

    The rest as of `Standalone`.
    """

    seed: int
    release: str
    task: str
    dtype: str
    correct: int
    size: int
    hits: str = ""


class MergeKey(NamedTuple):
    """What a merge is of; `attack`: with its space, as `attack@space`; the rest as of `Merged`."""

    protection: str
    attack: str
    target: str | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Test counts of one merge: one attack in one space on the updates of all tasks.

    `target` is the task whose update is protected by `protection`; with `none` all updates are
    unprotected and `target` is None, unless the attack itself is about one; with `from_base`
    nothing was merged. `alpha` and `options` were chosen on validation; `points` is the number of
    evaluated points; `correct` and `sizes` are by task, and so is `hits`, which test inputs are
    correct (`cell.packed`); `validated` of `validation_sizes` validation inputs, those of the
    search, are correct at the chosen point, and `confirmed` of `confirmation_sizes`, all of them,
    where that was asked for; `warnings`: what makes the numbers doubtful. `empty`: the model is
    W0, the best coefficient being 0 or what it multiplies. `alphas`: the coefficients that the
    search might choose, empty where that was not stated. `held`: by task the scale at which the
    merge holds its update (`mergebench.updates.scale_along`), where it was asked for, and of who is
    asked for, as `<task> leading`, its leading directions, and as `<task> gap` the smallest
    relative gap at which those end, which old cells do not have.
    """

    seed: int
    protection: str
    target: str | None
    attack: str
    space: str
    alpha: float
    options: Mapping[str, Any]
    points: int
    correct: Mapping[str, int]
    sizes: Mapping[str, int]
    hits: Mapping[str, str] = field(default_factory=dict)
    validated: Mapping[str, int] = field(default_factory=dict)
    validation_sizes: Mapping[str, int] = field(default_factory=dict)
    confirmed: Mapping[str, int] = field(default_factory=dict)
    confirmation_sizes: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[CellWarning, ...] = ()
    empty: bool = False
    alphas: tuple[float, ...] = ()
    held: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The attack and its space, as `attack@space`."""
        return f"{self.attack}@{self.space}"

    @property
    def key(self) -> MergeKey:
        """What tells it from the other merges of one experiment, looked at or not."""
        return MergeKey(
            protection=self.protection, attack=self.name, target=self.target, seed=self.seed
        )

    @property
    def multiplies_each_update(self) -> bool:
        """Whether every update was given a coefficient of its own, beside `alpha`.

        Attacks that do so have an option `coefficients`, which may be 0.
        """
        return "coefficients" in self.options


@dataclass(frozen=True, kw_only=True)
class Theft:
    """The mixture with the best target accuracy that costs the other tasks little (`theft`).

    Of one target and seed, by an attacker at `level`; `bound`: what it may cost, in points;
    `inputs`: how many of the target's task he has at most, None where attacks have budgets of their
    own; `protection` `from_base`: a mixture made without the update. `merged` None: every mixture
    costs more. Both on validation inputs.
    """

    protection: str
    target: str
    seed: int
    level: Level
    bound: int
    merged: Merged | None = None
    inputs: int | None = None


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """Attacks that were not run on a protection, nothing being denied to cheaper ones.

    `attacks`: as `attack@space`; `after`: the last one that was run; None where they cannot merge
    what the protection releases.
    """

    protection: str
    attacks: tuple[str, ...]
    after: str | None


@dataclass(frozen=True, kw_only=True)
class CounterMerge:
    """A merged update that somebody else made against one protected update (`COUNTER`).

    `level`: what he knew and was given.
    """

    level: Level
    merged: Merged


@dataclass(frozen=True, kw_only=True)
class ScaleCurve:
    """Correct counts of one update on its own task at every deployed scale `s`.

    They are of test inputs, unless who asks for them says otherwise.
    """

    seed: int
    release: str
    task: str
    scales: tuple[float, ...]
    correct: tuple[int, ...]
    size: int


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """Test accuracy on the target's task after an attack with few inputs.

    `protection`: of the target's update among those that are merged, `from_base` for W0 and no
    merge. `inputs_per_class`: how many were seen, 0 for the start itself; `inputs` in all, `data`
    saying whether with labels. `correct` of `size` test inputs.
    """

    seed: int
    protection: str
    target: str
    inputs_per_class: int
    inputs: int
    correct: int
    size: int
    data: DataUse = "labelled"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a caption states: how the numbers came about.

    `command` reproduces them; `date` is the day (ISO) on which the newest of them was measured;
    hashes identify the weights and the suite, whose tasks have `inputs` ("images", "texts");
    `revisions` are the git commits of the code that measured them; `release`: in which form updates
    are released, `lora` or `full`; `notes` are further facts, one sentence each.
    """

    command: str
    date: str
    backbone: str
    backbone_sha256: str
    suite: str
    suite_sha256: str
    tasks: tuple[str, ...]
    protocol: str
    seeds: tuple[int, ...]
    precision: str
    device: str
    versions: Mapping[str, str]
    revisions: tuple[str, ...] = ()
    release: str = "lora"
    inputs: str = "images"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """Everything that one table or figure shows."""

    context: Context
    standalone: tuple[Standalone, ...] = ()
    merged: tuple[Merged, ...] = ()
    curves: tuple[ScaleCurve, ...] = ()
    recovered: tuple[Recovered, ...] = ()
    thefts: tuple[Theft, ...] = ()
    counters: tuple[CounterMerge, ...] = ()
    stored: tuple[Stored, ...] = ()
    not_run: tuple[NotRun, ...] = ()

    def run_on(self, protection: str, attacks: Iterable[str]) -> list[str]:
        """Return those of `attacks` that were run on `protection`."""
        left_out = {
            name for one in self.not_run if one.protection == protection for name in one.attacks
        }
        return [name for name in attacks if name not in left_out]
