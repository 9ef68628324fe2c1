"""The experiment that the options of a verb describe."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from mergebench.commands.cluster_options import SLURM_OPTIONS
from mergebench.commands.parser import names_in
from mergebench.commands.runs.executing import chosen_executor
from mergebench.commands.runs.idle_options import idle_options, starting_options
from mergebench.commands.runs.suite_data import suite_options
from mergebench.contracts import Attack, Protection
from mergebench.device import choose_device
from mergebench.errors import InputError
from mergebench.experiment import (
    Experiment,
    Setting,
    check_attack,
    every_merger,
    get_full_setting,
    get_setting,
    is_post_hoc,
    reproducing,
    require_inputs,
    swept,
)
from mergebench.files import check_writable
from mergebench.measure import NO_DEFECTS, UNPROTECTED, Protocol, get_protocol
from mergebench.registry import parse_options, registry
from mergebench.suites import OWN
from mergebench.terminal import say

_NAMED = ("--weights", "--data", "--names", "--plugin", "--out")
"""Options whose files captions state by name, without their folder."""

_UNSTATED = (
    *("--jobs", "--store", "--results", "--device", "--data-root", "--cache"),
    *("--executor", *SLURM_OPTIONS),
    *("--enter", "--who", "--merged", "--target", "--knowledge"),
)


def described_experiment(options: argparse.Namespace) -> Experiment:
    """Return the experiment that the options describe, of which nothing but names is checked.

    The verb has set `release`, the form of the updates, and `default_attacks`, none if nothing is
    merged; None becomes every merger that there is within `levels`, the most that mergers get.
    """
    for plugin in options.plugin:
        registry().add_file(plugin)
    protocol = get_protocol(options.protocol)
    setting = setting_of(options, protocol)
    data = suite_options(
        options, suite=setting.suite, backbone=options.backbone, defects=protocol.defects
    )
    return Experiment(
        backbone=options.backbone,
        setting=setting,
        protocol=protocol,
        seeds=tuple(range(options.seed, options.seed + options.seeds)),
        store=options.store,
        command=caption_command(options.words),
        tasks=names_in(options.tasks) or None,
        targets=names_in(vars(options).get("targets")) or None,
        attacks=_attacks(options, setting),
        protections=_protections(options, setting),
        plugins=tuple(options.plugin),
        weights=options.weights,
        device=options.device,
        data=data,
        executor=chosen_executor(options),
    )


def checked_experiment(options: argparse.Namespace) -> Experiment:
    """Return the experiment of `described_experiment`, checked before anything runs."""
    experiment = described_experiment(options)
    setting = experiment.setting
    choose_device(options.device)
    require_inputs(
        options.backbone, options.weights, setting.suite, experiment.data, experiment.tasks
    )
    check_writable(options.results / options.backbone)
    _check_defined(options, experiment)
    for name in experiment.protections:
        setting.protection(name).check(experiment.workbench().backbone)
    merged = experiment.workbench().suite.task_names
    for name in experiment.attacks:
        attack, space = check_attack(name)
        setting.attack(attack).check_space(space)
        setting.attack(attack).check_count(len(merged))
    if experiment.targets is not None:
        _ = experiment.target_names  # wrong ones are refused before anything runs
    return experiment


def announced_experiment(options: argparse.Namespace) -> Experiment:
    """Return the checked experiment.

    What was made of the user's own data is said at once, and which options change nothing, or
    leave the choice to a search.
    """
    experiment = checked_experiment(options)
    for line in (
        *idle_options(experiment, options),
        *starting_options(experiment, options),
    ):
        say(line)
    if experiment.setting.suite == OWN:
        for note in experiment.workbench().suite.notes:
            say(note)
    return experiment


def setting_of(options: argparse.Namespace, protocol: Protocol) -> Setting:
    """Return the setting of the backbone under a protocol, with what the user set.

    A verb that asks for the worst case has set `swept`.
    """
    find = get_full_setting if options.release == "full" else get_setting
    setting = find(options.backbone)
    if options.data and protocol.defects != NO_DEFECTS:
        raise InputError(
            f"protocol {protocol.name} replicates published numbers, and there are none of "
            "--data: leave one of them out"
        )
    setting = with_own_data(setting, options)
    if protocol.defects != NO_DEFECTS:
        if not setting.published:
            raise InputError(
                f"protocol {protocol.name} replicates published numbers, and there are none of "
                f"backbone {options.backbone}: choose vit_b32, vit_l14 or convnext, or protocol "
                "paper or clean"
            )
        setting = reproducing(protocol.defects, setting)
    for text in options.settings:
        setting = _with_option(setting, text)
    if vars(options).get("swept"):
        setting = swept(setting)
    if options.train_precision is not None:
        setting = setting.trained_in(options.train_precision)
    for name in (*setting.attacks, *setting.protections):  # values are refused before anything runs
        _ = setting.attack(name) if _is_attack(name) else setting.protection(name)
    return setting


def with_own_data(setting: Setting, options: argparse.Namespace) -> Setting:
    """Return the setting with the user's own data as its suite, if the options name any."""
    return replace(setting, suite=OWN, published=False) if options.data else setting


