"""What committed tables state: correct test counts by cell, and how they came about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mergebench.contracts import Attack
from mergebench.errors import InputError, shown
from mergebench.experiment import Setting
from mergebench.measure import COUNTER, FROM_BASE, UNPROTECTED, ZERO_SHOT
from mergebench.registry import registry
from mergebench.report import Sheet, protection_key, read_sheet, release_key, stated_facts

Release = tuple[str, str, int]
"""Protection, task and seed of one update."""

_PROTECTIONS = {key(UNPROTECTED): UNPROTECTED for key in (protection_key, release_key)}
_PROTECTIONS[FROM_BASE] = UNPROTECTED
COUNT = "_correct"
_AGAIN = "write the table again"


@dataclass(frozen=True, kw_only=True)
class StatedCell:
    """Correct test inputs by task, of one model, as a table states them.

    `protection` None: the backbone itself. `attack` and `space` None: one update alone, on its task
    `target`. `target` None: a merge of unprotected updates. `tasks`: whose updates are merged.
    `sizes`: test inputs, of the tasks for which the table states them. `from_base`: of an attack on
    the backbone itself, in the place of a merge.
    """

    seed: int
    correct: Mapping[str, int]
    sizes: Mapping[str, int]
    protection: str | None = None
    target: str | None = None
    attack: str | None = None
    space: str | None = None
    tasks: tuple[str, ...] = ()
    from_base: bool = False

    @property
    def name(self) -> str:
        """What was measured, in a few words."""
        if self.protection is None:
            return "zero-shot"
        whose = f"{self.target} {self.protection}" if self.target else "all unprotected"
        if self.from_base:
            whose = f"W0 for {self.target}"
        elif self.attack and self.target and self.protection == UNPROTECTED:
            whose = f"all unprotected for {self.target}"
        what = f"{self.attack}@{self.space} of {whose}" if self.attack else f"{whose} alone"
        return f"{what}, seed {self.seed}"

    @property
    def releases(self) -> frozenset[Release]:
        """The updates that must be there before the cell can be measured."""
        own = () if self.target is None else ((str(self.protection), self.target, self.seed),)
        return frozenset([*own, *((UNPROTECTED, task, self.seed) for task in self.tasks)])


@dataclass(frozen=True, kw_only=True)
class StatedTable:
    """The cells of the counts in `file`, and the facts of its table's caption by their names.

    `sheet`: all that stands in the file.
    """

    file: Path
    facts: Mapping[str, str]
    cells: tuple[StatedCell, ...] = field(repr=False)
    sheet: Sheet = field(repr=False)


def read_tables(
    folder: Path, setting_of: Callable[[str], Setting | None] = lambda _: None
) -> list[StatedTable]:
    """Return the tables of a folder that hold counts by cell, told by their columns.

    `setting_of` returns the setting of a caption's command, whose attacks say which merges are for
    one target; where it returns None, their own options do. The counts of tables 1 and 3 are in
    `<table>_tasks.csv`, those of tables 2, 4 and 5 and of the leaderboard in
    `<table>_targets.csv`, and their captions in the Markdown files. Raises
    `InputError` naming what is missing or contradicts itself.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}: give one that `mergebench table2` wrote")
    tables = []
    for file in sorted(folder.glob("*.csv")):
        sheet = read_sheet(file)
        for suffix, (columns, cells) in _KINDS.items():
            if file.stem.endswith(suffix) and columns <= set(sheet.columns):
                caption = file.with_name(f"{file.stem.removesuffix(suffix)}.md")
                facts = _facts(caption)
                with naming(caption):
                    setting = setting_of(facts["Command"])
                with naming(file):
                    found = tuple(cells(sheet, setting))
                tables.append(StatedTable(file=file, facts=facts, cells=found, sheet=sheet))
    if not any(table.cells for table in tables):
        raise InputError(f"{folder} has no table of counts: *_tasks.csv or *_targets.csv")
    return tables


