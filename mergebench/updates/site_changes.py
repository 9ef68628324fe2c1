"""Tensors of a file as changes of a backbone's sites: every key, shape and dtype checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mergebench.errors import InputError, shape_text
from mergebench.updates.adapter_config import CONFIG_NAME, AdapterConfig
from mergebench.updates.adapter_keys import pair_factors
from mergebench.updates.adapter_layout import Evidence, tower_layout
from mergebench.updates.adapter_promises import Promise, promises
from mergebench.updates.update import FLOAT_DTYPES, Dense, LowRank, SiteUpdate, all_finite

Shapes = Mapping[str, tuple[int, ...]]

_MOST = 0.9
"""The share of the parameters that no file of changes holds under the names of a state dict."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The `file` that is read, what it must fit, and the shapes of the parameters of that.

    `backbone`: what messages call it, a backbone's name or that of any model.
    """

    file: Path
    backbone: str
    shapes: Shapes


def low_rank_changes(
    expected: Expected, tensors: Mapping[str, Tensor], config: AdapterConfig, evidence: Evidence
) -> dict[str, SiteUpdate]:
    """Return the change of each site that an adapter of that config has; `InputError` else.

    Messages name a module as the file does, and then the site, if that is called otherwise.
    """
    file, shapes = expected.file, expected.shapes
    named = pair_factors(file, tensors, shapes)
    layout, sites = tower_layout(file, named, shapes, evidence)
    factors = {sites[module]: (module, pair) for module, pair in named.items()}
    if len(factors) < len(named):
        raise InputError(f"{file} names some modules in two ways: export the adapter again")
    _check_known(expected, {site: module for site, (module, _) in factors.items()})
    paths = {site: layout.module(site) for site in shapes}
    promised = promises(file.with_name(CONFIG_NAME), config, list(paths.values()))
    targeted = {site for site, path in paths.items() if promised[path].targeted}
    _check_targets(expected, paths, targeted, factors.keys())
    return {
        site: _low_rank(expected, site, module, pair, promised[paths[site]])
        for site, (module, pair) in factors.items()
    }


def dense_changes(expected: Expected, tensors: Mapping[str, Tensor]) -> dict[str, SiteUpdate]:
    """Return the change of each parameter in a file of dense changes; `InputError` else."""
    _check_no_state_dict(expected, tensors)
    _check_known(expected, {site: site for site in tensors})
    return {
        site: Dense(delta=_checked(expected, site, tensor, expected.shapes[site]))
        for site, tensor in tensors.items()
    }


def _check_no_state_dict(expected: Expected, tensors: Mapping[str, Tensor]) -> None:
    """Raise `InputError` if `tensors` are those of a model: every parameter, and others beside."""
    if tensors.keys() <= expected.shapes.keys():
        return
    names = {key.removesuffix(".weight").removeprefix("visual.") for key in tensors}
    known = sum(site.removesuffix(".weight") in names for site in expected.shapes)
    if known > _MOST * len(expected.shapes):
        raise InputError(
            f"{expected.file} holds {known} of {len(expected.shapes)} parameters of "
            f"{expected.backbone}, and others: these look like whole weights, not changes; "
            "subtract the backbone's weights, and name sites without .weight (docs/adapters.md)"
        )


def _low_rank(
    expected: Expected, site: str, module: str, pair: Mapping[str, Tensor], promise: Promise
) -> LowRank:
    file, told = expected.file, _told(module, site)
    for missing in {"A", "B"} - pair.keys():
        raise InputError(f"{file}: {told} has no lora_{missing}.weight: export the adapter again")
    (rows, columns), rank = expected.shapes[site], promise.rank
    found = pair["A"].numel() // columns
    fits = pair["A"].shape == (found, columns) and pair["B"].shape == (rows, found)
    if fits and found != rank:
        raise InputError(
            f"{file}: {told} has rank {found}, but {CONFIG_NAME} says {rank}: "
            "correct r or rank_pattern"
        )
    ending = "" if module == site else f" (site {site})"
    down = _checked(expected, f"{module}.lora_A{ending}", pair["A"], (rank, columns))
    up = _checked(expected, f"{module}.lora_B{ending}", pair["B"], (rows, rank))
    return LowRank(up=up * promise.scaling, down=down, scaling=promise.scaling)


def _check_targets(
    expected: Expected, paths: Mapping[str, str], targeted: Set[str], given: Set[str]
) -> None:
    """Raise `InputError` unless the sites that have factors are those that the config targets.

    `paths`: the files' names of all sites. A config that targets none of them says nothing of
    their names: it has no target_modules, or the keys were renamed since, and a pattern was not.
    """
    for site, path in paths.items():
        told = f"{expected.file}: {_told(path, site)} of {expected.backbone}"
        if site in targeted - given:
            raise InputError(
                f"{told} is missing, which target_modules includes: export the adapter again"
            )
        if targeted and site in given - targeted:
            raise InputError(
                f"{told} has factors, which PEFT ignores by target_modules, exclude_modules or "
                f"layers_to_transform of {CONFIG_NAME}: correct these, or delete the factors"
            )


def _told(module: str, site: str) -> str:
    return f"site {site}" if module == site else f"{module} (site {site})"


def _check_known(expected: Expected, modules: Mapping[str, str]) -> None:
    """Raise `InputError` unless every site, the key of its module's name, is the backbone's."""
    unknown = [site for site in modules if site not in expected.shapes]
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], expected.shapes, n=1, cutoff=0)
    module = modules[unknown[0]]
    called = "" if module == unknown[0] else f"{module} is none of its sites: "
    raise InputError(
        f"{expected.file}: {called}{expected.backbone} has no site {unknown[0]!r} "
        f"(nearest: {', '.join(near)}); {len(unknown)} of {len(modules)} sites are unknown to it: "
        f"expected an adapter for {expected.backbone}"
    )


def _checked(expected: Expected, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return `tensor` in float32, or float64 if it is; check its shape, dtype and values."""
    if tuple(tensor.shape) != shape:
        raise InputError(
            f"{expected.file}: {name} has shape {shape_text(tensor.shape)}; "
            f"{expected.backbone} expects {shape_text(shape)}: give an adapter for "
            f"{expected.backbone}"
        )
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.to(torch.float32)
    if tensor.dtype not in FLOAT_DTYPES:
        raise InputError(
            f"{expected.file}: {name} has dtype {tensor.dtype}; expected float16, bfloat16, "
            "float32 or float64: export it unquantised"
        )
    if not all_finite(tensor):
        raise InputError(f"{expected.file}: {name} holds a NaN or an infinity: export it again")
    return tensor
