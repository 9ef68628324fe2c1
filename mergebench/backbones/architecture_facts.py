"""What is known of an architecture without building it: its input, activation and parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FACTS_FOLDER = Path(__file__).parent / "shapes"


@dataclass(frozen=True, kw_only=True)
class ArchitectureFacts:
    """What the architecture of a name is like.

    `resolution`: side in pixels of the images that it takes, None if it takes texts; `quick_gelu`:
    whether its blocks have QuickGELU rather than GELU; `towers_differ`: whether its text tower has
    another width than its vision tower; `parameters`: shapes of the merged tower's parameters by
    path, in its order.
    """

    resolution: int | None
    quick_gelu: bool
    towers_differ: bool
    parameters: dict[str, tuple[int, ...]]


KNOWN: dict[str, ArchitectureFacts] = {}
"""What was read, by architecture; one without a file can be added."""


def facts_of(architecture: str) -> ArchitectureFacts:
    """Return the facts of that architecture as `mergebench.provenance` wrote them.

    Raises `FileNotFoundError` for an architecture of no backbone of this package.
    """
    if architecture not in KNOWN:
        facts = json.loads((FACTS_FOLDER / f"{architecture}.json").read_text(encoding="utf-8"))
        parameters = {path: tuple(shape) for path, shape in facts.pop("parameters").items()}
        KNOWN[architecture] = ArchitectureFacts(**facts, parameters=parameters)
    return KNOWN[architecture]
