"""Updates on disk: PEFT adapter folders, and dense updates as one safetensors file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mergebench.errors import InputError
from mergebench.files import replacing
from mergebench.updates.adapter_config import CONFIG_NAME, read_config
from mergebench.updates.adapter_folder import WEIGHTS_NAME, find_weights
from mergebench.updates.adapter_keys import PREFIX, check_keys
from mergebench.updates.adapter_layout import Evidence, LayoutName, layout_to_write
from mergebench.updates.base import Base, check_base, names_base
from mergebench.updates.json_objects import parse_object
from mergebench.updates.quantised_base import check_full_precision
from mergebench.updates.saved_heads import saved_heads
from mergebench.updates.site_changes import Expected, Shapes, dense_changes, low_rank_changes
from mergebench.updates.update import LowRank, SiteUpdate, Update

METADATA_KEY = "mergebench"


def load_update(
    path: str | Path,
    shapes: Shapes,
    backbone: str,
    *,
    dense_shapes: Shapes | None = None,
    base: Base | None = None,
    other_base: bool = False,
    vision_tower: bool = False,
) -> Update:
    """Load an update of `backbone`, its sites in the order of `shapes`.

    `path`: a PEFT adapter folder (`adapter_config.json`, `adapter_model.safetensors`), the
    safetensors file in it, or a safetensors file with one dense tensor per site as `save_dense`
    writes it, or a folder with such an `update.safetensors`. A PEFT adapter may name its modules as
    the sites or as the model of `transformers` does. `shapes`: the shape `(m, n)` of every site of
    the backbone; `dense_shapes`: of all that a dense update may change, if that is more. `base`:
    what else the backbone is called, where the file says what it was trained on (its own name is
    known). The user insists by `other_base` that an update recorded for another model fits, and by
    `vision_tower` that keys which may be of either tower are the vision tower's.

    A LoRA's scaling is folded into `up`; float16 and bfloat16 become float32. Heads that PEFT saved
    whole are no part of a tower: they are left out, and named in the update. Raises `InputError`,
    one line with the file and the site or key, for anything that is not exactly an update of these
    sites.
    """
    path, base = Path(path), base or Base()
    weights = find_weights(path)
    tensors = _read_tensors(weights)
    if weights.name == WEIGHTS_NAME or any(".lora_" in key for key in tensors):
        expected = Expected(file=weights, backbone=backbone, shapes=shapes)
        claim = _Claim(base=base, other_base=other_base, vision_tower=vision_tower)
        return _load_low_rank(path, expected, tensors, claim)
    if not other_base:
        check_base(f"{weights}: backbone", _recorded_backbone(weights), base, backbone)
    expected = Expected(file=weights, backbone=backbone, shapes=dense_shapes or shapes)
    return _in_order(path, expected, dense_changes(expected, tensors))


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """What an adapter may have been trained on, and what the user insists on (`load_update`)."""

    base: Base
    other_base: bool
    vision_tower: bool


def _load_low_rank(
    path: Path, expected: Expected, tensors: Mapping[str, Tensor], claim: _Claim
) -> Update:
    """Return the update in a PEFT adapter with these tensors, its heads left out."""
    base, backbone = claim.base, expected.backbone
    file = expected.file.with_name(CONFIG_NAME)
    config = read_config(file)
    recorded = config.base_model_name_or_path
    if not claim.other_base:
        check_full_precision(path, recorded)
        check_base(f"{file}: base_model_name_or_path", recorded, base, backbone)
    sized = base.towers_differ and names_base(recorded, base, backbone)
    evidence = Evidence(model_class=config.model_class, vision=claim.vision_tower or sized)
    heads = saved_heads(tensors, config.modules_to_save, expected.shapes)
    factors = {key: tensor for key, tensor in tensors.items() if key not in heads}
    sites = low_rank_changes(expected, factors, config, evidence)
    return replace(_in_order(path, expected, sites), left_out=tuple(dict.fromkeys(heads.values())))


def _in_order(path: Path, expected: Expected, sites: Mapping[str, SiteUpdate]) -> Update:
    """Return the changes as an update, in the order of the expected shapes."""
    ordered = {site: sites[site] for site in expected.shapes if site in sites}
    return Update(sites=ordered, label=str(path))


def save_adapter(
    update: Update,
    folder: str | Path,
    *,
    base_model: str | None = None,
    layout: LayoutName = "open_clip",
) -> None:
    """Write a low-rank update as a PEFT adapter folder with scaling 1.

    `load_update` returns it bit for bit, and PEFT loads it into a tower with these sites, or with
    `layout="huggingface"` into a `CLIPModel` or `CLIPVisionModelWithProjection`, or into a
    `BertModel`. The config is written last: an interrupted write leaves a folder that is refused.
    `base_model` is noted in it. Raises `InputError` for a dense site, for a site that the layout
    has no name for, and when the folder cannot be written.
    """
    factors: dict[str, LowRank] = {}
    for site, change in update.sites.items():
        if not isinstance(change, LowRank) or change.rank == 0:
            raise InputError(
                f"{update.label}: site {site} has no low-rank factors: give a LoRA adapter, or cut "
                "it with `merge --rank R`"
            )
        factors[site] = change
    if not factors:
        raise InputError(f"{update.label} changes no site: nothing to save")
    names, tensors, ranks = layout_to_write(layout, factors, update.label), {}, {}
    for site, change in factors.items():
        module = names.module(site)
        tensors[f"{PREFIX}{module}.lora_A.weight"] = change.down
        tensors[f"{PREFIX}{module}.lora_B.weight"] = change.up
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
    check_keys(file, tensors)
    return tensors


def _recorded_backbone(file: Path) -> str | None:
    """Return the backbone that `save_dense` noted in the file's header, if any."""
    with safe_open(file, "pt") as opened:
        noted = (opened.metadata() or {}).get(METADATA_KEY)
    if noted is None:
        return None
    backbone = parse_object(noted, f"{file}: metadata {METADATA_KEY!r}").get("backbone")
    if backbone is not None and not isinstance(backbone, str):
        raise InputError(f"{file}: metadata: backbone is no name: merge or export it again")
    return backbone


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
