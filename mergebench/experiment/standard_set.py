"""The standard set of attacks, by what an attacker knows and is given: `worst_case`, version 2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from mergebench.contracts import DataUse
from mergebench.experiment.attack_names import TABLE2, TABLE4
from mergebench.measure import Level

if TYPE_CHECKING:
    from mergebench.train import ReleaseKind

WORST_CASE = 2
"""Version of the set: raised whenever an attack comes, goes or changes."""

YARDSTICKS = ("leave_out:ta@full", "leave_out:tsv@full")
"""What a merger has without the update; the better of them by validation is compared with."""

_CHEAP_FIRST = ("ta", "tsv", "cart", "ties", "dare_ties")
"""The rules of tables 2 and 4 by how many points they search."""

_INFORMED = (
    *("hold:ta@full", "hold:tsv@full", "restore:ta@full", "restore:tsv@full"),
    *("project:ta@full", "project:tsv@full"),
)
_REALIGNED = ("realign:ta@full", "realign:tsv@full")
"""Only what has changes of biases too can be rearranged, which adapters do not have."""

_UNLABELLED = (
    *("regmean@full", "chain_of_merges@full", "chain_of_merges_outputs@full", "prodistill@full"),
)
_INFORMED_UNLABELLED = (
    *("regmean_weighted@full", "flatten:tsv@full", "distil:ta@full", "distil:tsv@full"),
)


def rounds(level: Level) -> tuple[tuple[str, ...], ...]:
    """Return the attacks of a level in the order in which they are run, cheap ones first.

    Those of one round are run before anybody asks whether more are needed: one attack with all its
    rules and spaces, which share work.
    """
    groups = groupby(level.attacks, key=lambda name: re.split("[:@]", name)[0])
    return tuple(tuple(names) for _, names in groups)


def levels(
    release: ReleaseKind, *, data: Sequence[DataUse] = ("none",), checkpoints: bool = False
) -> tuple[Level, ...]:
    """Return the levels of the standard set for a form of release, those with `data` alone.

    `checkpoints`: whether a protection releases what becomes of adapters as full checkpoints, which
    are put back beside W0 as full fine-tunings are. The attacks with data are for adapters,
    whatever the `release`.
    """
    lora = release == "lora"
    table = TABLE2 if lora else TABLE4
    informed = _INFORMED if lora and not checkpoints else (*_INFORMED, *_REALIGNED)
    blind = tuple(sorted(table, key=lambda name: _CHEAP_FIRST.index(name.partition("@")[0])))
    every = (
        Level(knowledge="blind", data="none", attacks=blind),
        Level(knowledge="informed", data="none", attacks=informed),
        Level(knowledge="blind", data="unlabelled", attacks=_UNLABELLED),
        Level(knowledge="informed", data="unlabelled", attacks=_INFORMED_UNLABELLED),
        Level(knowledge="informed", data="labelled", attacks=("finetune@full",)),
    )
    return tuple(level for level in every if level.data in data)
