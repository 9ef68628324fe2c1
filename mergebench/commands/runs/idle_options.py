"""Values of options that nothing which is measured depends on, or not as one may think."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

from mergebench.contracts import DataMerger
from mergebench.experiment import Experiment, check_attack, named_options, plain_name
from mergebench.measure import NO_DEFECTS, UNPROTECTED

_NOTHING = "so that this changes no number"


def names_protocol(experiment: Experiment) -> bool:
    """Whether numbers depend on the protocol: single updates do on the defects that it has."""
    return bool(experiment.attacks) or experiment.protocol.defects != NO_DEFECTS


def idle_options(experiment: Experiment, options: argparse.Namespace) -> Iterator[str]:
    """Yield a line for every value of an option that changes no number of the experiment.

    That are a protocol without defects, where nothing is merged; and of `--set` options of a
    plug-in that is not used, those that the names of protections say themselves, and
    hyper-parameters of which a joint search tries its own values.
    """
    if options.protocol != "paper" and not names_protocol(experiment):
        yield f"--protocol {options.protocol}: nothing is searched here, {_NOTHING}"
    used = set(_used(experiment))
    for text in options.settings:
        name, _, option = text.partition(".")
        key = option.partition("=")[0]
        if name not in used:
            yield f"--set {text}: {name} is not used here, {_NOTHING}"
        elif key in _named(experiment, name):
            yield f"--set {text}: --protections states {key} itself, {_NOTHING}"
        elif experiment.protocol.strategy == "joint" and key in _searched(experiment, name):
            yield (
                f"--set {text}: protocol {experiment.protocol.name} tries its own values of {key}, "
                f"{_NOTHING}"
            )


def starting_options(experiment: Experiment, options: argparse.Namespace) -> Iterator[str]:
    """Yield a line for every `--set` of a hyper-parameter that a search in coordinates moves.

    It begins at what is set, and chooses one of its own values.
    """
    if experiment.protocol.strategy != "coordinate":
        return
    for text in options.settings:
        name, _, option = text.partition(".")
        key = option.partition("=")[0]
        values = _searched(experiment, name).get(key)
        if values is not None:
            yield (
                f"--set {text}: protocol {experiment.protocol.name} only begins there, and chooses "
                f"{key} among {', '.join(f'{value:g}' for value in values)}"
            )


def _used(experiment: Experiment) -> Iterator[str]:
    """Yield the protections and attacks, with their rules and what they start from."""
    yield from (UNPROTECTED, *map(plain_name, experiment.protections))
    for name in _attacks(experiment):
        yield from name.split(":")


def _named(experiment: Experiment, name: str) -> set[str]:
    """Return the options that every form of a protection has in its name; none of an attack."""
    forms = [one for one in experiment.protections if plain_name(one) == name]
    return set.intersection(*(set(named_options(one)) for one in forms)) if forms else set()


def _searched(experiment: Experiment, name: str) -> Mapping[str, Sequence[float]]:
    """Return what a search tries of the hyper-parameters of an attack; nothing of a protection."""
    attacks = [one for one in _attacks(experiment) if name in one.split(":")]
    grids = experiment.protocol.grids
    return {
        key: grids.get(key, values)
        for one in attacks
        for key, values in experiment.setting.attack(one).searched.items()
    }


def _attacks(experiment: Experiment) -> Iterator[str]:
    for named in experiment.attacks:
        name, _ = check_attack(named)
        yield name
        merger = experiment.setting.attack(name)
        if isinstance(merger, DataMerger) and merger.starts_from is not None:
            yield check_attack(merger.starts_from)[0]
