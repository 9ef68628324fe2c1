"""Where data lie, fitted to the backbone that reads them."""

from __future__ import annotations

from dataclasses import replace

from mergebench.backbones import find_source, resolution_of
from mergebench.suites import SuiteOptions


def fitted_to(backbone: str, options: SuiteOptions) -> SuiteOptions:
    """Return the options with the backbone's resolution in pixels, and own data of its kind.

    A backbone of texts has no resolution. Raises `InputError` for an unknown backbone.
    """
    side = resolution_of(find_source(backbone))
    own = options.own and replace(options.own, takes="texts" if side is None else "images")
    return replace(options, resolution=side or options.resolution, own=own)
