"""The standard set of attacks, by what an attacker knows and is given: `worst_case`, version 6."""

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

WORST_CASE = 6
"""Version of the set: raised whenever an attack comes, goes or changes, or the choice of one."""

_CHEAP_FIRST = ("ta", "tsv", "cart", "ties", "dare_ties")
"""The rules of tables 2 and 4 by how many points they search."""

_KEEPING_A_SCALE = ("localize_and_stitch@full", "ram@full")
"""Blind attacks beyond the tables: they put regions of updates in at 1.

They cost least and come last, as what is denied is a share of what an unprotected update gives,
which the rules of the tables show.
"""

_INFORMED = (
    *("hold:ta@full", "hold:tsv@full", "restore:ta@full", "restore:tsv@full"),
    *("project:ta@full", "project:tsv@full"),
)
_FILTERS = ("smooth:ta@full", "hold_layers:tsv@full", "spectral:tsv@full")
_COORDINATES = ("per_task_coefficients:ta@full",)
_COORDINATES_OF_OTHERS = "leave_out_per_task:ta@full"
_REALIGN = ("realign:ta@full", "realign:tsv@full")
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
    every = (
        Level(knowledge="blind", data="none", attacks=_blind(release)),
        Level(knowledge="informed", data="none", attacks=_informed(release, checkpoints)),
        Level(knowledge="blind", data="unlabelled", attacks=_UNLABELLED),
        Level(knowledge="informed", data="unlabelled", attacks=_INFORMED_UNLABELLED),
        Level(knowledge="informed", data="labelled", attacks=("finetune@full",)),
    )
    return tuple(level for level in every if level.data in data)


def yardsticks(release: ReleaseKind) -> tuple[str, ...]:
    """Return the merges without the update: every blind attack of no data on the other updates.

    And a coefficient for each of them, as attackers search one for each update. The best by
    validation is compared with. They depend on no protection, and are measured once for all.
    """
    return *(f"leave_out:{name}" for name in _blind(release)), _COORDINATES_OF_OTHERS


def _blind(release: ReleaseKind) -> tuple[str, ...]:
    table = TABLE2 if release == "lora" else TABLE4
    cheap_first = sorted(table, key=lambda name: _CHEAP_FIRST.index(name.partition("@")[0]))
    return (*cheap_first, *_KEEPING_A_SCALE)


def _informed(release: ReleaseKind, checkpoints: bool) -> tuple[str, ...]:
    lora = release == "lora"
    undone = () if lora and not checkpoints else _REALIGN
    held = "hold:cart@core" if lora else "hold:cart@full"
    return (*_INFORMED, *undone, *_FILTERS, held, *_COORDINATES)
