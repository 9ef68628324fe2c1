"""What `--set` gives and nothing that is measured depends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mergebench.contracts import DataMerger
from mergebench.experiment import Experiment, check_attack
from mergebench.measure import UNPROTECTED


def idle_options(experiment: Experiment, settings: Sequence[str]) -> Iterator[str]:
    """Yield a line for every `NAME.KEY=VALUE` that changes no number of the experiment.

    That are options of a plug-in that is not used, and hyper-parameters of which a joint search
    tries its own values. One in coordinates begins at what is set.
    """
    used = set(_used(experiment))
    for text in settings:
        name, _, option = text.partition(".")
        key = option.partition("=")[0]
        if name not in used:
            yield f"--set {text}: {name} is not used here, so that this changes no number"
        elif experiment.protocol.strategy == "joint" and key in _searched(experiment, name):
            yield (
                f"--set {text}: protocol {experiment.protocol.name} tries its own values of {key}, "
                "so that this changes no number"
            )


def _used(experiment: Experiment) -> Iterator[str]:
    """Yield the protections and attacks, with their rules and what they start from."""
    yield from (UNPROTECTED, *experiment.protections)
    for name in _attacks(experiment):
        yield from name.split(":")


def _searched(experiment: Experiment, name: str) -> set[str]:
    """Return the hyper-parameters of an attack that a search tries; none of a protection."""
    attacks = [one for one in _attacks(experiment) if name in one.split(":")]
    return {key for one in attacks for key in experiment.setting.attack(one).searched}


def _attacks(experiment: Experiment) -> Iterator[str]:
    for named in experiment.attacks:
        name, _ = check_attack(named)
        yield name
        merger = experiment.setting.attack(name)
        if isinstance(merger, DataMerger) and merger.starts_from is not None:
            yield check_attack(merger.starts_from)[0]
