"""What is known of an architecture without building it: its input, activation and parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "shapes"


@dataclass(frozen=True, kw_only=True)
class ArchitectureFacts:
    """What open_clip's architecture of a name is like.

    `resolution`: side in pixels of its input; `quick_gelu`: whether its blocks have QuickGELU
    rather than GELU; `towers_differ`: whether its text tower has another width than its vision
    tower; `parameters`: shapes of the vision tower's parameters by path, in its order.
    """

    resolution: int
    quick_gelu: bool
    towers_differ: bool
    parameters: dict[str, tuple[int, ...]]


@cache
def facts_of(architecture: str) -> ArchitectureFacts:
    """Return the facts of that architecture as `record_facts` wrote them.

    Those of an architecture without a file, which no backbone of this package has, are taken from
    the architecture itself: the same, but it loads open_clip and takes seconds.
    """
    file = FOLDER / f"{architecture}.json"
    if not file.is_file():
        from mergebench.backbones.architectures import built_facts

        return built_facts(architecture)
    facts = json.loads(file.read_text(encoding="utf-8"))
    parameters = {path: tuple(shape) for path, shape in facts.pop("parameters").items()}
    return ArchitectureFacts(**facts, parameters=parameters)
