"""The options of verbs that say where pieces of work run: on this machine, or as jobs of Slurm."""

from __future__ import annotations

import argparse
import re

from mergebench.commands import numbers
from mergebench.commands.parser import Parser

EXECUTORS = ("local", "slurm")
SLURM_OPTIONS = (
    *("--slurm-partition", "--slurm-account", "--slurm-gpus", "--slurm-time", "--slurm-mem"),
    *("--slurm-option", "--slurm-setup", "--slurm-cells", "--slurm-at-once", "--slurm-interrupt"),
)
"""All that is said about jobs of Slurm; each has a value."""


def add_executor_options(parser: Parser) -> None:
    """Add where pieces of work run, and what jobs of Slurm ask for (docs/cluster.md)."""
    parser.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="local",
        help="where pieces of work run: here, or as jobs of Slurm (docs/cluster.md)",
    )
    slurm = parser.add_argument_group("with --executor slurm")
    for name, value, text in (
        ("--slurm-partition", "NAME", "partition of the jobs (default: the cluster's)"),
        ("--slurm-account", "NAME", "who pays for the jobs (default: the cluster's)"),
        ("--slurm-gpus", "[TYPE:]N", "GPUs of a job; it uses one (default: none)"),
        ("--slurm-time", "TIME", "limit of a job, e.g. 4:00:00 (default: the partition's)"),
        ("--slurm-mem", "SIZE", "memory of a job, e.g. 16G (default: the partition's)"),
    ):
        slurm.add_argument(name, metavar=value, help=text)
    slurm.add_argument(
        "--slurm-option",
        type=_sbatch_option,
        action="append",
        metavar="NAME=VALUE",
        help="another option of sbatch, e.g. qos=long; repeatable",
    )
    slurm.add_argument(
        "--slurm-setup",
        action="append",
        metavar="LINE",
        help="a shell line before the work; repeatable",
    )
    _add_counts(slurm)
    slurm.add_argument(
        "--slurm-interrupt",
        choices=("cancel", "leave"),
        help="what Ctrl-C does with jobs (default: cancel)",
    )


def _add_counts(slurm: argparse._ArgumentGroup) -> None:
    slurm.add_argument(
        "--slurm-cells", type=numbers.cells, metavar="N", help="cells of a job, about (default: 1)"
    )
    slurm.add_argument(
        "--slurm-at-once", type=numbers.jobs, metavar="N", help="jobs at a time (default: 256)"
    )


def _sbatch_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[a-z][a-z-]*", name):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE such as qos=long")
    return name, value
