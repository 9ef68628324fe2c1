"""An entry of the leaderboard: what somebody claims of a protection, with the counts behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mergebench.contracts import DataUse, Knowledge
from mergebench.errors import InputError
from mergebench.files import read_bounded
from mergebench.measure import Context, CounterMerge, Estimate, Level, Measurements, Merged
from mergebench.report.leaderboard import Standing, leaderboard
from mergebench.report.writing import write_text

_DIGITS = 4
_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
_Name = Annotated[str, Field(pattern=f"^{_NAME}$")]
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Number(_Strict):
    """A number in points, or a share, with the ends of its 95 % interval where it has one."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, estimate: Estimate | None) -> Number | None:
        """Return an estimate rounded as entries state it."""
        if estimate is None:
            return None
        ends = estimate.interval
        low, high = (None, None) if ends is None else (ends.low, ends.high)
        rounded = [None if one is None else round(one, _DIGITS) for one in (low, high)]
        return cls(value=round(estimate.value, _DIGITS), low=rounded[0], high=rounded[1])


class ClaimedMerge(_Strict):
    """What was taken or compared with, and its correct test inputs by task."""

    attack: str
    space: str
    alpha: float
    options: Mapping[str, Any]
    correct: Mapping[str, _Count]

    @classmethod
    def of(cls, merged: Merged) -> ClaimedMerge:
        """Return a merge as entries state it."""
        return cls(
            attack=merged.attack,
            space=merged.space,
            alpha=merged.alpha,
            options=dict(merged.options),
            correct=dict(merged.correct),
        )


class ClaimedCase(_Strict):
    """One target and seed: fields as of `Pick`."""

    target: str
    seed: int
    taken: ClaimedMerge
    left_out: ClaimedMerge
    unprotected: ClaimedMerge


class Claim(_Strict):
    """What taking the update gains one attacker, and how much of it is denied: as of `Gain`."""

    knowledge: Knowledge
    data: DataUse
    gain: Number | None
    gain_target: Number | None
    denied: Number | None
    denied_target: Number | None
    cases: tuple[ClaimedCase, ...]

    @property
    def name(self) -> str:
        """The level, as tables call it."""
        return Level(knowledge=self.knowledge, data=self.data, attacks=()).name

    @classmethod
    def of(cls, standing: Standing) -> Claim:
        """Return a place on the leaderboard as entries state it."""
        gain = standing.gain
        return cls(
            knowledge=standing.level.knowledge,
            data=standing.level.data,
            gain=Number.of(gain.overall),
            gain_target=Number.of(gain.target),
            denied=Number.of(gain.denied),
            denied_target=Number.of(gain.denied_target),
            cases=tuple(
                ClaimedCase(
                    target=pick.target,
                    seed=pick.seed,
                    taken=ClaimedMerge.of(pick.taken),
                    left_out=ClaimedMerge.of(pick.left_out),
                    unprotected=ClaimedMerge.of(pick.unprotected),
                )
                for pick in standing.picks
            ),
        )


class Counter(_Strict):
    """A merged update that reaches more against one protected update than the standard set does.

    It is in `<name>.safetensors` beside the entry, with the hash `merged`. `knowledge`, `data`:
    what it was made with. `validated`, `correct`: of all validation and test inputs, by task.
    """

    target: str
    seed: int
    knowledge: Knowledge
    data: DataUse
    merged: _Hash
    validated: Mapping[str, _Count]
    correct: Mapping[str, _Count]

    @property
    def level(self) -> Level:
        """What it was made with, as levels are stated."""
        return Level(knowledge=self.knowledge, data=self.data, attacks=())


