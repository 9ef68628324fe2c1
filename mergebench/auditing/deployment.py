"""A model that carries `W0 + F + alpha D`, written site by site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from mergebench.auditing.shelf import IN_MEMORY, Shelf
from mergebench.updates import SiteUpdate


class SitePath(Protocol):
    """A merge as it depends on its coefficient, asked for one site after the other."""

    def fixed(self, site: str) -> SiteUpdate | None:
        """Return `F` of a site; None for nothing."""

    def direction(self, site: str) -> SiteUpdate:
        """Return `D` of a site."""


class Deployment:
    """The weights of some sites, which `set` changes and leaving the context restores bit for bit.

    Each `set` starts from the saved `W0`, never from the last weights. One site is computed at a
    time, so that of all dense changes only one is there at once; `W0` is put aside, beyond `room`
    bytes on disk. Sums are computed in the wider of the two dtypes and rounded to the model's.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], *, room: int = IN_MEMORY) -> None:
        self._parameters = parameters
        self._shelf = Shelf(room)
        self._saved: dict[str, Callable[[], Tensor]] = {}

    def __enter__(self) -> Self:
        self._saved = {name: self._shelf.put(one) for name, one in self._parameters.items()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.restore()
        finally:
            self._shelf.close()

    @torch.no_grad()
    def restore(self) -> None:
        """Write `W0`."""
        for site, parameter in self._parameters.items():
            parameter.copy_(self._saved[site]())

    @torch.no_grad()
    def set(self, path: SitePath, alpha: float) -> None:
        """Write `W0 + F + alpha D` into the weights."""
        for site, parameter in self._parameters.items():
            fixed, direction = path.fixed(site), path.direction(site)
            total = self._saved[site]()
            if fixed is not None:
                total = total + _dense(fixed, parameter)
            parameter.copy_(torch.add(total, _dense(direction, parameter), alpha=alpha))


class Alone:
    """One update as a path: `alpha τ`."""

    def __init__(self, sites: Mapping[str, SiteUpdate]) -> None:
        self._sites = sites

    def fixed(self, site: str) -> SiteUpdate | None:
        """Return nothing."""
        return None

    def direction(self, site: str) -> SiteUpdate:
        """Return the change of a site."""
        return self._sites[site]


def _dense(change: SiteUpdate, parameter: nn.Parameter) -> Tensor:
    return change.dense().to(parameter.device)
