"""Suites by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mergebench.errors import InputError, unknown_name
from mergebench.suites.mini8 import load_mini8
from mergebench.suites.on_disk import OWN
from mergebench.suites.options import SuiteOptions
from mergebench.suites.own import load_own
from mergebench.suites.suite import Suite
from mergebench.suites.text8 import load_text8
from mergebench.suites.vision8 import load_vision8

#: Suite name -> loader. A loader takes the wanted task names, or `None` for all of them, and, if
#: its suite can be found and prepared in more than one way, `options=`.
SUITES: Mapping[str, Callable[..., Suite]] = {
    "mini8": load_mini8,
    "vision8": load_vision8,
    "text8": load_text8,
    OWN: load_own,
}


def load_suite(
    name: str, tasks: Sequence[str] | None = None, *, options: SuiteOptions | None = None
) -> Suite:
    """Load a suite by name, or only `tasks` of it in the suite's own order.

    `options`: where the data lie and how they are prepared; None for the defaults, or for a suite
    that comes with the package. Raises `InputError` for an unknown suite or task and for data that
    are missing or fail verification.
    """
    if name not in SUITES:
        raise InputError(unknown_name("suite", name, tuple(SUITES)))
    return SUITES[name](tasks) if options is None else SUITES[name](tasks, options=options)
