"""Walking inputs through a tower block by block, to see what its linears are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mergebench.backbones import Backbone, Precision, autocast
from mergebench.errors import InputError
from mergebench.measure import deployed
from mergebench.updates import SiteUpdate, Update

_BATCH = 32
"""Inputs that run together; what a block holds in between is of that many."""

Stream = list[Tensor]
"""What one block is given for some inputs, in batches: `(n, ...)` each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """A block of a tower, or what follows the last one.

    `sites`: those that an update changes in it; `linears`: the modules of those that are the weight
    of a linear.
    """

    run: Callable[[Tensor], Tensor]
    sites: tuple[str, ...]
    linears: Mapping[str, nn.Linear]


class _Reached(Exception):  # noqa: N818
    """Ends a forward pass at the linear whose inputs are asked for."""

    def __init__(self, inputs: Tensor) -> None:
        self.inputs = inputs


class Walk:
    """The way through a tower, up to its last linear among `sites`, which are an update's.

    `precision` is that of the forward passes. The weights are the backbone's own except where a
    method is given changes to carry; they are put back before it returns.
    """

    def __init__(self, backbone: Backbone, sites: Sequence[str], precision: Precision) -> None:
        self.backbone = backbone
        self._precision: Precision = precision
        self.linears = _linears(backbone.tower, sites)
        self._parts = parts = backbone.parts
        found = parts.blocks()
        inside = {path: [site for site in sites if site.startswith(f"{path}.")] for path in found}
        known = {site for own in inside.values() for site in own}
        self._outside = [site for site in sites if site not in known]
        last = self._step(parts.suffix, self._outside)
        inner = [
            self._step(partial(parts.run, block), inside[path]) for path, block in found.items()
        ]
        steps = [*inner, last]
        while steps and not steps[-1].linears:
            steps.pop()
        self.steps = tuple(steps)

    def start(self, inputs: Tensor, changes: Mapping[str, SiteUpdate]) -> Stream:
        """Return what the first block is given for a suite's inputs, those of like length together.

        Only their length decides which share a batch, so that all streams have the same batches.
        """
        lengths = self.backbone.lengths(inputs)
        if lengths is not None:
            inputs = inputs[lengths.argsort(stable=True)]
        with self._carrying(changes, self._outside):
            return [self._parts.stem(self.backbone.prepare(part)) for part in inputs.split(_BATCH)]

    def advance(self, step: Step, stream: Stream, changes: Mapping[str, SiteUpdate]) -> None:
        """Replace the inputs of `step` in `stream` by its outputs."""
        with self._carrying(changes, step.sites):
            for index, hidden in enumerate(stream):
                stream[index] = step.run(hidden)

    def inputs(
        self, step: Step, site: str, hidden: Tensor, changes: Mapping[str, SiteUpdate]
    ) -> Tensor:
        """Return what the linear at `site` is given, `(tokens, n)`, running no further than that.

        `hidden`: one batch of inputs of `step`. Padding is left out.
        """

        def stop(module: nn.Module, taken: tuple[Tensor, ...]) -> None:
            raise _Reached(taken[0])

        hook = step.linears[site].register_forward_pre_hook(stop)
        try:
            with self._carrying(changes, step.sites):
                step.run(hidden)
        except _Reached as reached:
            counted = self._parts.counted(hidden)
            if counted is None:
                return reached.inputs.flatten(0, -2)
            return reached.inputs[counted]
        finally:
            hook.remove()
        raise AssertionError(f"{site} did not run")

    def groups(self, step: Step, hidden: Tensor) -> list[tuple[str, ...]]:
        """Return the linears of `step` in the order in which they run; those that take the very
        same tensor, such as a query, key and value projection, together.

        `hidden`: any input of `step`. Raises `InputError` for a linear that does not run.
        """
        seen: list[tuple[Tensor, list[str]]] = []

        def note(site: str, module: nn.Module, taken: tuple[Tensor, ...]) -> None:
            for tensor, sites in seen:
                if tensor is taken[0]:
                    sites.append(site)
                    return
            seen.append((taken[0], [site]))

        hooks = [
            linear.register_forward_pre_hook(partial(note, site))
            for site, linear in step.linears.items()
        ]
        try:
            with self._carrying({}, ()):
                step.run(hidden)
        finally:
            for hook in hooks:
                hook.remove()
        ran = {site for _, sites in seen for site in sites}
        for site in step.linears:
            if site not in ran:
                raise InputError(
                    f"site {site}: the tower has no block that runs this linear, so that it has no "
                    "inputs to merge it by: leave it out of the updates"
                )
        return [tuple(sites) for _, sites in seen]

    @contextmanager
    def _carrying(self, changes: Mapping[str, SiteUpdate], sites: Sequence[str]) -> Iterator[None]:
        """Let the weights of `sites` carry their `changes`; a site without one keeps its own."""
        part = Update(sites={site: changes[site] for site in sites if site in changes})
        arithmetic = autocast(self.backbone.device, self._precision)
        with torch.no_grad(), deployed(self.backbone, part), arithmetic:
            yield

    def _step(self, run: Callable[[Tensor], Tensor], sites: Sequence[str]) -> Step:
        linears = {site: self.linears[site] for site in sites if site in self.linears}
        return Step(run=run, sites=tuple(sites), linears=linears)


def _linears(tower: Any, sites: Sequence[str]) -> dict[str, nn.Linear]:
    """Return the modules of those `sites` that are the weight of an `nn.Linear`."""
    modules = dict(tower.named_modules())
    found = {site: modules.get(site.removesuffix(".weight")) for site in sites}
    return {site: module for site, module in found.items() if isinstance(module, nn.Linear)}
