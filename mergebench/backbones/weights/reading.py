"""Tensors out of files of weights that anybody may have written, by the names that they have there.

safetensors, whole or in shards with their index, and state dicts pickled by PyTorch (`pickled`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from mergebench.backbones.weights.dtypes import DTYPES, is_weight
from mergebench.backbones.weights.finding import INDEX, require_regular
from mergebench.backbones.weights.pickled import read_pickled
from mergebench.errors import InputError, reason, shown


def read_tensors(file: Path, *, values: bool = True) -> dict[str, Tensor]:
    """Return the weights in `file` (see `weights_file`) by name; not what only counts or numbers.

    Without `values` safetensors give tensors on the meta device, from their headers alone. Raises
    InputError, naming the file, for one that is damaged, whatever is in it, and for a tensor of a
    dtype that weights do not have.
    """
    if file.name.endswith(INDEX):
        return _in_shards(file, values=values)
    if file.suffix == ".safetensors":
        return _in_one(file, values=values)
    return read_pickled(file)


def _in_one(file: Path, *, values: bool) -> dict[str, Tensor]:
    tensors = {}
    with readable(file, "a safetensors file"), safe_open(file, framework="pt") as content:
        for key in content.keys():  # noqa: SIM118
            header = content.get_slice(key)
            if not is_weight(file, key, DTYPES.get(header.get_dtype()), header.get_dtype()):
                continue
            if values:
                tensors[key] = content.get_tensor(key)
            else:
                dtype = DTYPES[header.get_dtype()]
                tensors[key] = torch.empty(header.get_shape(), dtype=dtype, device="meta")
    return tensors


def _in_shards(index: Path, *, values: bool) -> dict[str, Tensor]:
    """Return the tensors of all shards that the index names, also those that it does not name.

    So does `transformers`, to which an index says which files there are.
    """
    shards = _shards(index)
    for shard in shards:
        file = index.with_name(shard)
        require_regular(file, f"{index} names {shard}, which is not beside it: fetch it again")
    tensors: dict[str, Tensor] = {}
    for shard, names in shards.items():
        found = _in_one(index.with_name(shard), values=values)
        for name in names:
            if name not in found and is_weight(index, name, torch.float32, ""):
                raise InputError(
                    f"{index} says that {shown(name)} is in {shard}, which has no such tensor: "
                    "fetch both again"
                )
        for name in found:
            if name in tensors:
                raise InputError(
                    f"{index}: {shown(name)} is in {shard} and in another shard: fetch all again"
                )
        tensors |= found
    return tensors


def _shards(index: Path) -> Mapping[str, list[str]]:
    """Return the names of tensors by shard, as the index states them."""
    with readable(index, "an index of shards"):
        content = json.loads(index.read_bytes())
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(f"{index} has no weight_map of tensors and shards: fetch it again")
    shards: dict[str, list[str]] = {}
    for name, shard in weight_map.items():
        if not isinstance(shard, str):
            raise InputError(f"{index}: {shown(name)} has no name of a shard: fetch it again")
        if not _is_beside(shard):
            raise InputError(
                f"{index}: {shown(shard)} is not the name of a safetensors file beside it: "
                "fetch it again"
            )
        shards.setdefault(shard, []).append(name)
    return shards


def _is_beside(shard: str) -> bool:
    plain = Path(shard).name == shard and "\\" not in shard and shard.isprintable()
    return plain and shard.endswith(".safetensors")


@contextmanager
def readable(file: Path, kind: str) -> Iterator[None]:
    """Let whatever a library raises on damaged content be an InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # an open set: hostile bytes make readers raise nearly anything
        raise InputError(
            f"{file} is truncated or not {kind} ({reason(error)}): fetch it again"
        ) from error
