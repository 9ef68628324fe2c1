"""Which file of what a provider released holds the weights."""

from __future__ import annotations

import re
from pathlib import Path

from mergebench.errors import InputError
from mergebench.files import check_regular

WEIGHTS_NAME = "adapter_model.safetensors"
DENSE_NAME = "update.safetensors"

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_SHOWN = 3


def find_weights(path: Path) -> Path:
    """Return the safetensors file that `path` is or that stands for the folder `path`.

    Raises `InputError` when there is none, more than one, or one that is no regular file.
    """
    weights = _in_folder(path) if path.is_dir() else path
    if weights.suffix in _PICKLES and weights.exists():
        raise InputError(
            f"{weights} is a pickle, which can run code when opened: convert it where you trust "
            "it, by PEFT's save_pretrained(folder, safe_serialization=True)"
        )
    try:
        check_regular(weights)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such adapter folder or safetensors file") from error
    if weights.suffix != ".safetensors":
        raise InputError(f"{path}: expected an adapter folder or a .safetensors file")
    return weights


def _in_folder(folder: Path) -> Path:
    there = [name for name in (DENSE_NAME, WEIGHTS_NAME) if (folder / name).exists()]
    if len(there) > 1:
        raise InputError(f"{folder} holds {' and '.join(there)}: give the one that you mean itself")
    if there:
        return folder / there[0]
    pickled = folder / "adapter_model.bin"
    if pickled.exists():
        return pickled
    inner = sorted({file.parent for file in folder.glob(f"*/{WEIGHTS_NAME}")}, key=_by_number)
    if not inner:
        raise InputError(
            f"{folder / WEIGHTS_NAME} is missing: give a folder that PEFT's save_pretrained wrote"
        )
    shown = ", ".join(map(str, inner[-_SHOWN:]))
    more = f" ({len(inner) - _SHOWN} more)" if len(inner) > _SHOWN else ""
    raise InputError(
        f"{folder / WEIGHTS_NAME} is missing, but subfolders hold adapters: give one: {shown}{more}"
    )


def _by_number(folder: Path) -> list[tuple[int, str]]:
    """Order checkpoint-500 before checkpoint-1000."""
    parts = re.findall(r"(\d{1,18})|(\D+)", folder.name)
    return [(int(number or -1), text) for number, text in parts]
