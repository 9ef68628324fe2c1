"""Where pieces of work run, as the options of a verb say."""

from __future__ import annotations

import argparse

from mergebench.cluster import Request, Slurm, require_slurm
from mergebench.commands.cluster_options import SLURM_OPTIONS
from mergebench.errors import InputError
from mergebench.experiment import Executor

_AT_ONCE = 256


def chosen_executor(options: argparse.Namespace) -> Executor | None:
    """Return what runs the jobs; None for the processes of this machine, and where none run.

    Raises `InputError` for options of an executor that is not chosen, and where Slurm is missing.
    """
    if "executor" not in options:
        return None
    given = [name for name in SLURM_OPTIONS if _value(options, name) is not None]
    if options.executor == "local":
        if given:
            raise InputError(f"{given[0]}: jobs of Slurm are made with --executor slurm; add it")
        return None
    require_slurm()
    return Slurm(
        request=_request(options),
        folder=options.store / "slurm",
        cells=options.slurm_cells or 1,
        leave=options.slurm_interrupt == "leave",
    )


def _request(options: argparse.Namespace) -> Request:
    named = {
        "partition": options.slurm_partition,
        "account": options.slurm_account,
        "gpus-per-node": options.slurm_gpus,
        "time": options.slurm_time,
        "mem": options.slurm_mem,
    }
    asked = {name: value for name, value in named.items() if value is not None}
    for name, value in options.slurm_option or ():
        if name in asked:
            raise InputError(
                f"--slurm-option {name}={value}: {name} is {asked[name]} already; give it once"
            )
        asked[name] = value
    for name, value in asked.items():
        if not value or not value.isprintable():
            raise InputError(f"{name} of --executor slurm is {value!r}: give one line of text")
    for line in options.slurm_setup or ():
        if not line.isprintable():
            raise InputError(
                f"--slurm-setup {line!r}: give one line of text, more with more options"
            )
    return Request(
        options=tuple(asked.items()),
        setup=tuple(options.slurm_setup or ()),
        at_once=options.slurm_at_once or _AT_ONCE,
    )


def _value(options: argparse.Namespace, name: str) -> object:
    return vars(options)[name.removeprefix("--").replace("-", "_")]
