"""Warnings of cells in tables: a letter beside the number, and below what the letters mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mergebench.measure import (
    COLLAPSED,
    DEGENERATE,
    EDGE,
    GAP,
    MULTIPLIER_EDGE,
    NORM,
    NOT_FINITE,
    UNFAITHFUL,
    UTILITY_LOSS,
    WEAKER_THAN_TA,
)

NOT_SIGNIFICANT = "ns"
LARGE_UPDATE = "update far larger"
NOTHING_TAKEN = "nothing of the update"
DATA_NO_HELP = "data are no help"
REALIGNED = "undone by re-alignment"
STORAGE = "accuracy differs by storage dtype"
LETTERS: Mapping[str, tuple[str, str]] = {
    EDGE: ("e", "the best α is the smallest or largest of its grid"),
    MULTIPLIER_EDGE: ("m", "another coefficient of updates is the smallest or largest of its grid"),
    COLLAPSED: (
        "c",
        "one class is predicted for more than half of some task's test {inputs}, and 1.5 times as "
        "often as any is true",
    ),
    GAP: ("g", "validation and test accuracy differ by more than three standard errors"),
    NORM: ("n", "the merge is far smaller or larger than its updates"),
    NOT_FINITE: ("b", "embeddings overflow; those {inputs} count as wrong"),
    DEGENERATE: ("d", "bases of the updates are nearly dependent, or cut between equal values"),
    UNFAITHFUL: ("r", "the update at scale 1 does not reproduce the accuracy of its training"),
    WEAKER_THAN_TA: ("w", "weaker on the unprotected updates than TA"),
    UTILITY_LOSS: ("u", "protection costs more than two points, beyond chance on these {inputs}"),
    LARGE_UPDATE: ("l", "the protected update has more than twice the norm of an unprotected one"),
    NOTHING_TAKEN: ("o", "no attack's best mixture has anything of the update in it"),
    DATA_NO_HELP: ("f", "an attack without data is better than all that have data"),
    REALIGNED: (
        "a",
        "undone by re-alignment: put back beside W0, the protected update merges more than two "
        "points better by the same rule, beyond chance on these {inputs}",
    ),
    STORAGE: (
        "s",
        "stored in fp16 or bf16, the protected update alone loses more than two points against "
        "fp32, beyond chance on these {inputs}",
    ),
}
"""By kind its letter, and what it means where tasks have `{inputs}`."""


def marks(warnings: Mapping[str, int], *, significant: bool = True) -> str:
    """Return what stands beside a number: `ns`, then the letters of its warnings."""
    letters = [letter for kind, (letter, _) in LETTERS.items() if warnings.get(kind)]
    return ",".join([*([] if significant else [NOT_SIGNIFICANT]), *letters])


def tally(kinds: Iterable[str]) -> dict[str, int]:
    """Return how often each kind of warning occurs."""
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def legend(groups: Mapping[str, Mapping[str, int]], inputs: str) -> Iterator[str]:
    """Yield one sentence per letter in use: what it means and how often it occurs by group.

    `groups`: by text such as "312 merges with a Trap² target" the warnings in them; `inputs`: as of
    `Context`.
    """
    for kind, (letter, meaning) in LETTERS.items():
        counts = [f"{found[kind]} of {group}" for group, found in groups.items() if found.get(kind)]
        if counts:
            yield f"{letter}: {meaning.format(inputs=inputs)}: {', '.join(counts)}."


def listed(warnings: Mapping[str, int]) -> str:
    """Return `kind (count)` for a CSV; the kinds alone where each occurs once."""
    return "; ".join(
        kind if count == 1 else f"{kind} ({count})" for kind, count in sorted(warnings.items())
    )
