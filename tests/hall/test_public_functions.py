"""The functions of Python take and document all that the requests behind their commands have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from inspect import Parameter, signature
from pathlib import Path

import pytest

import mergebench
from mergebench.auditing import function
from mergebench.auditing.request import Request as AuditRequest
from mergebench.cli import make_parser
from mergebench.protecting.request import Request as ProtectRequest

FUNCTIONS = pytest.mark.parametrize(
    ("called", "request_of", "besides"),
    [
        (mergebench.audit, AuditRequest, {"adapter"}),
        (mergebench.protect, ProtectRequest, {"jobs", "console"}),
    ],
    ids=["audit", "protect"],
)


@FUNCTIONS
def test_arguments_are_the_fields_of_the_request(
    called: Callable[..., object], request_of: type, besides: set[str]
) -> None:
    parameters = signature(called).parameters
    assert besides < set(parameters)
    taken = {name: said(one.default) for name, one in parameters.items() if name not in besides}
    assert taken == {one.name: said(one.default) for one in fields(request_of)}


def said(default: object) -> object:
    """Return a default as both say it: a path as text, none at all as `MISSING`."""
    if isinstance(default, Path):
        return str(default)
    return MISSING if default is Parameter.empty else default


@FUNCTIONS
def test_every_argument_is_documented(
    called: Callable[..., object], request_of: type, besides: set[str]
) -> None:
    text = called.__doc__ or ""
    assert [name for name in signature(called).parameters if f"`{name}`" not in text] == []


def test_the_command_has_the_same_protection_by_default() -> None:
    words = ["protect", "--backbone", "mini_vit", "--task", "mnist", "--out", "a"]
    (named,) = [one for one in fields(ProtectRequest) if one.name == "protection"]
    assert make_parser().parse_args(words).protection == named.default


def test_an_audit_is_asked_for_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(function, "make_bench", asked.append)
    monkeypatch.setattr(function, "audit_on", lambda bench, adapter: None)
    given = {
        "backbone": "mini_vit",
        "device": "cpu",
        "weights": "w.pt",
        "plain": "p",
        "peers": ("one", "two"),
        "templates": ("a {}",),
        "seed": 3,
        **{name: Path(name) for name in ("data", "store", "names", "data_root", "cache")},
        **dict.fromkeys(("missing_as_zero", "other_base", "vision_tower", "partial"), True),
    }
    mergebench.audit("adapter", **given)
    assert asked == [AuditRequest(**given)]
