"""Entries of the leaderboard measured again, and how what was found differs from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mergebench.contracts import DataUse
from mergebench.experiment import (
    WORST_CASE,
    Experiment,
    Monitor,
    is_post_hoc,
    levels,
    measure_standard_set,
    released_hashes,
    yardsticks,
)
from mergebench.measure import Choices
from mergebench.report import Claim, ClaimedCase, ClaimedMerge, Entry, Number, entry_of
from mergebench.verification.claimed_numbers import contradictions
from mergebench.verification.counter_entries import Difference, counter_differences


@dataclass(frozen=True, kw_only=True)
class VerifiedEntry:
    """An entry and a sentence for each thing that is not as it says; none if all is.

    `beyond`: those that a difference of so many inputs as is tolerated does not explain.
    """

    name: str
    differences: tuple[str, ...]
    beyond: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the entry is confirmed."""
        return not self.beyond


def verified_entry(
    entry: Entry,
    file: Path,
    experiment: Experiment,
    monitor: Monitor,
    *,
    processes: int,
    tolerance: int,
) -> VerifiedEntry:
    """Measure everything that the entry in `file` claims again, but for what is in the store.

    Every attack is searched anew, so that what was taken is verified as well as its counts. With a
    `tolerance` in inputs above 0, updates may be others and choices may fall otherwise, as they do
    on another processor, if only the counts are within it; claims have to follow from the stated
    counts with any.
    """
    wrong = tuple(_other_inputs(entry, experiment))
    if wrong:
        return VerifiedEntry(name=entry.name, differences=wrong, beyond=wrong)
    if entry.counter is not None:
        return _verified_counter(
            entry, file, experiment, monitor, processes=processes, tolerance=tolerance
        )
    found = _measured(entry, experiment, monitor, processes)
    parts = *contradictions(entry), *_parts(entry, found)
    counts, rest = dict(_counts(entry, found)), tuple(_rest(entry, found))
    beyond = *parts, *(text for text, size in counts.items() if size > tolerance)
    return VerifiedEntry(
        name=entry.name,
        differences=(*parts, *counts, *rest),
        beyond=beyond if tolerance else (*beyond, *rest),
    )


def _verified_counter(
    entry: Entry,
    file: Path,
    experiment: Experiment,
    monitor: Monitor,
    *,
    processes: int,
    tolerance: int,
) -> VerifiedEntry:
    """Measure a counter-evaluation, and whether validation prefers it to the standard set.

    That it does has to be found with any tolerance: without it there is no counter-evaluation.
    """
    found, differences = counter_differences(entry, file, experiment)
    if found is not None and all(one.within(tolerance) for one in differences):
        kinds = get_args(DataUse)
        data = kinds[: kinds.index(found.level.data) + 1]
        chosen = levels(entry.release, data=data, checkpoints=is_post_hoc(entry.protection))
        measured, *_ = measure_standard_set(
            experiment, chosen, yardsticks(entry.release), monitor, processes=processes
        )
        one, choices = found.merged, Choices(measured.merged)
        allowed = [level.attacks for level in chosen if found.level.allows(level)]
        usable = [measured.run_on(entry.protection, attacks) for attacks in allowed]
        place = entry.protection, usable, str(one.target), one.seed
        ours = choices.taking(*place, others=[one]).best
        if ours is not one:
            text = f"{ours.name} reaches as much on validation inputs"
            differences.append(Difference(text=text))
    return VerifiedEntry(
        name=entry.name,
        differences=tuple(one.text for one in differences),
        beyond=tuple(one.text for one in differences if not one.within(tolerance)),
    )


def _measured(entry: Entry, experiment: Experiment, monitor: Monitor, processes: int) -> Entry:
    data = list(dict.fromkeys(claim.data for claim in entry.claims))
    chosen = levels(entry.release, data=data, checkpoints=is_post_hoc(entry.protection))
    without = yardsticks(entry.release)
    measured, *_ = measure_standard_set(experiment, chosen, without, monitor, processes=processes)
    about = {"name": entry.name, "who": entry.who, "worst_case": WORST_CASE}
    return entry_of(
        measured,
        chosen,
        without,
        protection=entry.protection,
        about={**about, "adapters": released_hashes(experiment, entry.protection)},
    )


