"""What readers call attacks, spaces and releases, and the order in which they are shown."""

from __future__ import annotations

from mergebench.measure import FROM_BASE, UNPROTECTED, ZERO_SHOT

STANDALONE_TABLES = {"lora": 1, "full": 3}
MERGE_TABLES = {"lora": 2, "full": 4}
"""The paper's number of a table, by the form of the releases that it shows."""

FORM_IN_TITLE = {"lora": "", "full": ", full fine-tuning"}

ATTACKS = {
    "ta": "TA",
    "ties": "TIES",
    "dare": "DARE",
    "dare_ties": "TIES+DARE",
    "tsv": "TSV",
    "cart": "CART",
    "regmean": "RegMean",
    "chain_of_merges": "CoM",
    "chain_of_merges_outputs": "CoM to outputs",
    "prodistill": "ProDistill",
    "finetune": "SFT",
    "iso_c": "Iso-C",
    "iso_cts": "Iso-CTS",
    "svc": "SVC",
    "wudi": "WUDI",
    "wudi_iterated": "WUDI, iterated",
    "breadcrumbs": "Breadcrumbs",
    "della": "DELLA",
    "sce": "SCE",
    "ram": "RAM",
    "localize_and_stitch": "Localize-and-Stitch",
    "peft_svd": "PEFT svd",
    "peft_linear": "PEFT linear",
    "fisher": "Fisher",
    "adamerging": "AdaMerging",
    "regmean_weighted": "RegMean, target weighted",
}
SPACES = {"full": "Full", "knots": "KnOTS", "core": "Core"}
PROTECTIONS = {
    FROM_BASE: "from W0, no merge",
    UNPROTECTED: "unprotected",
    "trap2": "Trap²",
    "trap2_capped": "Trap², capped",
    "params": "PaRaMS",
    "mergelock": "MergeLock",
    "mergeguard_like": "MergeGuard-like (stand-in)",
}


def attack_label(attack: str) -> str:
    """Return the paper's name of an attack; unknown ones keep their own.

    `name:rule` becomes what informed attacks are called by the rule that they are built on.
    """
    name, _, rule = attack.partition(":")
    return f"{name.replace('_', ' ')} {attack_label(rule)}" if rule else ATTACKS.get(name, name)


def space_label(space: str) -> str:
    """Return the paper's name of a merging space; unknown ones keep their own."""
    return SPACES.get(space, space)


def protection_label(protection: str) -> str:
    """Return what a row of merges is called: a protection, then what its name says of options."""
    plain, _, options = protection.rstrip("]").partition("[")
    known = PROTECTIONS.get(plain, plain)
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
    return _place(attack, ATTACKS), attack, _place(space, SPACES), space


def release_order(release: str) -> tuple[int, str]:
    """Sort key of releases and protections: zero-shot, unprotected, Trap², others by name."""
    plain = release.partition("[")[0]
    return _place(plain, {ZERO_SHOT: "", **PROTECTIONS}), release


def _place(name: str, known: dict[str, str]) -> int:
    return list(known).index(name) if name in known else len(known)
