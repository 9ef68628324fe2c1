"""The verb that measures what a GPU does here."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

from mergebench.device import choose_device
from mergebench.errors import InputError, unknown_name
from mergebench.experiment import get_setting, require_inputs
from mergebench.files import check_writable
from mergebench.gpu_check import (
    SHARES,
    SIZES,
    Asked,
    Notebook,
    Outcome,
    Record,
    TableInputs,
    TableSize,
    check_gpu,
    describe_machine,
)
from mergebench.suites import SuiteOptions, default_data_root
from mergebench.terminal import make_console

_EMBEDDED, _GIVEN = "mini_vit", "minilm"


def run_gpu_check(options: argparse.Namespace) -> int:
    """Measure, and write what was measured after each step; 1 if a test failed."""
    console, device, size = make_console(), choose_device(options.device), SIZES[options.size]
    asked = Asked(
        size=size,
        device=device,
        seconds=options.budget,
        tables=tuple(_tables(options, str(device))),
        parts=_parts(options.parts),
    )
    folder = options.results / "gpu"
    check_writable(folder)
    record = Record(machine=describe_machine(device), size=size.name, budget=options.budget)
    notebook = Notebook(record, folder, lambda line: console.print(line, soft_wrap=True))
    check_gpu(asked, notebook)
    for file in notebook.files:
        console.print(f"wrote {file}", soft_wrap=True)
    return 1 if any(one.outcome == "failed" for one in record.of(Outcome)) else 0


def _tables(options: argparse.Namespace, device: str) -> Iterator[tuple[TableInputs, TableSize]]:
    """Yield the embedded table, and that of the backbone whose weights are given."""
    yield TableInputs(backbone=_EMBEDDED, device=device), _size(options, _EMBEDDED)
    if options.weights is None:
        if options.data_root is not None:
            raise InputError("--data-root: give --weights of minilm too, or leave it out")
        return
    data = SuiteOptions(data_root=options.data_root or default_data_root())
    require_inputs(_GIVEN, options.weights, get_setting(_GIVEN).suite, data, None)
    inputs = TableInputs(backbone=_GIVEN, device=device, weights=options.weights, data=data)
    yield inputs, _size(options, _GIVEN)


def _size(options: argparse.Namespace, backbone: str) -> TableSize:
    size = SIZES[options.size].table(get_setting(backbone))
    return size if options.jobs is None else replace(size, processes=options.jobs)


def _parts(text: str) -> tuple[str, ...]:
    """Return the parts that are named, in the order in which they run; all if none is."""
    named = text.replace(",", " ").split()
    for name in named:
        if name not in SHARES:
            raise InputError(unknown_name("part", name, tuple(SHARES)))
    return tuple(part for part in SHARES if part in named or not named)
