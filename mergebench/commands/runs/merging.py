"""Merging of adapters of anybody."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from mergebench.backbones import EMBEDDED, check_change, load_backbone, site_shapes, tensor_shapes
from mergebench.commands.numbers import finite
from mergebench.commands.runs.adapters import load_adapter
from mergebench.commands.runs.merged_files import check_output, warn, write_merged
from mergebench.commands.runs.weighted_adapters import weighted
from mergebench.contracts import Attack, DataMerger, InformedMerger, Merger, Room, Space
from mergebench.errors import InputError
from mergebench.experiment import check_attack
from mergebench.merging import InformedProblem, MergeProblem, Problem, with_missing_as_zero
from mergebench.plurals import how_many
from mergebench.registry import parse_options, registry
from mergebench.terminal import make_console, say
from mergebench.updates import Dense, Update


def run_merge(options: argparse.Namespace) -> None:
    """Merge adapters into one update file, or into one adapter."""
    for plugin in options.plugin:
        registry().add_file(plugin)
    name, space = check_attack(options.attack)
    merger = _configured(name, options.settings)
    given = [weighted(word) for word in options.adapters]
    adapters, weights = [one.adapter for one in given], [one.weight for one in given]
    _check_protected(options, merger, adapters, weights)
    check_output(options, adapters)
    alpha = finite("--alpha", options.alpha)
    updates = _loaded(adapters, options)
    place = adapters.index(options.protected) if options.protected else None
    try:
        problem = _problem(updates, registry().get(Space, space)(), options, weights, place)
        path = problem.path(merger)
    except ArithmeticError as error:
        raise InputError(f"{error}; the updates are too large for their dtype") from error
    about = {
        "backbone": options.backbone,
        "attack": f"{name}@{space}",
        "options": _stated(merger),
        "alpha": alpha,
        "seed": options.seed,
        "adapters": adapters,
        **({} if weights == [1.0] * len(weights) else {"weights": weights}),
        **({"missing": options.missing} if options.missing else {}),
        **({"protected": options.protected} if options.protected else {}),
    }
    warn(problem.notes(merger), problem.least_notes(merger))
    kept = write_merged(path.at(alpha), options, about)
    make_console().print(
        f"{how_many(len(updates), 'update')} merged by {merger!r}@{space}, alpha {alpha:g}{kept}: "
        f"{options.out}",
        soft_wrap=True,
    )


def _loaded(adapters: Sequence[str], options: argparse.Namespace) -> list[Update]:
    shapes, every = site_shapes(options.backbone), tensor_shapes(options.backbone)
    updates = [load_adapter(one, options, shapes, dense_shapes=every) for one in adapters]
    _check_weights(updates, options)
    _warn_of_twins(updates)
    return with_missing_as_zero(updates) if options.missing == "zero" else updates


def _check_weights(updates: Sequence[Update], options: argparse.Namespace) -> None:
    """Raise `InputError` for weights given as changes, of a backbone whose own come with it."""
    dense = [one for one in updates if any(isinstance(of, Dense) for of in one.sites.values())]
    if dense and options.backbone in EMBEDDED:
        backbone = load_backbone(options.backbone)
        for update in dense:
            check_change(backbone, update)


def _warn_of_twins(updates: Sequence[Update]) -> None:
    """Say which updates are the same as an earlier one, and so count twice."""
    first: dict[str, str] = {}
    for update in updates:
        if update.sha256 in first:
            say(f"{update.label} is {first[update.sha256]} itself, which then counts twice")
        first.setdefault(update.sha256, update.label)


def _configured(name: str, settings: Sequence[str]) -> Attack:
    """Return the attack `name` or `name:rule`; a setting is the attack's own, else the rule's."""
    attack, _, rule = name.partition(":")
    plugin = registry().get(Attack, attack)
    if issubclass(plugin, DataMerger):
        raise InputError(
            f"--attack {attack} looks at inputs, which this command does not read; "
            "choose one that looks at none"
        )
    if not rule:
        return plugin.configured(**parse_options(plugin, settings))
    own = {item.name for item in fields(plugin)} - {"rule"}
    mine = [setting for setting in settings if setting.partition("=")[0] in own]
    theirs = [setting for setting in settings if setting not in mine]
    merging = registry().get(Merger, rule)
    built_on = merging.configured(**parse_options(merging, theirs))
    return plugin.configured(rule=built_on, **parse_options(plugin, mine))


def _check_protected(
    options: argparse.Namespace, merger: Attack, adapters: Sequence[str], weights: Sequence[float]
) -> None:
    """Raise `InputError` unless `--protected` is given where it is needed, and names an adapter."""
    if not isinstance(merger, InformedMerger):
        if options.protected:
            raise InputError(
                f"--protected: attack {merger.label} treats all updates alike; leave it out"
            )
    elif not options.protected:
        raise InputError(
            f"--attack {merger.label} knows which update may be protected: say which of the "
            "adapters with --protected ADAPTER"
        )
    elif adapters.count(options.protected) != 1:
        raise InputError(
            f"--protected {options.protected}: not one of the adapters; "
            f"choose from: {', '.join(adapters)}"
        )
    elif weights != [1.0] * len(weights):
        raise InputError(
            f"--attack {merger.label} weighs the protected adapter by itself: leave out :WEIGHT"
        )


def _problem(
    updates: Sequence[Update],
    space: Space,
    options: argparse.Namespace,
    weights: Sequence[float],
    place: int | None,
) -> Problem[Any]:
    """Return the problem of a `Merger`, or of an `InformedMerger` where a place is protected."""
    seed = options.seed
    if place is not None:
        base = partial(load_backbone, options.backbone, weights=options.weights)
        return InformedProblem(updates, place=place, space=space, seed=seed, base=base)
    coefficients = None if weights == [1.0] * len(weights) else weights
    room = Room(0)  # nothing is merged a second time
    return MergeProblem(updates, space=space, seed=seed, coefficients=coefficients, room=room)


def _stated(merger: Attack) -> dict[str, object]:
    """Return the hyper-parameters, those of the rule as a mapping of their own."""
    stated = merger.options()
    if isinstance(merger, InformedMerger) and merger.rule is not None:
        stated["rule"] = {"name": merger.rule.name, **merger.rule.options()}
    return stated
