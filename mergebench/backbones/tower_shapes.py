"""The shapes of what merging and full fine-tuning change, without building a tower."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mergebench.backbones.architecture_facts import facts_of
from mergebench.backbones.sources import find_source


def site_shapes(name: str) -> dict[str, tuple[int, int]]:
    """Return the shape `(outputs, inputs)` of every site of that backbone, without its weights."""
    source = find_source(name)
    parameters = facts_of(source.architecture).parameters
    sites = {}
    for path, shape in parameters.items():
        site = _site(path, shape, source.sites)
        if site is not None:
            rows, columns = shape
            sites[site] = (rows, columns)
    return sites


def tensor_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that full fine-tuning changes, without the weights."""
    source = find_source(name)
    parameters = facts_of(source.architecture).parameters
    paths = tensor_paths(parameters, source.sites, source.untrained)
    return {tensor: parameters[path] for tensor, path in paths.items()}


def tensor_paths(
    shapes: Mapping[str, Sequence[int]], pattern: str, untrained: str
) -> dict[str, str]:
    """Return the parameters of a tower that full fine-tuning changes: path by name, in its order.

    `shapes`: of all its parameters by path. The weight of a site, a linear that matches `pattern`,
    has the site's name; every other parameter its path. Those whose path matches `untrained` are
    none of them.
    """
    return {
        _site(path, shape, pattern) or path: path
        for path, shape in shapes.items()
        if not re.search(untrained, path)
    }


def _site(path: str, shape: Sequence[int], pattern: str) -> str | None:
    """Return the site whose weight that parameter is; matrices called weight are linears'."""
    module, _, kind = path.rpartition(".")
    is_site = kind == "weight" and len(shape) == 2 and re.search(pattern, module)
    return module if is_site else None
