"""The standard set of attacks, run cheap ones first until nothing is denied to an attacker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_pairs, measure_standalone, with_merges
from mergebench.experiment.single_points import SinglePoints
from mergebench.experiment.standard_set import rounds
from mergebench.measure import (
    REALIGN,
    UNPROTECTED,
    Case,
    Cell,
    Choice,
    Choices,
    Level,
    Measurements,
    Merged,
    NotRun,
    gain_of_taking,
    validated,
)


def measure_standard_set(
    experiment: Experiment,
    levels: Sequence[Level],
    yardsticks: Sequence[str],
    monitor: Monitor,
    *,
    processes: int,
) -> tuple[Measurements, list[Cell], SinglePoints]:
    """Return the merges that it takes to judge the protections, and their cells in that order.

    And what looked at some of them once more.
    `levels` come one after the other, and their attacks in `rounds`. After each, a protection whose
    update gives as much as an unprotected one (`Gain.nothing_denied`) to who is at this level is
    done with there, and at all levels that know and are given as much: more attacks could not show
    it to be weaker. That the test inputs say, as they do what a leaderboard states; they choose no
    merge, and are asked only where the inputs of the searches say so too. Unprotected updates are
    attacked as long as some protected ones are. What is missing is measured.

    Attacks without data are searched, confirmed where they are finalists (`Choices`) and tested
    only where an attacker takes them, at some level or after some round; the other merges have no
    test counts, unless they had them before.
    """
    alone = measure_standalone(experiment, monitor, processes=processes)
    run = _Run(experiment, levels, yardsticks, monitor, processes)
    run.attack(yardsticks, experiment.protections)
    for level in levels:
        for names in rounds(level):
            run.round(level, names)
    run.test_all()
    found = [one for seed in experiment.seeds for one in run.pairs if one[0].seed == seed]
    measured, cells = with_merges(experiment, alone, found)
    return replace(measured, not_run=run.not_run()), cells, run.points


_Choices = tuple[Choice, Choice, Choice]


class _Run:
    """What was run so far, and on which protections nothing more is."""

    def __init__(
        self,
        experiment: Experiment,
        levels: Sequence[Level],
        yardsticks: Sequence[str],
        monitor: Monitor,
        processes: int,
    ) -> None:
        self._experiment, self._levels, self._yardsticks = experiment, levels, yardsticks
        self._monitor, self._processes = monitor, processes
        self.points = SinglePoints(experiment, monitor, processes=processes)
        self.pairs: list[tuple[Merged, Cell]] = []
        self._run: list[str] = []
        self._done: dict[str, list[tuple[Level, str]]] = {}
        self._skipped: dict[tuple[str, str], list[str]] = {}

    def attack(self, names: Sequence[str], protections: Sequence[str]) -> None:
        """Run attacks on the unprotected updates and on those of `protections`."""
        chosen = replace(self._experiment, attacks=tuple(names), protections=tuple(protections))
        self.pairs += measure_pairs(chosen, self._monitor, processes=self._processes, tested=False)

    def round(self, level: Level, names: Sequence[str]) -> None:
        """Run attacks of `level` where they are needed, then see where more are."""
        every = self._experiment.protections
        after = {one: name for one in every if (name := self._after(one, level)) is not None}
        left = [one for one in every if one not in after]
        if after and not left:
            after[UNPROTECTED] = max(after.values(), key=self._run.index)
        for done in after.items():
            self._skipped.setdefault(done, []).extend(names)
        if left or not every:
            self.attack(names, left)
            self._run += names
            own = {one: [name for name in names if self._defined(name, one)] for one in left}
            for protection in self._nothing_denied([one for one in left if own[one]], level):
                self._done.setdefault(protection, []).append((level, own[protection][-1]))

    def _after(self, protection: str, level: Level) -> str | None:
        """Return after which attack nothing was denied to who is at `level`, if after any."""
        found = [name for one, name in self._done.get(protection, ()) if level.allows(one)]
        return found[0] if found else None

    def test_all(self) -> None:
        """Test what attackers take at every level, and what `realign` is held against."""
        rows = (UNPROTECTED, *self._experiment.protections)
        self._taken([(protection, level) for level in self._levels for protection in rows])
        self._test(self._realigned())

    def _test(self, wanted: Iterable[Merged]) -> None:
        """Test those of the merges that were not tested."""
        missing = {one.key: one for one in wanted if not one.correct}
        self._replace(self.points.tested(missing.values()))

    def _replace(self, known: Iterable[Merged]) -> None:
        """Put merges of which more is known in the place of those that they were."""
        found = {one.key: one for one in known}
        self.pairs = [(found.get(one.key, one), cell) for one, cell in self.pairs]

    def _realigned(self) -> Iterator[Merged]:
        """Yield the merges of updates that are put back beside W0, and of the same as released."""
        merges = [merged for merged, _ in self.pairs if merged.protection != UNPROTECTED]
        undone = {one.name.removeprefix(REALIGN) for one in merges if one.name.startswith(REALIGN)}
        yield from (one for one in merges if one.name.removeprefix(REALIGN) in undone)

    def not_run(self) -> tuple[NotRun, ...]:
        """Return what was left out, by protection: first what is not defined for it."""
        undefined = (
            NotRun(protection=protection, attacks=names, after=None)
            for protection in self._experiment.protections
            if (names := self._undefined(protection))
        )
        return *undefined, *(
            NotRun(protection=protection, attacks=tuple(own), after=after)
            for (protection, after), skipped in self._skipped.items()
            if (own := [one for one in skipped if self._defined(one, protection)])
        )

    def _undefined(self, protection: str) -> tuple[str, ...]:
        """Return the attacks that cannot merge what a protection releases."""
        every = (name for level in self._levels for name in level.attacks)
        return tuple(name for name in every if not self._defined(name, protection))

    def _defined(self, name: str, protection: str) -> bool:
        return self._experiment.defined(name, protection)

    def _nothing_denied(self, protections: Sequence[str], level: Level) -> Iterator[str]:
        """Yield those of which nothing is denied; the searches' inputs say of which to ask."""
        asked = [one for one in protections if self._keeps_up(one, level)]
        rows = self._taken([(one, level) for one in asked])
        for protection, taken in zip(asked, rows, strict=True):
            places = zip(self._places(), taken, strict=True)
            cases = [
                Case.of(*place, taken=own.best, left_out=left_out.best, unprotected=plain.best)
                for place, (own, left_out, plain) in places
            ]
            if gain_of_taking(cases).nothing_denied:
                yield protection

    def _keeps_up(self, protection: str, level: Level) -> bool:
        """Whether the best by the searches' inputs are as good as those of unprotected updates."""
        leads = [
            max(map(validated, own.finalists)) - max(map(validated, plain.finalists))
            for own, _, plain in self._choices(protection, level)
        ]
        return sum(leads) >= 0

    def _taken(self, rows: Sequence[tuple[str, Level]]) -> list[list[_Choices]]:
        """Return by row what `_choices` returns, all finalists confirmed and what is best tested.

        `rows`: protections with the levels of their attackers.
        """
        choices = [choice for row in rows for one in self._choices(*row) for choice in one]
        finalists = {one.key: one for choice in choices for one in choice.finalists}
        self._replace(self.points.confirmed(finalists.values()))
        self._test(choice.best for row in rows for one in self._choices(*row) for choice in one)
        return [self._choices(*row) for row in rows]

    def _choices(self, protection: str, level: Level) -> list[_Choices]:
        """Return by target and seed what an attacker chooses from, of what was run, and beside it.

        With the protected update, without it, and with the unprotected one.
        """
        choices = Choices(merged for merged, _ in self.pairs)
        names = [
            [name for name in self._ran(protection, one.attacks) if self._defined(name, protection)]
            for one in self._levels
            if level.allows(one)
        ]
        return [
            (
                choices.taking(protection, names, target, seed),
                choices.leaving_out(self._yardsticks, target, seed),
                choices.taking(UNPROTECTED, names, target, seed),
            )
            for target, seed in self._places()
        ]

    def _ran(self, protection: str, names: Sequence[str]) -> list[str]:
        skipped = {
            name for (whose, _), own in self._skipped.items() if whose == protection for name in own
        }
        return [name for name in names if name in self._run and name not in skipped]

    def _places(self) -> list[tuple[str, int]]:
        return [
            (target, seed)
            for seed in self._experiment.seeds
            for target in self._experiment.target_names
        ]
