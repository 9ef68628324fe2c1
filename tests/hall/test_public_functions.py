"""The functions of Python take and document all that the requests behind their commands have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from inspect import Parameter, signature
from pathlib import Path

import pytest

import mergebench
from mergebench.auditing.request import Request as AuditRequest
from mergebench.cli import make_parser
from mergebench.protecting.request import Request as ProtectRequest

FUNCTIONS = pytest.mark.parametrize(
    ("function", "request_of", "besides"),
    [
        (mergebench.audit, AuditRequest, {"adapter"}),
        (mergebench.protect, ProtectRequest, {"jobs", "console"}),
    ],
    ids=["audit", "protect"],
)


@FUNCTIONS
def test_arguments_are_the_fields_of_the_request(
    function: Callable[..., object], request_of: type, besides: set[str]
) -> None:
    parameters = signature(function).parameters
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
    function: Callable[..., object], request_of: type, besides: set[str]
) -> None:
    text = function.__doc__ or ""
    assert [name for name in signature(function).parameters if f"`{name}`" not in text] == []


def test_the_command_has_the_same_protection_by_default() -> None:
    words = ["protect", "--backbone", "mini_vit", "--task", "mnist", "--out", "a"]
    (named,) = [one for one in fields(ProtectRequest) if one.name == "protection"]
    assert make_parser().parse_args(words).protection == named.default
