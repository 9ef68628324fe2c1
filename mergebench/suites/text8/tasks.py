"""The eight tasks as data rows: the sizes they are published in, where, and how much is used.

Sizes are texts per published file, in scope, before duplicates are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebench.suites.hub_copy import HubCopy
from mergebench.suites.rows import chosen_rows
from mergebench.suites.split_names import SPLIT_NAMES, WHOLE, SplitName

_CONVERTED = "refs/convert/parquet"


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form in which a data set is around: its files (`train`, `val`, `test`, `all`) and texts.

    `name` is what captions call it.
    """

    name: str
    sizes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class TextRow:
    """One task of the suite.

    `forms`: the sizes that a source may have, one form as a whole. `hub`: repositories, tried in
    order. `measured_sha256`: hash of the texts that the committed results are of
    (`TextTask.sha256`), by which a copy from a branch that has moved is told. `caps`: the most
    texts of each split that are used; they are drawn by class, so that 400 of 4 classes are 100 of
    each where each has as many. `download`: bytes to download, about. `out_of_scope`: labels whose
    texts are left out. `numbered`: whether numbers without names stand for the labels in the order
    of the prompts' file; else such a source is refused.
    """

    name: str
    forms: tuple[Form, ...]
    hub: tuple[HubCopy, ...]
    measured_sha256: str
    caps: Mapping[SplitName, int]
    download: int
    out_of_scope: tuple[str, ...] = ()
    numbered: bool = False


_CAPS: Mapping[SplitName, int] = {"train": 4_000, "val": 400, "test": 400}
"""Of tasks with few classes: 16 adapters and their merges on two processors are feasible."""

TASKS: tuple[TextRow, ...] = (
    TextRow(
        name="banking77",
        forms=(
            Form(name="official files", sizes={"train": 10_003, "test": 3_080}),
            Form(name="files without duplicates", sizes={"train": 9_993, "test": 3_076}),
        ),
        hub=(
            HubCopy(
                repository="mteb/banking77",
                revisions=("0fd18e25b25c072e09e0d92ab615fda904d66300", _CONVERTED),
            ),
        ),
        measured_sha256="7fba0dccc2de7a152ad00f8e67b7e1afa43c7c6340e0ba7b85a53c0e546fd1ad",
        caps={"train": 3_927, "val": 385, "test": 385},  # 51, 5 and 5 of 77 classes
        download=1_100_000,
    ),
    TextRow(
        name="clinc150",
        forms=(
            Form(
                name="official files, in scope",
                sizes={"train": 15_000, "val": 3_000, "test": 4_500},
            ),
        ),
        hub=(HubCopy(repository="clinc/clinc_oos", config="plus"),),
        measured_sha256="7decb18126324db8e980efb2245840eb3381314a56cf90ab193715056d5ebb84",
        caps={"train": 3_900, "val": 450, "test": 450},  # 26, 3 and 3 of 150 classes
        download=600_000,
        out_of_scope=("oos",),
    ),
    TextRow(
        name="trec",
        forms=(Form(name="official files", sizes={"train": 5_452, "test": 500}),),
        hub=(HubCopy(repository="CogComp/trec"),),
        measured_sha256="ac9c0915ac5c27350e65fe03fdd59412d21ff9d5c55d68d39a9640c85d175b3b",
        caps=_CAPS,
        download=400_000,
        numbered=True,
    ),
    TextRow(
        name="sst2",
        forms=(Form(name="whole sentences", sizes={"train": 6_920, "val": 872, "test": 1_821}),),
        hub=(HubCopy(repository="SetFit/sst2"),),
        measured_sha256="c89a99d8d9247e1d1631673f01f412b2664f6001a95fc957b2b9b88ae438f7d3",
        caps=_CAPS,
        download=1_400_000,
        numbered=True,
    ),
    TextRow(
        name="subj",
        forms=(
            Form(name="official files", sizes={WHOLE: 10_000}),
            Form(name="split of SetFit", sizes={"train": 8_000, "test": 2_000}),
        ),
        hub=(HubCopy(repository="SetFit/subj"),),
        measured_sha256="6cfe53fcaa5843cb56567cce849a2449d71f421d32a962946c1e0974eda2f83d",
        caps=_CAPS,
        download=1_900_000,
    ),
    TextRow(
        name="agnews",
        forms=(
            Form(name="official files", sizes={"train": 120_000, "test": 7_600}),
            Form(name="official test file alone", sizes={"test": 7_600}),
        ),
        hub=(
            HubCopy(
                repository="fancyzhx/ag_news",
                revisions=("eb185aade064a813bc0b7f42de02595523103ca4", _CONVERTED),
            ),
        ),
        measured_sha256="6fbf9e12b103dda90039bc86f19665a9bf189d5f8c4e527ccaa9d614eae7d798",
        caps=_CAPS,
        download=20_000_000,
        numbered=True,
    ),
    TextRow(
        name="emotion",
        forms=(Form(name="TweetEval", sizes={"train": 3_257, "val": 374, "test": 1_421}),),
        hub=(HubCopy(repository="cardiffnlp/tweet_eval", config="emotion"),),
        measured_sha256="c018ac2cea31b45832e9be07fff7cbd75ce69189175593e0ebba52960fedcddf",
        caps=_CAPS,
        download=400_000,
        numbered=True,
    ),
    TextRow(
        name="snips",
        forms=(
            Form(name="official files", sizes={"train": 13_784, "val": 700}),
            Form(name="split with 1,400 test texts", sizes={"train": 13_084, "test": 1_400}),
        ),
        hub=(
            HubCopy(
                repository="DeepPavlov/snips",
                revisions=("45f42ebd9641832fd31137317ca5fc5885c86094", _CONVERTED),
            ),
            HubCopy(repository="benayas/snips"),
        ),
        measured_sha256="e453bfa92b380e2ae312a95481d2fc3b46db485d7d660a379c79c40f6a6e22e5",
        caps=_CAPS,
        download=600_000,
    ),
)
"""Every task, in the order of the tables."""


def task_rows(names: Sequence[str] | None = None) -> tuple[TextRow, ...]:
    """Return the rows of these tasks, or of all, in the suite's order; `InputError` if unknown."""
    return chosen_rows(TASKS, names)


def split_sizes(row: TextRow) -> dict[SplitName, int]:
    """Return the most texts that each split has, of the form that is named first.

    Duplicates that are left out make a split smaller where it is not cut from more.
    """
    published = row.forms[0].sizes
    as_test = "test" if "test" in published else "val"
    own = {"test": as_test, "val": "val" if as_test == "test" else "", "train": "train"}
    return {
        name: min(row.caps[name], published.get(own[name], row.caps[name])) for name in SPLIT_NAMES
    }
