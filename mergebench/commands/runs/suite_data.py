"""Where the data of a suite lie, how they are prepared, and what of them is missing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Literal

from mergebench.backbones import find_source, missing_weights, resolution_of
from mergebench.errors import InputError
from mergebench.measure import Defects
from mergebench.missing import MissingItem, require_nothing, size_text
from mergebench.suites import (
    OWN,
    DataState,
    OwnData,
    SuiteOptions,
    UnreachableError,
    default_cache,
    default_data_root,
    fetch_data,
    is_found_on_disk,
    is_offline,
    survey_suite,
)
from mergebench.terminal import say


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
    side = resolution_of(find_source(backbone))
    if side is None and options.drop_leaks:
        raise InputError(f"--drop-leaks: the splits of suite {suite} share no text; leave it out")
    return SuiteOptions(
        data_root=options.data_root or default_data_root(),
        cache=options.cache or default_cache(),
        resolution=side or SuiteOptions.resolution,
        partial=options.partial,
        cars_leak=defects.cars_leak,
        leaks="keep" if defects.leaks_kept else "drop" if options.drop_leaks else "refuse",
    )


def own_data(options: argparse.Namespace, takes: Literal["images", "texts", ""] = "") -> OwnData:
    """Return the data of the user's own that the options name; `takes` as of `OwnData`."""
    return OwnData(
        paths=tuple(options.data),
        templates=tuple(options.template),
        names=options.names,
        takes=takes,
    )


def _own_options(options: argparse.Namespace, backbone: str) -> SuiteOptions:
    refuse(options, ("data_root",), "--data says where the data are")
    refuse(options, ("drop_leaks",), "what two splits of --data have is kept once anyway")
    side = resolution_of(find_source(backbone))
    return SuiteOptions(
        cache=options.cache or default_cache(),
        resolution=side or SuiteOptions.resolution,
        partial=options.partial,
        own=own_data(options, "texts" if side is None else "images"),
    )


def refuse(options: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Raise `InputError` for the first of these options that is given."""
    for name in names:
        if getattr(options, name):
            raise InputError(f"--{name.replace('_', '-')}: {why}; leave it out")


def require_inputs(
    backbone: str,
    weights: str | None,
    suite: str,
    data: SuiteOptions | None,
    tasks: Sequence[str] | None,
) -> None:
    """Download the data sets that are missing, or say in one message all that is.

    Raises `MissingItemsError` without building a model or decoding data: at once if downloads
    are forbidden or local copies cannot be used, within seconds if the hub does not answer, and for
    what could not be downloaded.
    """
    lacking = missing_weights(backbone, weights)
    states = [] if data is None else survey_suite(suite, tasks, data)
    incomplete = [state for state in states if state.problem]
    found = [state.missing for state in incomplete]
    unusable = any(not state.absent for state in incomplete)
    if not incomplete or lacking is not None or unusable or is_offline():
        require_nothing([item for item in (lacking, *found) if item is not None])
        return
    require_nothing(_after_fetching(incomplete))


def _after_fetching(states: Sequence[DataState]) -> list[MissingItem]:
    """Download these data sets; return what is missing then."""
    fetched = []
    for number, state in enumerate(states):
        say(
            f"{state.row.name}: {state.problem}; downloading {size_text(state.row.download)}",
        )
        try:
            fetched.append(fetch_data(state))
        except UnreachableError as error:
            say(f"no download: {error}")
            fetched += states[number:]
            break
    return [state.missing for state in fetched if state.missing is not None]
