"""The verb that holds numbers against older ones: exit status 1 when they moved."""

from __future__ import annotations

import argparse
import os

from mergebench.errors import InputError
from mergebench.experiment import Monitor, existing_store
from mergebench.files import Output, replacing
from mergebench.registry import registry
from mergebench.regression import (
    Checked,
    Tolerance,
    adapters_of,
    changes,
    check,
    is_junit,
    is_markdown,
    junit,
    markdown,
    print_checked,
    store_outcomes,
    update,
)
from mergebench.terminal import make_console

STORE_TOLERANCE = Tolerance(merges=0.5, training=0.5)
"""Points by which a task may differ between two stores; both hold numbers of one machine."""


def run_check(options: argparse.Namespace) -> int:
    """Compare with a baseline, or two stores; 1 when numbers moved."""
    for plugin in options.plugin:
        registry().add_file(plugin)
    _check_outputs(options)
    console = make_console()
    if options.against is not None or options.store is not None:
        found = _compare_stores(options)
    elif options.baseline is None:
        raise InputError("check what? Give a BASELINE.json, or --store DIR --against DIR")
    elif options.update and (options.junit is not None or options.markdown is not None):
        raise InputError("--update reports nothing: drop --junit and --markdown")
    elif options.update and options.exact:
        raise InputError("--exact says what a check tolerates; --update checks nothing: drop one")
    elif options.update:
        found = update(options.baseline, Monitor(console), processes=options.jobs)
        print_checked(found, console)
        console.print(f"wrote {options.baseline}", highlight=False, soft_wrap=True)
        return 0
    else:
        found = check(
            options.baseline, Monitor(console), processes=options.jobs, exact=options.exact
        )
    _write(options, found)
    print_checked(found, console)
    return 0 if found.passed else 1


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse reports in the place of what is read, of each other, and of files of others."""
    read = [path for path in (options.store, options.against, *options.plugin) if path is not None]
    if options.baseline is not None:
        read += [options.baseline, adapters_of(options.baseline)]
    for option, file, is_own in (
        ("--junit", options.junit, is_junit),
        ("--markdown", options.markdown, is_markdown),
    ):
        if file is not None:
            Output(option=option, inputs=read, is_own=is_own, force=options.force).check_file(file)
    reports = [path for path in (options.junit, options.markdown) if path is not None]
    if len({os.path.realpath(path) for path in reports}) < len(reports):
        raise InputError(f"--junit and --markdown both name {options.junit}: name two files")


def _compare_stores(options: argparse.Namespace) -> Checked:
    if options.store is None or options.against is None:
        raise InputError("two stores are needed: --store DIR --against DIR")
    if options.baseline is not None or options.update:
        raise InputError("a baseline or two stores can be compared, not both")
    older = store_outcomes(existing_store(options.against, "--against"))
    newer = store_outcomes(existing_store(options.store))
    found = changes(older, newer, STORE_TOLERANCE, exact=options.exact)
    alone = len(older) - len(found), len(newer) - len(found)
    return Checked(changes=tuple(found), alone=alone)


def _write(options: argparse.Namespace, found: Checked) -> None:
    if options.junit is not None:
        with replacing(options.junit) as file:
            file.write_bytes(junit(found))
    if options.markdown is not None:
        with replacing(options.markdown) as file:
            file.write_text(markdown(found), encoding="utf-8")
