"""Damaged files of weights are one line, whatever their bytes make the readers do."""

from __future__ import annotations

import json
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mergebench.backbones import find_source
from mergebench.backbones.clip.fitting import load_weights
from mergebench.errors import InputError, lacks_memory


class Tiny(nn.Module):
    """Few tensors with names of a CLIP."""

    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(4.0))
        self.visual = nn.Linear(3, 2)
        self.ln_final = nn.LayerNorm(2)


def _zip(file: Path) -> None:
    torch.save(Tiny().state_dict(), file)


def _legacy(file: Path) -> None:
    torch.save({"state_dict": Tiny().state_dict()}, file, _use_new_zipfile_serialization=False)


def _safetensors(file: Path) -> None:
    save_file(Tiny().state_dict(), file)


def _index(file: Path) -> None:
    save_file(Tiny().state_dict(), file.with_name("model-00001-of-00001.safetensors"))
    names = dict.fromkeys(Tiny().state_dict(), "model-00001-of-00001.safetensors")
    file.write_text(json.dumps({"metadata": {}, "weight_map": names}))


WRITERS: dict[str, Callable[[Path], None]] = {
    "weights.pt": _zip,
    "open_clip_pytorch_model.bin": _zip,
    "legacy.pt": _legacy,
    "weights.safetensors": _safetensors,
    "model.safetensors.index.json": _index,
}


def mutated(content: bytes, draws: random.Random) -> bytes:
    """Return the bytes with a few of them changed, or some left out or put in."""
    changed = bytearray(content)
    for _ in range(draws.choice((1, 1, 2, 8))):
        place = draws.randrange(len(changed) or 1)
        kind = draws.randrange(5)
        if kind < 2:
            changed[place : place + 1] = draws.randbytes(1)
        elif kind == 2:
            del changed[place : place + draws.choice((1, 7, 64))]
        elif kind == 3:
            changed[place:place] = draws.randbytes(draws.choice((1, 8)))
        else:
            changed = changed[: max(place, 1)]
    return bytes(changed)


def loaded(file: Path) -> Tiny | str:
    """Return what was loaded, or the line that says why nothing was."""
    model = Tiny()
    try:
        load_weights(model, file, find_source("vit_b32"))
    except InputError as error:
        line = str(error)
        assert file.parent.name in line
        assert line.isprintable()
        assert len(line) < 1000
        return line
    return model


