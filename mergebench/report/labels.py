"""What readers call attacks, spaces and releases, and the order in which they are shown."""

from __future__ import annotations

from mergebench.contracts import Attack, Protection, Space
from mergebench.measure import FROM_BASE, UNPROTECTED, ZERO_SHOT
from mergebench.registry import registry

STANDALONE_TABLES = {"lora": 1, "full": 3}
MERGE_TABLES = {"lora": 2, "full": 4}
"""The paper's number of a table, by the form of the releases that it shows."""

FORM_IN_TITLE = {"lora": "", "full": ", full fine-tuning"}

_NO_MERGE = "from W0, no merge"

_ATTACKS = (
    *("ta", "ties", "dare", "dare_ties", "tsv", "cart", "regmean", "chain_of_merges"),
    *("chain_of_merges_outputs", "prodistill", "finetune", "iso_c", "iso_cts", "svc", "wudi"),
    *("wudi_iterated", "breadcrumbs", "della", "sce", "ram", "localize_and_stitch", "peft_svd"),
    *("peft_linear", "fisher", "adamerging", "regmean_weighted"),
)
_SPACES = ("full", "knots", "core")
_RELEASES = (
    *(ZERO_SHOT, FROM_BASE, UNPROTECTED, "trap2", "trap2_capped", "params", "mergelock"),
    "mergeguard_like",
)
"""The order in which they are shown, ahead of all others; each says itself what it is called."""


def attack_label(attack: str) -> str:
    """Return the title of an attack; those that are not registered keep their name.

    `name:rule` becomes what informed attacks are called by the rule that they are built on.
    """
    name, _, rule = attack.partition(":")
    if rule:
        return f"{name.replace('_', ' ')} {attack_label(rule)}"
    return registry().heading(Attack, name)


def space_label(space: str) -> str:
    """Return the title of a merging space; those that are not registered keep their name."""
    return registry().heading(Space, space)


def protection_label(protection: str) -> str:
    """Return what a row of merges is called: a protection, then what its name says of options."""
    plain, _, options = protection.rstrip("]").partition("[")
    known = _NO_MERGE if plain == FROM_BASE else registry().heading(Protection, plain)
    return f"{known} ({options.replace('=', ' ').replace(',', ', ')})" if options else known


def release_label(release: str) -> str:
    """Return what a row of standalone models is called."""
    standalone = {ZERO_SHOT: "zero-shot", UNPROTECTED: "fine-tuned"}
    return standalone.get(release, protection_label(release))


def protection_key(protection: str) -> str:
    """Return a protection's name in the CSV of merges."""
    return "unprotected" if protection == UNPROTECTED else protection


def release_key(release: str) -> str:
    """Return a standalone row's name in the CSV of single updates."""
    return "fine_tuned" if release == UNPROTECTED else release


def attack_order(column: tuple[str, str]) -> tuple[int, str, int, str]:
    """Sort key of `(attack, space)`: the paper's order, then unknown ones by name."""
    attack, space = column
    return _place(attack, _ATTACKS), attack, _place(space, _SPACES), space


def release_order(release: str) -> tuple[int, str]:
    """Sort key of releases and protections: zero-shot, unprotected, Trap², others by name."""
    plain = release.partition("[")[0]
    return _place(plain, _RELEASES), release


def _place(name: str, known: tuple[str, ...]) -> int:
    return known.index(name) if name in known else len(known)