def _other_inputs(entry: Entry, experiment: Experiment) -> Iterator[str]:
    """Yield what speaks against comparing any numbers."""
    bench = experiment.workbench()
    here = {
        "worst_case": WORST_CASE,
        "backbone": bench.backbone.name,
        "backbone_sha256": bench.backbone.sha256,
        "suite": bench.suite.name,
        "suite_sha256": bench.suite.sha256,
        "release": experiment.setting.release,
    }
    for field, value in here.items():
        if getattr(entry, field) != value:
            yield f"{field} is {getattr(entry, field)} there, {value} here"
    if entry.protection not in experiment.protections:
        yield f"its command does not measure {entry.protection}"


def _counts(stated: Entry, found: Entry) -> Iterator[tuple[str, int]]:
    """Yield where counts differ, and by how many inputs."""
    for claim, case, other in _cases(stated, found):
        for what in ("taken", "left_out", "unprotected"):
            mine, theirs = getattr(case, what), getattr(other, what)
            for task, right in mine.correct.items():
                now = theirs.correct.get(task)
                if now != right:
                    where, distance = _place((claim, case)), abs((now or 0) - right)
                    yield f"{where}, {what}: {right} of {task} there, {now} here", distance


def _parts(stated: Entry, found: Entry) -> Iterator[str]:
    """Yield what is claimed of other inputs, levels, targets or seeds than its command measures."""
    yield from _unlike("test inputs of", stated.sizes, found.sizes)
    for name in sorted(stated.adapters.keys() ^ found.adapters.keys()):
        yield f"adapter {name} is {'stated' if name in stated.adapters else 'not stated'} there"
    mine, theirs = ([*map(_place, _each(one))] for one in (stated, found))
    for place in dict.fromkeys([*mine, *theirs]):
        if mine.count(place) != theirs.count(place):
            yield f"{place}: {mine.count(place)} claims there, {theirs.count(place)} measured here"


def _rest(stated: Entry, found: Entry) -> Iterator[str]:
    """Yield what else differs: updates, choices, and what follows from the counts."""
    for name in sorted(stated.adapters.keys() & found.adapters.keys()):
        if stated.adapters[name] != found.adapters[name]:
            yield f"adapter {name} is {stated.adapters[name]} there, {found.adapters[name]} here"
    for claim, case, other in _cases(stated, found):
        for what in ("taken", "left_out", "unprotected"):
            mine, theirs = _choice(getattr(case, what)), _choice(getattr(other, what))
            if mine != theirs:
                yield f"{_place((claim, case))}: {what} is {mine} there, {theirs} here"
    measured = {claim.name: claim for claim in found.claims}
    for claim in stated.claims:
        for field in ("gain", "gain_target", "denied", "denied_target"):
            there, here = getattr(claim, field), getattr(measured.get(claim.name), field, None)
            if claim.name in measured and there != here:
                yield f"{claim.name}: {field} is {_text(there)} there, {_text(here)} here"


def _cases(stated: Entry, found: Entry) -> Iterator[tuple[Claim, ClaimedCase, ClaimedCase]]:
    """Yield the cases that both have."""
    here = {_place(one): one[1] for one in _each(found)}
    for claim, case in _each(stated):
        other = here.get(_place((claim, case)))
        if other is not None:
            yield claim, case, other


def _each(entry: Entry) -> Iterator[tuple[Claim, ClaimedCase]]:
    for claim in entry.claims:
        for case in claim.cases:
            yield claim, case


def _place(one: tuple[Claim, ClaimedCase]) -> str:
    claim, case = one
    return f"{claim.name}, {case.target}, seed {case.seed}"


def _choice(merge: ClaimedMerge) -> str:
    options = "".join(f", {name} {value}" for name, value in sorted(merge.options.items()))
    return f"{merge.attack}@{merge.space} at {merge.alpha:g}{options}"


def _text(number: Number | None) -> str:
    if number is None:
        return "not defined"
    ends = "–" if number.low is None else f"{number.low}, {number.high}"
    return f"{number.value} [{ends}]"


def _unlike(what: str, stated: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for name in sorted({*stated, *found}):
        mine, theirs = stated.get(name, "not stated"), found.get(name, "not there")
        if mine != theirs:
            yield f"{what} {name} is {mine} there, {theirs} here"