@pytest.mark.parametrize("name", WRITERS)
def test_mutated_files_are_refused_in_a_line_or_load(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    WRITERS[name](file)
    content = file.read_bytes()
    assert isinstance(loaded(file), Tiny)
    refused = 0
    for seed in range(300):
        file.write_bytes(mutated(content, random.Random(seed)))
        found = loaded(file)
        if isinstance(found, str):
            refused += 1
        else:
            assert all(value.isfinite().all() for value in found.state_dict().values())
    assert refused > 100


def rewritten(file: Path, *, packed: bool = False, **records: bytes) -> None:
    """Write a small archive of torch.save again, with other content of some records."""
    _zip(file)
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in contents.items():
            archive.writestr(name, records.get(Path(name).name, content))


def test_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    rewritten(tmp_path / "bomb.pt", packed=True, **{"1": bytes(100_000_000)})
    assert "holds packed records, as torch.save writes none" in str(loaded(tmp_path / "bomb.pt"))


def test_a_tensor_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    state = Tiny().state_dict() | {"visual.weight": torch.zeros(1 << 20)}
    torch.save(state, tmp_path / "large.pt")
    with zipfile.ZipFile(tmp_path / "large.pt") as archive:
        pickled = archive.read("large/data.pkl")
    rewritten(tmp_path / "claims.pt", **{"data.pkl": pickled})
    assert "is truncated or holds more than tensors" in str(loaded(tmp_path / "claims.pt"))


def test_a_tensor_larger_than_memory_is_refused_by_its_shape(tmp_path: Path) -> None:
    state = Tiny().state_dict() | {"visual.weight": torch.zeros(1).expand(10**12, 3)}
    for legacy in (True, False):
        file = tmp_path / f"{legacy}.pt"
        torch.save(state, file, _use_new_zipfile_serialization=not legacy)
        assert "visual.weight has shape 1000000000000×3" in str(loaded(file))


def test_a_size_that_no_memory_has_is_damage_and_no_lack_of_memory(tmp_path: Path) -> None:
    file = tmp_path / "sized.pt"
    torch.save({"w": torch.zeros(3)}, file, _use_new_zipfile_serialization=False)
    small, absurd = b"K\x03Ntq", b"\x8a\x06" + (2**45).to_bytes(6, "little") + b"Ntq"
    assert file.read_bytes().count(small) == 1
    file.write_bytes(file.read_bytes().replace(small, absurd))
    with pytest.raises(InputError, match=r"sized\.pt is truncated or .*: fetch it again") as caught:
        load_weights(Tiny(), file, find_source("vit_b32"))
    assert "allocate" in str(caught.value)  # the size was asked for
    assert not lacks_memory(caught.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is truncated or"),
        (b"weights", "is truncated or neither an archive of torch.save nor a pickle"),
        (pickle.dumps([1], protocol=2), "is truncated or holds more than tensors"),
        (b"\x80\x02]q\x00.", "is truncated or holds more than tensors"),
    ],
)
def test_what_is_no_checkpoint(content: bytes, line: str, tmp_path: Path) -> None:
    (tmp_path / "odd.pt").write_bytes(content)
    assert line in str(loaded(tmp_path / "odd.pt"))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (torch.zeros(2, 3).to_sparse(), "visual.weight is sparse or has no values"),
        (torch.empty(2, 3, device="meta"), "visual.weight is sparse or has no values"),
        ([1.0], "visual.weight is a list; expected a tensor"),
        (torch.zeros(2, 3, dtype=torch.float8_e5m2), "visual.weight has dtype torch.float8_e5m2"),
        (torch.zeros(2, 3, dtype=torch.complex64), "visual.weight has dtype torch.complex64"),
        (torch.zeros(2, 3, dtype=torch.bool), "visual.weight has dtype torch.bool"),
    ],
)
def test_pickled_values_that_are_no_weights(value: object, line: str, tmp_path: Path) -> None:
    torch.save(Tiny().state_dict() | {"visual.weight": value}, tmp_path / "odd.pt")
    assert line in str(loaded(tmp_path / "odd.pt"))


def test_keys_that_are_no_names(tmp_path: Path) -> None:
    torch.save({**Tiny().state_dict(), 7: torch.zeros(2)}, tmp_path / "odd.pt")
    assert "has a key that is no text but a int" in str(loaded(tmp_path / "odd.pt"))
    torch.save({**Tiny().state_dict(), "a\nb" * 999: torch.zeros(2)}, tmp_path / "odd.pt")
    assert "has an unknown tensor 'a\\nba\\nb" in str(loaded(tmp_path / "odd.pt"))


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (torch.float8_e4m3fn, "F8_E4M3"),
        (torch.float8_e5m2, "F8_E5M2"),
        (torch.complex64, "C64"),
        (torch.bool, "BOOL"),
        (torch.int8, "I8"),
        (torch.int64, "I64"),
    ],
)
def test_safetensors_in_dtypes_that_weights_do_not_have(
    dtype: torch.dtype, name: str, tmp_path: Path
) -> None:
    state = Tiny().state_dict() | {"visual.weight": torch.zeros(2, 3).to(dtype)}
    save_file(state, tmp_path / "odd.safetensors")
    line = f"visual.weight has dtype {name}: give unquantised weights, in float16, bfloat16"
    assert line in str(loaded(tmp_path / "odd.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes_that_weights_have(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {name: value.to(dtype) for name, value in Tiny().state_dict().items()}
    save_file(state, tmp_path / "weights.safetensors")
    torch.save(state, tmp_path / "weights.pt")
    for file in tmp_path.iterdir():
        found = loaded(file)
        assert isinstance(found, Tiny)
        assert torch.equal(found.visual.weight, state["visual.weight"].float())


def test_a_deep_index_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text("[" * 100_000)
    assert "is truncated or not an index of shards" in str(loaded(index))
