"""Checkpoints of the embedded backbones: half-precision weights, vocabulary and their record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from mergebench.backbones.weights import read_tensors, readable
from mergebench.errors import InputError
from mergebench.files import replacing

EMBEDDED_FOLDER = Path(__file__).parents[1] / "checkpoints"


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """`state`: float32 tensors of the whole model by name; `sha256`: of the file they come from."""

    state: dict[str, Tensor]
    vocabulary: tuple[str, ...]
    sha256: str


def read_checkpoint(folder: Path, name: str) -> Checkpoint:
    """Read `<name>.safetensors` after comparing it with the SHA-256 in `<name>.json`.

    Raises InputError if a file is missing or damaged or the hash differs.
    """
    file, record = folder / f"{name}.safetensors", folder / f"{name}.json"
    for needed in (record, file):
        if not needed.is_file():
            raise InputError(
                f"no {needed}: weights of {name} are a folder with {record.name} and {file.name}, "
                f"as `mergebench pretrain --backbone {name}` makes them"
            )
    with readable(record, "the record of a checkpoint"):
        expected = str(json.loads(record.read_bytes())["sha256"])
    found = _sha256(file)
    if found != expected:
        raise InputError(
            f"{file} is damaged: its SHA-256 is {found[:12]}..., expected {expected[:12]}...; "
            "reinstall mergebench"
        )
    state = {key: tensor.float() for key, tensor in read_tensors(file).items()}
    return Checkpoint(state=state, vocabulary=read_vocabulary(file), sha256=found)


def read_vocabulary(file: Path) -> tuple[str, ...]:
    """Return the words of the tokenizer that the weights in `file` were trained with."""
    with readable(file, "a checkpoint"), safe_open(file, framework="pt") as content:
        return tuple(map(str, json.loads(content.metadata()["vocabulary"])))


def write_checkpoint(
    folder: Path,
    name: str,
    state: Mapping[str, Tensor],
    vocabulary: tuple[str, ...],
    training: Mapping[str, object],
) -> Path:
    """Write the two files of a checkpoint into `folder`, weights as float16; return the weights'.

    `training` says in JSON terms how the weights were made; it is kept in the record.
    """
    file = folder / f"{name}.safetensors"
    half = {key: value.detach().to(torch.float16).contiguous() for key, value in state.items()}
    with replacing(file) as partial:
        save_file(half, partial, metadata={"vocabulary": json.dumps(vocabulary)})
    record = {"sha256": _sha256(file), "training": training}
    with replacing(folder / f"{name}.json") as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return file


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
