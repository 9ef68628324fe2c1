"""Audits of adapters of anybody."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from mergebench.auditing import (
    Audit,
    Request,
    audit_on,
    audit_page,
    check_plain_given,
    make_bench,
    parse_requirement,
)
from mergebench.commands.runs.audit_text import print_audit
from mergebench.commands.runs.experiments import say_written
from mergebench.errors import InputError
from mergebench.files import Output, content_of, replacing
from mergebench.report.page import check_page_file, write_page
from mergebench.terminal import make_console, say

_AUDITS = "audits"


def run_audit(options: argparse.Namespace) -> int:
    """Print audits in words, then in numbers; 1 if one of them is not as required."""
    required = [parse_requirement(text) for text in options.require]
    check_plain_given(required, options.plain)
    request = _request(options)
    _check_output(options)
    _check_once(options.adapters)
    bench, found = make_bench(request), []
    for adapter in options.adapters:
        audit = audit_on(bench, adapter, tell=lambda line: say(f"measuring {line}"))
        found.append(audit)
        print_audit(audit, make_console())
    say_written(make_console(), [*_write(options, found)])
    failures = [line for one in found for need in required if (line := need.failure(one))]
    for line in failures:
        say(line)
    return 1 if failures else 0


def _request(options: argparse.Namespace) -> Request:
    return Request(
        backbone=options.backbone,
        data=options.data,
        target=options.target,
        task=options.task,
        peers=tuple(options.peers) or None,
        synthetic=options.synthetic,
        plain=options.plain,
        store=options.store,
        seed=options.seed,
        missing_as_zero=options.missing == "zero",
        other_base=options.other_base,
        vision_tower=options.vision_tower,
        weights=options.weights,
        device=options.device,
        names=options.names,
        templates=tuple(options.template),
        data_root=options.data_root,
        cache=options.cache,
        partial=options.partial,
    )


def _check_once(adapters: Sequence[str]) -> None:
    for adapter in adapters:
        if adapters.count(adapter) > 1:
            raise InputError(f"{adapter} is named twice; name each adapter once")


def _check_output(options: argparse.Namespace) -> None:
    """Raise `InputError` unless what is asked for may be written: before hours of work."""
    read = [*options.adapters, *options.peers, options.plain, options.task, options.data]
    inputs = [Path(one) for one in read if one is not None]
    if options.json is not None:
        place = Output(option="--json", inputs=inputs, is_own=_is_audit, force=options.force)
        place.check_file(options.json)
    if options.html is not None:
        check_page_file(options.html, option="--html", inputs=inputs, force=options.force)
        if options.json is not None and options.html.absolute() == options.json.absolute():
            raise InputError(f"--html {options.html}: is --json's file; choose another name")


def _is_audit(file: Path) -> bool:
    try:
        found = json.loads(content_of(file))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and [*found] == [_AUDITS]


def _write(options: argparse.Namespace, audits: Sequence[Audit]) -> Iterator[Path]:
    if options.json is not None:
        records = {_AUDITS: [one.record() for one in audits]}
        with replacing(options.json) as temporary:
            text = json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        yield options.json
    if options.html is not None:
        page = audit_page(audits, shlex.join(["mergebench", *options.words]))
        yield write_page(page, options.html, option="--html", force=options.force)
