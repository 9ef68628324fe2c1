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
    parser.add_argument("--executor", choices=EXECUTORS, default="local", help="docs/cluster.md")
    slurm = parser.add_argument_group("with --executor slurm")
    slurm.add_argument("--slurm-partition", metavar="NAME")
    slurm.add_argument("--slurm-account", metavar="NAME")
    slurm.add_argument("--slurm-gpus", metavar="[TYPE:]N", help="GPUs of a job; it uses one")
    slurm.add_argument("--slurm-time", metavar="TIME", help="limit of a job, e.g. 4:00:00")
    slurm.add_argument("--slurm-mem", metavar="SIZE", help="memory of a job, e.g. 16G")
    slurm.add_argument(
        "--slurm-option",
        type=_sbatch_option,
        action="append",
        metavar="NAME=VALUE",
        help="another option of sbatch, e.g. qos=long",
    )
    slurm.add_argument(
        "--slurm-setup", action="append", metavar="LINE", help="a shell line before the work"
    )
    slurm.add_argument(
        "--slurm-cells", type=numbers.cells, help="cells of a job, about; 1 by default"
    )
    slurm.add_argument("--slurm-at-once", type=numbers.jobs, help="jobs at a time; 256 by default")
    slurm.add_argument(
        "--slurm-interrupt",
        choices=("cancel", "leave"),
        help="what Ctrl-C does with jobs; cancel by default",
    )


def _sbatch_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[a-z][a-z-]*", name):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE such as qos=long")
    return name, value