class Entry(_Strict):
    """A protection on one backbone: who claims what, and how to measure it again.

    `claims` of whoever enters the protection, or the `counter`-evaluation of somebody else.

    `command`: of the leaderboard that states the claims; `worst_case`: version of its set of
    attacks. `adapters`: SHA-256 by `<task>-<protection>-<seed>`, of every update that was merged.
    `sizes`: test inputs by task. The file is called `<name>.json`.
    """

    format: Literal[1] = 1
    name: _Name
    who: Annotated[str, Field(min_length=1, max_length=200)]
    date: str
    worst_case: int
    command: str
    backbone: str
    backbone_sha256: _Hash
    suite: str
    suite_sha256: _Hash
    release: Literal["lora", "full"]
    protection: str
    adapters: Mapping[str, _Hash]
    sizes: Mapping[str, _Count]
    claims: tuple[Claim, ...] = ()
    counter: Counter | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.claims) == (self.counter is not None):
            raise ValueError("an entry has claims, or a counter-evaluation: one of them, not both")
        if len({claim.name for claim in self.claims}) < len(self.claims):
            raise ValueError("claims: a level is claimed twice")
        for where, correct in self._counts():
            lacking = sorted(self.sizes.keys() ^ correct.keys())
            if lacking:
                raise ValueError(f"{where}: correct and sizes are not both of {lacking[0]}")
            many = [task for task, size in self.sizes.items() if correct[task] > size]
            if many:
                raise ValueError(f"{where}: more of {many[0]} are correct than there are")
        return self

    def _counts(self) -> Iterator[tuple[str, Mapping[str, int]]]:
        """Yield all counts of correct test inputs, and where they stand."""
        if self.counter is not None:
            yield "counter", self.counter.correct
        for claim in self.claims:
            for case in claim.cases:
                where = f"claims, {claim.name}, {case.target}, seed {case.seed}"
                for what in ("taken", "left_out", "unprotected"):
                    yield f"{where}, {what}", getattr(case, what).correct


def entry_of(
    measurements: Measurements,
    levels: Sequence[Level],
    yardsticks: Sequence[str],
    *,
    protection: str,
    about: Mapping[str, Any],
) -> Entry:
    """Return the entry of one protection of a leaderboard.

    `about`: its fields `name`, `who`, `worst_case` and `adapters`. Raises `ValueError` as
    `leaderboard`, and for fields that no entry can have.
    """
    board, context = leaderboard(measurements, levels, yardsticks), measurements.context
    own = [one for one in board.standings if one.protection == protection]
    fields = {**about, **_measured_on(context), "sizes": own[0].picks[0].taken.sizes}
    fields |= {"protection": protection, "claims": [Claim.of(one) for one in own]}
    return Entry(**fields)


def counter_entry(
    counter: CounterMerge, context: Context, *, merged: str, about: Mapping[str, Any]
) -> Entry:
    """Return the entry of a counter-evaluation whose file has the hash `merged`.

    `about`: as of `entry_of`.
    """
    found = counter.merged
    claimed = Counter(
        target=str(found.target),
        seed=found.seed,
        knowledge=counter.level.knowledge,
        data=counter.level.data,
        merged=merged,
        validated=found.validated,
        correct=found.correct,
    )
    return Entry(
        **about,
        **_measured_on(context),
        protection=found.protection,
        sizes=found.sizes,
        counter=claimed,
    )


def check_name(name: str) -> None:
    """Raise `InputError` for a name that no entry can have."""
    if not re.fullmatch(_NAME, name):
        raise InputError(
            f"entry {name!r}: a name has up to 64 lower-case letters, digits and ._-, and begins "
            "with one of the first two"
        )


def write_entry(entry: Entry, folder: Path) -> Path:
    """Write `<name>.json` and return it; `InputError` if it cannot be written."""
    text = json.dumps(entry.model_dump(mode="json"), indent=1, sort_keys=True)
    return write_text(folder / f"{entry.name}.json", f"{text}\n")


def read_entry(file: Path) -> Entry:
    """Return the entry in a file; `InputError`, naming the field, if there is none."""
    try:
        entry = Entry.model_validate_json(read_bounded(file))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise InputError(f"{file} is no entry: {_first(error)}") from None
    if entry.name != file.stem:
        raise InputError(f"{file} is the entry {entry.name}: call it {entry.name}.json")
    return entry


def _measured_on(context: Context) -> dict[str, Any]:
    names = ("date", "command", "backbone", "backbone_sha256", "suite", "suite_sha256", "release")
    return {name: getattr(context, name) for name in names}


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    where = ".".join(str(part) for part in found["loc"])  # empty of text that is no JSON
    what = str(found["msg"]).removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
