"""What files of results are called: by what they are about, where that is not the default."""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterator

from mergebench.commands.options import DEFAULT_PROTECTIONS
from mergebench.commands.parser import names_in
from mergebench.commands.runs.idle_options import names_protocol
from mergebench.experiment import Experiment
from mergebench.suites import all_tasks

_LONGEST = 60
_OTHER = re.compile(r"[^A-Za-z0-9._@-]")


def stem(table: str, options: argparse.Namespace, experiment: Experiment) -> str:
    """Return the name, without a suffix, of the files of `table`.

    Behind `table` stand a protocol other than `paper`, data of the user's own, and other tasks,
    targets, budgets, attacks, protections or options than the default, so that a part of a table
    never replaces the whole; no protocol and attacks that numbers do not depend on. Seeds, weights
    and devices are not named: a table of other seeds is the same table. Only letters, digits and
    `._@-`; a name that says too much is cut short and ends in a hash.
    """
    protocol = experiment.protocol.name
    plain = protocol == "paper" or not names_protocol(experiment)
    named = table if plain else f"{table}_{protocol}"
    words = "_".join(_differences(options, experiment))
    return f"{named}_{_portable(words)}" if words else named


def _differences(options: argparse.Namespace, experiment: Experiment) -> Iterator[str]:
    every = all_tasks(experiment.setting.suite, experiment.data)
    if experiment.data is not None and experiment.data.own is not None:
        yield "-".join(("data", *every))
    if experiment.tasks is not None and set(experiment.tasks) != set(every):
        yield "-".join(("tasks", *experiment.tasks))
    if experiment.targets is not None and set(experiment.targets) != set(experiment.tasks or every):
        yield "-".join(("targets", *experiment.target_names))
    if vars(options).get("budgets"):
        yield "-".join(("budgets", *names_in(options.budgets)))
    if set(experiment.attacks) != set(options.default_attacks):
        yield "-".join(("attacks", *(name.removesuffix("@full") for name in experiment.attacks)))
    if set(experiment.protections) != {DEFAULT_PROTECTIONS}:
        named = [re.sub(r"[\[=,]", "-", one).rstrip("]") for one in experiment.protections]
        yield "-".join(("protections", *(named or ("none",))))
    for text in options.settings:
        yield f"set-{text.replace('=', '-', 1)}"
    if options.train_precision is not None:
        yield f"train-{options.train_precision}"
    yield from (name.replace("_", "-") for name in ("partial", "drop_leaks") if vars(options)[name])


def _portable(words: str) -> str:
    shown = _OTHER.sub("-", words)
    if shown == words and len(words) <= _LONGEST:
        return words
    return f"{shown[:_LONGEST].rstrip('_-.@')}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
