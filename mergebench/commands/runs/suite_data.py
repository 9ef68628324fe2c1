"""Where the data of a suite lie, and how they are prepared."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mergebench.backbones import find_source, resolution_of
from mergebench.errors import InputError
from mergebench.experiment import fitted_to
from mergebench.measure import Defects
from mergebench.suites import (
    OWN,
    OwnData,
    SuiteOptions,
    default_cache,
    default_data_root,
    is_found_on_disk,
)


def suite_options(
    options: argparse.Namespace, *, suite: str, backbone: str, defects: Defects
) -> SuiteOptions | None:
    """Return the options of a suite at a backbone's resolution; None for an embedded suite.

    Raises `InputError` for options that do not apply: of data where the suite comes with the
    package, `--drop-leaks` where the protocol keeps published duplicates.
    """
    if suite == OWN:
        return _own_options(options, backbone)
    refuse(options, ("template", "names"), "says what classes of --data are called")
    if not is_found_on_disk(suite):
        names = ("data_root", "cache", "partial", "drop_leaks")
        refuse(options, names, f"the data of suite {suite} come with mergebench")
        return None
    if options.drop_leaks and defects.leaks_kept:
        raise InputError("--drop-leaks: protocol paper-exact trains on them; leave one out")
    if options.drop_leaks and resolution_of(find_source(backbone)) is None:
        raise InputError(f"--drop-leaks: the splits of suite {suite} share no text; leave it out")
    found = SuiteOptions(
        data_root=options.data_root or default_data_root(),
        cache=options.cache or default_cache(),
        partial=options.partial,
        cars_leak=defects.cars_leak,
        leaks="keep" if defects.leaks_kept else "drop" if options.drop_leaks else "refuse",
    )
    return fitted_to(backbone, found)


def own_data(options: argparse.Namespace) -> OwnData:
    """Return the data of the user's own that the options name, of whatever kind."""
    return OwnData(
        paths=tuple(options.data), templates=tuple(options.template), names=options.names
    )


def _own_options(options: argparse.Namespace, backbone: str) -> SuiteOptions:
    refuse(options, ("data_root",), "--data says where the data are")
    refuse(options, ("drop_leaks",), "what two splits of --data have is kept once anyway")
    found = SuiteOptions(
        cache=options.cache or default_cache(), partial=options.partial, own=own_data(options)
    )
    return fitted_to(backbone, found)


def refuse(options: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Raise `InputError` for the first of these options that is given."""
    for name in names:
        if getattr(options, name):
            raise InputError(f"--{name.replace('_', '-')}: {why}; leave it out")
