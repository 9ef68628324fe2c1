"""What a provider releases: the change of each site's weight, low-rank or dense."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import torch
from torch import Tensor

from mergebench.errors import InputError

FLOAT_DTYPES = (torch.float32, torch.float64)

_CANCELLED = 1e-9
"""What is left of a sum below which its float64 rounding, 1e-16 of its terms, would be seen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LowRank:
    """`ΔW = up @ down` of one site.

    `up`: `(m, r)` float (LoRA's B with its scaling folded in); `down`: `(r, n)` float (LoRA's A).
    `scaling`: what of `up` that is; `ΔW` does not depend on it, what is made of the factors may.
    """

    up: Tensor
    down: Tensor
    scaling: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Shape `(m, n)` of the weight that is changed: outputs by inputs."""
        return self.up.shape[0], self.down.shape[1]

    @property
    def rank(self) -> int:
        """Number of factor columns, an upper bound of the rank of `ΔW`."""
        return self.up.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """Element type of both factors."""
        return self.up.dtype

    @property
    def device(self) -> torch.device:
        """Where the factors are."""
        return self.up.device

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The stored tensors, in a fixed order."""
        return self.up, self.down

    def dense(self) -> Tensor:
        """Return `ΔW`, `(m, n)`, in the factors' dtype."""
        return self.up @ self.down

    def dense_into(self, out: Tensor) -> None:
        """Write `ΔW` into `out`, `(m, n)` of the factors' dtype."""
        torch.mm(self.up, self.down, out=out)

    def squared_norm(self) -> float:
        """Return `‖ΔW‖_F²` in float64, from the factors' Gram matrices.

        Where what they multiply cancels, which their sum would round, from the product.
        """
        up, down = self.up.double(), self.down.double()
        parts = (up.T @ up) * (down @ down.T)
        total = float(parts.sum())
        if total < _CANCELLED * float(parts.diagonal().sum()):
            return float((up @ down).square().sum())
        return total

    def scaled(self, scale: float) -> LowRank:
        """Return the update `scale · ΔW`; only `up` is multiplied, as in the deployed adapter."""
        return replace(self, up=self.up * scale)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> LowRank:
        """Return the update on a device, in another dtype if one is given."""
        return replace(self, up=self.up.to(device, dtype), down=self.down.to(device, dtype))


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense:
    """`ΔW` of one parameter as it is: `delta` of any shape, float."""

    delta: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter that is changed."""
        return tuple(self.delta.shape)

    @property
    def dtype(self) -> torch.dtype:
        """Element type of the change."""
        return self.delta.dtype

    @property
    def device(self) -> torch.device:
        """Where the change is."""
        return self.delta.device

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The stored tensors, in a fixed order."""
        return (self.delta,)

    def dense(self) -> Tensor:
        """Return `ΔW` itself (not a copy)."""
        return self.delta

    def dense_into(self, out: Tensor) -> None:
        """Write `ΔW` into `out`, of its shape and dtype."""
        out.copy_(self.delta)

    def squared_norm(self) -> float:
        """Return `‖ΔW‖_F²` in float64."""
        return float(self.delta.double().square().sum())

    def scaled(self, scale: float) -> Dense:
        """Return the update `scale · ΔW`."""
        return Dense(delta=self.delta * scale)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Dense:
        """Return the update on a device, in another dtype if one is given."""
        return Dense(delta=self.delta.to(device, dtype))


SiteUpdate = LowRank | Dense


def factors_are_smaller(shape: tuple[int, int], rank: int) -> bool:
    """Return whether factors of `rank` have fewer entries than their product of `shape`."""
    rows, columns = shape
    return rank * (rows + columns) < rows * columns


def all_finite(tensor: Tensor) -> bool:
    """Return whether no value is a NaN or an infinity.

    A sum with such a value is not finite, so that a finite one, which is cheap, settles it.
    """
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())


class NotFiniteError(InputError):
    """A value of an update is a NaN or an infinity, at `site`."""

    site = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Update:
    """The released change of a model: one `LowRank` or `Dense` per site, in a fixed order.

    `label` says where it came from (a file, a task) and appears in error messages only;
    `left_out` names the modules of the file that are no part of the tower. Raises `InputError`
    naming the site when a tensor is not float32 or float64, when the factors do not fit together,
    or, a `NotFiniteError`, when a value is not finite.
    """

    sites: Mapping[str, SiteUpdate]
    label: str = "update"
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for site, change in self.sites.items():
            self._check(site, change)
        self._check_finite()
        object.__setattr__(self, "sites", MappingProxyType(dict(self.sites)))

    def _check(self, site: str, change: SiteUpdate) -> None:
        for tensor in change.tensors:
            if tensor.dtype not in FLOAT_DTYPES:
                raise InputError(
                    f"{self.label}: site {site} has dtype {tensor.dtype}; "
                    "expected float32 or float64: convert it"
                )
            if tensor.dtype != change.dtype:
                raise InputError(
                    f"{self.label}: site {site} mixes dtypes in its factors: convert one of them"
                )
        if isinstance(change, LowRank) and change.up.shape[1] != change.down.shape[0]:
            raise InputError(
                f"{self.label}: site {site} has factors of ranks {change.up.shape[1]} and "
                f"{change.down.shape[0]}; they must be equal"
            )

    def _check_finite(self) -> None:
        """Wait for the device once, when it has the sums of all tensors (see `all_finite`)."""
        tensors = [(site, tensor) for site, one in self.sites.items() for tensor in one.tensors]
        if not tensors:
            return
        device = tensors[0][1].device
        sums = torch.stack([tensor.sum().double().to(device) for _, tensor in tensors])
        for (site, tensor), finite in zip(tensors, sums.isfinite().tolist(), strict=True):
            if not finite and not all_finite(tensor):
                fault = f"{self.label}: site {site} holds a NaN or an infinity; export it again"
                error = NotFiniteError(fault)
                error.site = site
                raise error

    @cached_property
    def sha256(self) -> str:
        """Hash of names, kinds, shapes, dtypes, bytes and scalings: the identity of the update."""
        digest = hashlib.sha256()
        for site, change in self.sites.items():
            digest.update(f"{site}|{type(change).__name__}".encode())
            if isinstance(change, LowRank) and change.scaling != 1:
                digest.update(f"|scaling {change.scaling!r}".encode())
            for tensor in change.tensors:
                digest.update(f"|{tuple(tensor.shape)}|{tensor.dtype}".encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def scaled(self, scale: float) -> Update:
        """Return the update multiplied by `scale`, as deployed at that scale."""
        sites = {site: change.scaled(scale) for site, change in self.sites.items()}
        return replace(self, sites=sites)

    def to(self, device: torch.device | str) -> Update:
        """Return the update on a device, itself if it is there; merging computes where all are."""
        device = torch.device(device)
        if all(tensor.device == device for one in self.sites.values() for tensor in one.tensors):
            return self
        moved = replace(self, sites={site: one.to(device) for site, one in self.sites.items()})
        if "sha256" in self.__dict__:
            moved.__dict__["sha256"] = self.sha256  # of the same bytes
        return moved

    def labelled(self, label: str) -> Update:
        """Return the same update, which says of itself that it came from `label`."""
        same = copy(self)  # its hash too; its values were looked at and are not again
        object.__setattr__(same, "label", label)
        return same

    def norm(self) -> float:
        """Return the Frobenius norm over all sites, computed in float64."""
        return math.sqrt(max(0.0, sum(one.squared_norm() for one in self.sites.values())))
