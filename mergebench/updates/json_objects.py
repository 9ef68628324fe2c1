"""JSON that strangers wrote."""

from __future__ import annotations

import json
from typing import Any

from mergebench.errors import InputError


def parse_object(content: str | bytes, label: str) -> dict[str, Any]:
    """Return the JSON object that is `content`; `InputError`, naming `label`, if it is none."""
    try:
        options = json.loads(content)
    except RecursionError as error:
        raise InputError(f"{label} is nested too deeply: export it again") from error
    except ValueError as error:
        raise InputError(f"{label} is not valid JSON ({error}): export it again") from error
    if not isinstance(options, dict):
        raise InputError(f"{label} is not a JSON object: export it again")
    return options
