"""State dicts pickled by PyTorch, opened without running what is in them.

`weights_only` builds tensors and plain containers and runs no code, but what it does with hostile
bytes is open: sizes that no storage has are read past its end, packed records are unpacked whatever
they grow to. So an archive is mapped, which bounds every tensor by the file, and must hold its
records as they are, as torch.save writes them.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mergebench.backbones.weights.dtypes import is_weight
from mergebench.errors import InputError, reason, shown

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_HOLDERS = ("state_dict", "model_state_dict", "model")
_AGAIN = "fetch it again, or save its state_dict alone as safetensors where you trust it"


def read_pickled(file: Path) -> dict[str, Tensor]:
    """Return the weights in a pickled state dict by name, or of the one in a training state.

    Tensors of an archive are mapped, not read. Raises InputError, naming the file, for everything
    that is not a state dict of dense tensors in a dtype of weights.
    """
    state = _state(file, _content(file))
    weights = {}
    for key, value in state.items():
        if not isinstance(key, str):
            raise InputError(f"{file} has a key that is no text but a {type(key).__name__}")
        if not isinstance(value, Tensor):
            if isinstance(value, int | float) and not is_weight(file, key, torch.float32, ""):
                continue
            raise InputError(f"{file}: {shown(key)} is a {type(value).__name__}; expected a tensor")
        if not is_weight(file, key, value.dtype, str(value.dtype)):
            continue
        if value.layout != torch.strided or value.device.type != "cpu":
            raise InputError(f"{file}: {shown(key)} is sparse or has no values: save dense tensors")
        weights[key] = value.detach()
    return weights


def _content(file: Path) -> Any:
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_ZIP))
        if start == _ZIP:
            _check_archive(file)
        elif not start.startswith(_PICKLE):
            raise InputError(
                f"{file} is truncated or neither an archive of torch.save nor a pickle: {_AGAIN}"
            )
        with warnings.catch_warnings(action="ignore"):  # of odd bytes, which an error names
            return torch.load(file, map_location="cpu", weights_only=True, mmap=start == _ZIP)
    except InputError:
        raise
    except Exception as error:  # an open set: hostile bytes make it raise nearly anything
        found = re.search(r"WeightsUnpickler error: (.+)", str(error))
        why = reason(ValueError(found[1]) if found else error)
        # What is not mapped may ask for any size: no sign that memory is short.
        genuine = start == _ZIP or isinstance(error, MemoryError)
        raise InputError(f"{file} is truncated or holds more than tensors ({why}): {_AGAIN}") from (
            error if genuine else None
        )


def _check_archive(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
    if any(record.filename.endswith("/constants.pkl") for record in records):
        raise InputError(
            f"{file} is a TorchScript archive, which is a program: where you trust it, save "
            "torch.jit.load(file).state_dict() by torch.save and give that file"
        )
    packed = any(record.compress_type != zipfile.ZIP_STORED for record in records)
    if packed or sum(record.file_size for record in records) > file.stat().st_size:
        raise InputError(f"{file} holds packed records, as torch.save writes none: {_AGAIN}")


def _state(file: Path, content: Any) -> dict[Any, Any]:
    if isinstance(content, dict):
        for holder in _HOLDERS:
            if isinstance(content.get(holder), dict):
                content = content[holder]
                break
    if not isinstance(content, dict) or not content:
        raise InputError(f"{file} holds no state dict: save model.state_dict() with torch.save")
    return content
