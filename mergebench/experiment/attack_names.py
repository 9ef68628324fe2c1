"""Attacks by name, `attack[:rule]@space`: those of the tables and figures, and checking one."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from mergebench.contracts import Attack, DataMerger, DataUse, MergePart, Merger, OnRule, Space
from mergebench.errors import InputError
from mergebench.registry import registry

if TYPE_CHECKING:
    from mergebench.train import ReleaseKind

TABLE2 = (
    *("ta@full", "ties@full", "ties@knots", "ties@core"),
    *("dare_ties@full", "dare_ties@knots", "dare_ties@core"),
    *("tsv@full", "tsv@knots", "tsv@core", "cart@full", "cart@knots", "cart@core"),
)
"""The attack@space columns of the paper's Table 2, in its order."""

TABLE4 = ("ta@full", "ties@full", "dare_ties@full", "tsv@full", "cart@full")
"""The columns of the paper's Table 4, of full fine-tuning, in its order."""

TABLE5 = (
    *("ta@full", "regmean@full", "chain_of_merges@full", "chain_of_merges_outputs@full"),
    *("prodistill@full", "finetune@full"),
)
"""The methods of the paper's Table 5, which look at inputs, beside task arithmetic.

Chain of Merges twice, because what it fits is not known and decides what it does to a protection.
"""

DEFAULT_RULE = "ta"
"""What attacks that are built on a rule merge with where none is named."""

RECOVERY = "finetune@full"
RECOVERY_BUDGETS = (1, 4, 16)
"""The attack of the recovery figure, and how many labelled inputs per class it is given there."""

PRICE = (
    *("leave_out:ta@full", "leave_out:tsv@full"),
    *("ta@full", "tsv@full", "hold:ta@full", "hold:tsv@full"),
    *("regmean_weighted@full", "chain_of_merges_outputs@full", "flatten:tsv@full"),
    *("distil:ta@full", "distil:tsv@full", "prodistill@full"),
    *("flatten_labelled:tsv@full", "finetune@full", "relearn:ta@full", "relearn:tsv@full"),
)
"""The attacks of the price of theft, cheap ones first; what each is for, it declares itself."""


def every_merger(release: ReleaseKind = "lora", most: DataUse = "none") -> tuple[str, ...]:
    """Return all mergers that treat updates alike, in all spaces of theirs, `attack@space`.

    Those that see no data, then those whose `data` are no more than `most`. Without mergers and
    spaces that need the low-rank factors which a `release` does not have.
    """
    found, kinds = registry(), get_args(DataUse)
    allowed = kinds[: kinds.index(most) + 1]
    mergers: list[type[Merger] | type[DataMerger]] = [one.plugin for one in found.all(Merger)]
    mergers += [one.plugin for one in found.all(DataMerger)]
    return tuple(
        f"{merger.name}@{space}"
        for merger in mergers
        if merger.knowledge == "blind" and not issubclass(merger, OnRule)
        if merger.data in allowed
        for space in merger.spaces
        if release == "lora" or not _needs_factors(merger.name, space)
    )


def check_attack(name: str, release: ReleaseKind = "lora") -> tuple[str, str]:
    """Return attack and space of `attack[:rule][@space]`, with the defaults of what is left out.

    These are the first space in which the attack is defined, and task arithmetic for an attack that
    is built on a rule. Raises `InputError` for unknown names, for a rule where none is asked for,
    for a space in which the attack is not defined, and for a space or an attack that needs the
    low-rank factors that a `release` does not have.
    """
    attack, _, space = name.partition("@")
    attack, spaces = _with_rule(attack)
    space = space or spaces[0]
    registry().get(Space, space)
    if space not in spaces:
        raise InputError(
            f"attack {attack} is not defined in space {space}; "
            f"choose from: {', '.join(f'{attack}@{known}' for known in spaces)}"
        )
    for part in () if release == "lora" else _needs_factors(attack, space):
        way_out = f"{attack}@full" if issubclass(part, Space) else "another attack"
        raise InputError(
            f"{part.kind} {part.name} needs low-rank factors, which full fine-tuning does not "
            f"release; use {way_out}"
        )
    return attack, space


def _needs_factors(attack: str, space: str) -> list[type[MergePart]]:
    """Return which of attack, rule and space of `attack[:rule]@space` need low-rank factors."""
    name, _, rule = attack.partition(":")
    parts: list[type[MergePart]] = [registry().get(Attack, name)]
    parts += [registry().get(Merger, rule)] if rule else []
    parts += [registry().get(Space, space)]
    return [part for part in parts if part.needs_factors]


def _with_rule(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of an attack, its rule included, and where it is defined."""
    attack, colon, rule = name.partition(":")
    found = registry().get(Attack, attack)
    if not issubclass(found, OnRule):
        if colon:
            raise InputError(f"attack {attack} is not built on a rule: leave out :{rule}")
        return attack, found.spaces
    theirs = registry().get(Merger, rule or DEFAULT_RULE)
    spaces = tuple(space for space in found.spaces if space in theirs.spaces)
    if not spaces:
        raise InputError(f"attack {attack} and rule {theirs.name} have no space in common")
    return f"{attack}:{theirs.name}", spaces
