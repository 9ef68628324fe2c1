"""Merging of adapters of anybody."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from itertools import chain

from mergebench.backbones import site_shapes, tensor_shapes
from mergebench.commands.numbers import finite
from mergebench.commands.runs.adapters import load_adapter
from mergebench.contracts import Attack, DataMerger, InformedMerger, Merger, Room, Space
from mergebench.errors import InputError
from mergebench.experiment import check_attack
from mergebench.files import Output
from mergebench.merging import InformedProblem, MergeProblem
from mergebench.registry import parse_options, registry
from mergebench.terminal import make_console
from mergebench.updates import MergePath, Update, files_of, is_merged, save_dense


def run_merge(options: argparse.Namespace) -> None:
    """Merge adapters into one update file."""
    for plugin in options.plugin:
        registry().add_file(plugin)
    name, space = check_attack(options.attack)
    merger = _configured(name, options.settings)
    _check_protected(options, merger)
    Output(
        option="--out",
        inputs=[*options.plugin, *chain.from_iterable(map(files_of, options.adapters))],
        is_own=is_merged,
        force=options.force,
        suffix=".safetensors",
    ).check_file(options.out)
    alpha = finite("--alpha", options.alpha)
    shapes, every = site_shapes(options.backbone), tensor_shapes(options.backbone)
    updates = [
        load_adapter(adapter, options, shapes, dense_shapes=every) for adapter in options.adapters
    ]
    try:
        path = _path(merger, updates, registry().get(Space, space)(), options)
    except ArithmeticError as error:
        raise InputError(f"{error}; the updates are too large for their dtype") from error
    about = {
        "backbone": options.backbone,
        "attack": f"{name}@{space}",
        "options": _stated(merger),
        "alpha": alpha,
        "seed": options.seed,
        "adapters": options.adapters,
        **({"protected": options.protected} if options.protected else {}),
    }
    save_dense(path.at(alpha), options.out, about)
    make_console().print(
        f"{len(updates)} updates merged by {merger!r}@{space}, alpha {alpha:g}: {options.out}",
        soft_wrap=True,
    )


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


def _check_protected(options: argparse.Namespace, merger: Attack) -> None:
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
    elif options.adapters.count(options.protected) != 1:
        raise InputError(
            f"--protected {options.protected}: not one of the adapters; "
            f"choose from: {', '.join(options.adapters)}"
        )


def _path(
    merger: Attack, updates: Sequence[Update], space: Space, options: argparse.Namespace
) -> MergePath:
    if isinstance(merger, InformedMerger):
        place = options.adapters.index(options.protected)
        problem = InformedProblem(updates, place=place, space=space, seed=options.seed)
        return problem.path(merger)
    assert isinstance(merger, Merger)
    room = Room(0)  # nothing is merged a second time
    return MergeProblem(updates, space=space, seed=options.seed, room=room).path(merger)


def _stated(merger: Attack) -> dict[str, object]:
    """Return the hyper-parameters, those of the rule as a mapping of their own."""
    stated = merger.options()
    if isinstance(merger, InformedMerger) and merger.rule is not None:
        stated["rule"] = {"name": merger.rule.name, **merger.rule.options()}
    return stated
