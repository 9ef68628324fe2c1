"""Updates on disk: PEFT adapter folders, and dense updates as one safetensors file."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mergebench.errors import InputError, shape_text
from mergebench.files import replacing
from mergebench.updates.adapter_config import CONFIG_NAME, AdapterConfig, read_config
from mergebench.updates.adapter_layout import LayoutName, layout_of, layout_to_write
from mergebench.updates.update import FLOAT_DTYPES, Dense, LowRank, SiteUpdate, Update

WEIGHTS_NAME = "adapter_model.safetensors"
DENSE_NAME = "update.safetensors"
METADATA_KEY = "mergebench"

Shapes = Mapping[str, tuple[int, ...]]

_PREFIX = "base_model.model."
_FACTOR = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def load_update(
    path: str | Path, shapes: Shapes, backbone: str, *, dense_shapes: Shapes | None = None
) -> Update:
    """Load an update of `backbone`, its sites in the order of `shapes`.

    `path`: a PEFT adapter folder (`adapter_config.json`, `adapter_model.safetensors`), the
    safetensors file in it, or a safetensors file with one dense tensor per site as `save_dense`
    writes it, or a folder with such an `update.safetensors`. A PEFT adapter may name its modules as
    the sites or as Hugging Face's CLIP does. `shapes`: the shape `(m, n)` of every site of the
    backbone; `dense_shapes`: of all that a dense update may change, if that is more. A LoRA's
    scaling is folded into `up`; float16 and bfloat16 become float32. Raises `InputError`, one line
    with the file and the site or key, for anything that is not exactly an update of these sites.
    """
    path = Path(path)
    weights = _find_weights(path)
    tensors = _read_tensors(weights)
    if weights.name == WEIGHTS_NAME or any(".lora_" in key for key in tensors):
        config = read_config(weights.with_name(CONFIG_NAME))
        sites = _adapter_sites(weights, tensors, config, shapes, backbone)
    else:
        shapes = dense_shapes or shapes
        sites = _dense_sites(weights, tensors, shapes, backbone)
    return Update(sites={site: sites[site] for site in shapes if site in sites}, label=str(path))


def save_adapter(
    update: Update,
    folder: str | Path,
    *,
    base_model: str | None = None,
    layout: LayoutName = "open_clip",
) -> None:
    """Write a low-rank update as a PEFT adapter folder with scaling 1.

    `load_update` returns it bit for bit, and PEFT loads it into a tower with these sites, or with
    `layout="huggingface"` into a `CLIPModel` or `CLIPVisionModelWithProjection`. The config is
    written last: an interrupted write leaves a folder that is refused. `base_model` is noted in it.
    Raises `InputError` for a dense site and when the folder cannot be written.
    """
    factors: dict[str, LowRank] = {}
    for site, change in update.sites.items():
        if not isinstance(change, LowRank) or change.rank == 0:
            raise InputError(
                f"{update.label}: site {site} has no low-rank factors: save it as a dense update"
            )
        factors[site] = change
    if not factors:
        raise InputError(f"{update.label} changes no site: nothing to save")
    names, tensors, ranks = layout_to_write(layout, factors, update.label), {}, {}
    for site, change in factors.items():
        module = names.module(site)
        tensors[f"{_PREFIX}{module}.lora_A.weight"] = change.down
        tensors[f"{_PREFIX}{module}.lora_B.weight"] = change.up
        ranks[module] = change.rank
    folder = Path(folder)
    config = folder / CONFIG_NAME
    with replacing(config) as temporary:
        options = _config_options(ranks)
        options["base_model_name_or_path"] = base_model
        temporary.write_text(json.dumps(options, indent=2, sort_keys=True) + "\n")
        config.unlink(missing_ok=True)
        _write_tensors(folder / WEIGHTS_NAME, tensors, {"format": "pt"})


def save_dense(
    update: Update, file: str | Path, metadata: Mapping[str, object] | None = None
) -> None:
    """Write one dense float32 tensor per site, keyed by the site's name.

    `metadata`: JSON values noted in the file's header under `mergebench`. Equal updates and
    metadata give equal bytes. Raises `InputError` when a value exceeds float32 (naming the site) or
    the file cannot be written.
    """
    tensors = {}
    for site, change in update.sites.items():
        tensors[site] = change.dense().to(torch.float32)
        if not bool(torch.isfinite(tensors[site]).all()):
            raise InputError(f"{update.label}: site {site} exceeds float32; scale the update down")
    # One header entry: safetensors writes several in an order that changes from run to run.
    header = {METADATA_KEY: json.dumps(metadata, sort_keys=True)} if metadata else None
    _write_tensors(Path(file), tensors, header)


def _find_weights(path: Path) -> Path:
    if (path / DENSE_NAME).is_file():
        return path / DENSE_NAME
    weights = path / WEIGHTS_NAME if path.is_dir() else path
    pickled = path / "adapter_model.bin" if path.is_dir() and not weights.exists() else path
    if pickled.suffix in _PICKLES and pickled.exists():
        raise InputError(
            f"{pickled} is a pickle, which can run code when opened: convert it where you trust "
            "it, by PEFT's save_pretrained(folder, safe_serialization=True)"
        )
    if not path.exists():
        raise InputError(f"{path}: no such adapter folder or safetensors file")
    if not weights.is_file():
        raise InputError(f"{weights} is missing: give a folder that PEFT's save_pretrained wrote")
    if weights.suffix != ".safetensors":
        raise InputError(f"{path}: expected an adapter folder or a .safetensors file")
    return weights


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{file} is truncated or not a safetensors file ({reason}): fetch or export it again"
        ) from error
    if not tensors:
        raise InputError(f"{file} holds no tensor: export it again")
    return tensors


def _adapter_sites(
    file: Path, tensors: Mapping[str, Tensor], config: AdapterConfig, shapes: Shapes, backbone: str
) -> dict[str, SiteUpdate]:
    named = _pair_factors(file, tensors, shapes)
    layout = layout_of(named)
    factors = {layout.site(module): pair for module, pair in named.items()}
    if len(factors) < len(named):
        raise InputError(f"{file} names some modules in two ways: export the adapter again")
    _check_known(file, factors, shapes, backbone)
    for site in shapes:
        if config.targets(layout.module(site)) and site not in factors:
            raise InputError(
                f"{file}: site {site} of backbone {backbone} is missing, "
                "which target_modules includes: export the adapter again"
            )
    return {
        site: _low_rank(file, layout.module(site), pair, config, shapes[site], backbone)
        for site, pair in factors.items()
    }


def _low_rank(
    file: Path,
    site: str,
    pair: Mapping[str, Tensor],
    config: AdapterConfig,
    shape: tuple[int, ...],
    backbone: str,
) -> LowRank:
    for missing in {"A", "B"} - pair.keys():
        raise InputError(
            f"{file}: site {site} has no lora_{missing}.weight: export the adapter again"
        )
    (rows, columns), rank = shape, config.rank(site)
    found = pair["A"].numel() // columns
    fits = pair["A"].shape == (found, columns) and pair["B"].shape == (rows, found)
    if fits and found != rank:
        raise InputError(
            f"{file}: site {site} has rank {found}, but {CONFIG_NAME} says {rank}: "
            "correct r or rank_pattern"
        )
    down = _checked(file, f"{site}.lora_A", pair["A"], (rank, columns), backbone)
    up = _checked(file, f"{site}.lora_B", pair["B"], (rows, rank), backbone)
    return LowRank(up=up * config.scaling(site), down=down)


def _pair_factors(
    file: Path, tensors: Mapping[str, Tensor], shapes: Shapes
) -> dict[str, dict[str, Tensor]]:
    """Return `{site: {"A": ..., "B": ...}}`, one or both of the factors per site."""
    factors: dict[str, dict[str, Tensor]] = {}
    for key, tensor in sorted(tensors.items()):
        match = _FACTOR.fullmatch(key)
        if match is None:
            raise _unknown_key(file, key, shapes)
        site, factor = match.groups()
        if factor in factors.setdefault(site, {}):
            raise InputError(f"{file}: site {site} has two lora_{factor} weights: keep one")
        factors[site][factor] = tensor
    return factors


def _unknown_key(file: Path, key: str, shapes: Shapes) -> InputError:
    if "lora_magnitude_vector" in key:
        return InputError(f"{file}: {key} belongs to DoRA: use a plain LoRA adapter")
    if key.endswith(".bias"):
        return InputError(f"{file}: {key} is a bias: train the adapter with bias 'none'")
    expected = [f"{_PREFIX}{site}.lora_{factor}.weight" for site in shapes for factor in "AB"]
    near = difflib.get_close_matches(key, expected, n=1, cutoff=0)
    return InputError(
        f"{file}: unknown key {key!r} (nearest: {', '.join(near)}): "
        "remove it, or export an adapter of linear layers only"
    )


def _dense_sites(
    file: Path, tensors: Mapping[str, Tensor], shapes: Shapes, backbone: str
) -> dict[str, SiteUpdate]:
    _check_known(file, tensors, shapes, backbone)
    return {
        site: Dense(delta=_checked(file, site, tensor, shapes[site], backbone))
        for site, tensor in tensors.items()
    }


def _check_known(file: Path, sites: Iterable[str], shapes: Shapes, backbone: str) -> None:
    names = list(sites)
    unknown = [site for site in names if site not in shapes]
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], shapes, n=1, cutoff=0)
    raise InputError(
        f"{file}: backbone {backbone} has no site {unknown[0]!r} (nearest: {', '.join(near)}); "
        f"{len(unknown)} of {len(names)} sites are unknown to it: "
        f"expected an adapter for {backbone}"
    )


def _checked(
    file: Path, name: str, tensor: Tensor, shape: tuple[int, ...], backbone: str
) -> Tensor:
    """Return `tensor` in float32, or float64 if it is; check its shape and dtype."""
    if tuple(tensor.shape) != shape:
        raise InputError(
            f"{file}: {name} has shape {shape_text(tensor.shape)}; backbone {backbone} "
            f"expects {shape_text(shape)}: give an adapter for {backbone}"
        )
    if tensor.dtype in (torch.float16, torch.bfloat16):
        return tensor.to(torch.float32)
    if tensor.dtype not in FLOAT_DTYPES:
        raise InputError(
            f"{file}: {name} has dtype {tensor.dtype}; expected float16, bfloat16, float32 or "
            "float64: export it unquantised"
        )
    return tensor


def _config_options(ranks: Mapping[str, int]) -> dict[str, object]:
    """Return PEFT's options for plain LoRA of these ranks by site, every scaling equal to 1."""
    (rank, _), *_ = Counter(ranks.values()).most_common(1)
    # PEFT takes the keys as regular expressions that may match the end of a longer path.
    others = {f"^{re.escape(site)}": other for site, other in ranks.items() if other != rank}
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": sorted(ranks),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "task_type": None,
        "use_dora": False,
        "use_rslora": False,
    }


def _write_tensors(
    file: Path, tensors: Mapping[str, Tensor], header: dict[str, str] | None
) -> None:
    contents = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    with replacing(file) as temporary:
        try:
            save_file(contents, temporary, header)
        except SafetensorError as error:
            raise InputError(f"cannot write {file}: {' '.join(str(error).split())}") from error