def _facts(file: Path) -> dict[str, str]:
    try:
        facts = stated_facts(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the caption of {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8: {_AGAIN}") from error
    if "Command" not in facts:
        raise InputError(f"{file} has no caption that states its command: {_AGAIN}")
    return facts


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Name the file in front of what is wrong with it."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{file}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What stands in line `line` of a file, by column."""

    line: int
    texts: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.texts[column]

    def count(self, column: str) -> int:
        """Return the whole number in a column; ValueError if there is none."""
        text = self[column]
        try:
            return int(text)
        except ValueError:
            where = f"line {self.line}, column {column}"
            raise ValueError(f"{where}: {shown(text)} is no whole number; {_AGAIN}") from None


def _rows(sheet: Sheet) -> list[_Row]:
    return [_Row(line=line, texts=texts) for line, texts in enumerate(sheet.rows, start=2)]


def _standalone(sheet: Sheet, _: Setting | None) -> Iterator[StatedCell]:
    """Yield one cell per seed of the backbone itself, and one per update."""
    zero_shot: dict[int, list[_Row]] = {}
    updates = []
    for row in _rows(sheet):
        if row["row"] == ZERO_SHOT:
            zero_shot.setdefault(row.count("seed"), []).append(row)
        else:
            updates.append(row)
    for seed, rows in zero_shot.items():
        correct = {row["task"]: row.count("correct") for row in rows}
        sizes = {row["task"]: row.count("total") for row in rows}
        yield StatedCell(seed=seed, correct=correct, sizes=sizes)
    for row in updates:
        yield StatedCell(
            seed=row.count("seed"),
            protection=_PROTECTIONS.get(row["row"], row["row"]),
            target=row["task"],
            correct={row["task"]: row.count("correct")},
            sizes={row["task"]: row.count("total")},
        )


def _merges(sheet: Sheet, setting: Setting | None) -> Iterator[StatedCell]:
    """Yield one cell per merge; that of unprotected updates has a row for each target.

    Where the attack is targeted, each of these rows is a merge of its own.
    """
    targeted = {name for name in set(sheet.values("attack")) if _is_targeted(name, setting)}
    tasks = tuple(column.removesuffix(COUNT) for column in sheet.columns if column.endswith(COUNT))
    merges: dict[tuple[str, str, str, str, int], list[_Row]] = {}
    for row in _rows(sheet):
        if row["attack"].partition(":")[0] == COUNTER:
            continue  # its entry is verified, from the merged update alone
        shared = row["protection"] == protection_key(UNPROTECTED) and row["attack"] not in targeted
        target = "" if shared else row["target"]
        if row["target"] not in tasks:
            lacking = f"the target {shown(row['target'])} has no column of counts"
            raise ValueError(f"line {row.line}: {lacking}; {_AGAIN}")
        key = (row["protection"], target, row["attack"], row["space"], row.count("seed"))
        merges.setdefault(key, []).append(row)
    for (protection, target, attack, space, seed), rows in merges.items():
        yield StatedCell(
            seed=seed,
            protection=_PROTECTIONS.get(protection, protection),
            from_base=protection == FROM_BASE,
            target=target or None,
            attack=attack,
            space=space,
            tasks=tasks,
            correct=_counts(rows, tasks, everywhere=setting is not None),
            sizes={row["target"]: row.count("total") for row in rows},
        )


def _is_targeted(attack: str, setting: Setting | None) -> bool:
    """Whether unprotected updates are merged anew for every target."""
    name = attack.partition(":")[0]
    if name == COUNTER:
        return False
    if setting is not None:
        return setting.attack(attack).targeted
    return any(one.plugin.name == name and one.plugin().targeted for one in registry().all(Attack))


def _counts(rows: Sequence[_Row], tasks: tuple[str, ...], *, everywhere: bool) -> dict[str, int]:
    """Return the counts by task of one merge; ValueError if its rows state different ones.

    And if they state none of the target, or of any task where merges are tested `everywhere`, as
    they are by all commands but replay.
    """
    found: dict[str, int] = {}
    columns = [(task, f"{task}{COUNT}") for task in tasks]
    for row in rows:
        for task, column in [(row["target"], "correct"), *columns]:
            if not row[column] and not everywhere and task != row["target"]:
                continue
            if found.setdefault(task, row.count(column)) != row.count(column):
                raise ValueError(
                    f"line {row.line} states other counts of {task} than itself "
                    f"or a line of the same merge; {_AGAIN}"
                )
    return found


_Cells = Callable[[Sheet, Setting | None], Iterator[StatedCell]]
_KINDS: Mapping[str, tuple[frozenset[str], _Cells]] = {
    "_tasks": (frozenset({"row", "task", "seed", "correct", "total"}), _standalone),
    "_targets": (
        frozenset({"protection", "attack", "space", "target", "seed", "correct", "total"}),
        _merges,
    ),
}
