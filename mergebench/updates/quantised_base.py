"""Whether an adapter was trained on quantised weights, as its config says."""

from __future__ import annotations

import re
from pathlib import Path

from mergebench.errors import InputError
from mergebench.updates.adapter_config import CONFIG_NAME, read_config
from mergebench.updates.adapter_folder import find_weights

_QUANTISED = re.compile(
    r"(?:^|[-_./])(?:bnb|gptq|awq|gguf|nf4|(?:mx|nv)?fp[48]|hqq|aqlm|eetq|exl[23]|w[48]a\d+"
    r"|quanti[sz]ed|quanto|torchao|(?:int)?[12348][-_]?bits?|int[48](?:wo|dq)?|q[2-8]_[01k]\w*)"
    r"(?=$|[-_./])",
    re.IGNORECASE,
)


def recorded_base(path: str | Path) -> str | None:
    """Return the base model that a PEFT folder names; None for other updates, or if it has none.

    Errors as of `read_config`.
    """
    config = find_weights(Path(path)).with_name(CONFIG_NAME)
    return read_config(config).base_model_name_or_path if config.is_file() else None


def check_full_precision(path: str | Path, base: str | None) -> None:
    """Raise `InputError` if an adapter's base is called as quantised models are (bnb, 4bit, ...).

    Its change was fitted to rounded weights, and is added to others here. `base`: as
    `recorded_base` of `path` returns it.
    """
    if base and _QUANTISED.search(base):
        raise InputError(
            f"{path}: its base {base!r} is quantised, and an update is added to full-precision "
            "weights: train it on these, or insist with --other-base"
        )