def _attacks(options: argparse.Namespace, setting: Setting) -> tuple[str, ...]:
    """Return the attacks as `attack@space`, each once; `InputError` for an unknown one."""
    if options.default_attacks is None:
        options.default_attacks = every_merger(setting.release, options.levels)
    names = names_in(vars(options).get("attacks")) or options.default_attacks
    return tuple(dict.fromkeys("@".join(check_attack(name, setting.release)) for name in names))


def checkpoints(options: argparse.Namespace) -> list[str]:
    """Return the protections that release full checkpoints, whatever is trained.

    Errors as of `checked_experiment`.
    """
    for plugin in options.plugin:
        registry().add_file(plugin)
    return [name for name in names_in(options.protections) if is_post_hoc(name)]


def _protections(options: argparse.Namespace, setting: Setting) -> tuple[str, ...]:
    """Return the protections but `none`, each once; `InputError` for one that cannot be made.

    Also for two names of one protection.
    """
    names = dict.fromkeys(names_in(options.protections))
    chosen = tuple(name for name in names if name != UNPROTECTED)
    made = [setting.protection(name) for name in chosen]
    for place, (name, one) in enumerate(zip(chosen, made, strict=True)):
        if one in made[:place]:
            same = chosen[made.index(one)]
            raise InputError(f"--protections: {same} and {name} are the same: leave one out")
    return chosen


def _check_defined(options: argparse.Namespace, experiment: Experiment) -> None:
    """Raise `InputError` for an attack that was named and cannot merge what is protected."""
    for attack in experiment.attacks if vars(options).get("attacks") else ():
        for protection in experiment.protections:
            if not experiment.defined(attack, protection):
                raise InputError(
                    f"--attacks: {attack} needs low-rank factors, and {protection} releases full "
                    "checkpoints, which have none: leave one of them out"
                )


def _with_option(setting: Setting, text: str) -> Setting:
    """Return the setting with one option, `name.key=value`, of a protection or an attack."""
    name, point, option = text.partition(".")
    if not point or "=" in name:
        raise InputError(f"--set {text}: expected NAME.KEY=VALUE, of a protection or an attack")
    if _is_attack(name):
        attack = registry().get(Attack, name)
        return setting.with_attack_options(name, **parse_options(attack, [option], of=name))
    if not _is_protection(name):
        raise InputError(f"--set {text}: {registry().unknown(name, Attack, Protection)}")
    protection = registry().get(Protection, name)
    return setting.with_options(name, **parse_options(protection, [option], of=name))


def _is_attack(name: str) -> bool:
    return any(found.plugin.name == name for found in registry().all(Attack))


def _is_protection(name: str) -> bool:
    return any(found.plugin.name == name for found in registry().all(Protection))


def caption_command(words: Sequence[str]) -> str:
    """Return the command for a caption; what does not change the numbers is left out."""
    kept: list[str] = []
    skip = False
    for word in words:
        option, equals, value = word.partition("=")
        if skip or (equals and option in _UNSTATED):
            skip = False
        elif word in _UNSTATED:
            skip = True
        elif kept[-1:] and kept[-1] in _NAMED:
            kept.append(_name(word))
        elif equals and option in _NAMED:
            kept.append(f"{option}={_name(value)}")
        else:
            kept.append(word)
    return shlex.join(["mergebench", *kept])


def say_written(console: Console, files: Sequence[Path]) -> None:
    """Print which files a verb has written."""
    for file in files:
        console.print(f"wrote {file}", highlight=False, soft_wrap=True)


def _name(path: str) -> str:
    """Return the name of a file or folder: which folder it lies in is nobody else's business."""
    return Path(path).resolve().name or path
