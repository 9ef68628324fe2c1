"""Writes the facts of every backbone's architecture: `python -m mergebench.backbones.record_facts`.

To be run when a backbone is added or open_clip or timm change one; a test compares.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from mergebench.backbones.architecture_facts import FOLDER, ArchitectureFacts
from mergebench.backbones.architectures import built_facts
from mergebench.backbones.sources import BACKBONES
from mergebench.files import replacing


def write_facts(facts: ArchitectureFacts, file: Path) -> None:
    """Write the facts as JSON, one parameter a line."""
    known = asdict(facts)
    parameters = ",\n".join(
        f"    {json.dumps(path)}: {json.dumps(shape)}"
        for path, shape in known.pop("parameters").items()
    )
    head = json.dumps(known).strip("{}")
    text = f'{{\n  {head},\n  "parameters": {{\n{parameters}\n  }}\n}}\n'
    with replacing(file) as partial:
        partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for source in BACKBONES.values():
        write_facts(built_facts(source.architecture), FOLDER / f"{source.architecture}.json")
