"""What `--help` says, of every verb and option."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from mergebench.cli import make_parser
from mergebench.suites.own.classes import TEMPLATES


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of all verbs, and of their actions."""
    verbs = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    for action in verbs:
        for verb in action.choices.values():
            yield from parsers(verb)
    if not verbs:
        yield parser


VERBS = {parser.prog: parser for parser in parsers(make_parser())}


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")


def test_all_verbs_are_walked() -> None:
    assert len(VERBS) >= 24
    assert {"mergebench table2", "mergebench audit", "mergebench data check"} < VERBS.keys()


def test_every_verb_is_listed_once_under_one_heading() -> None:
    lines = make_parser().format_help().splitlines()
    first, last = lines.index("  VERB"), lines.index("options:")
    listed = [line for line in lines[first + 1 : last] if line]
    headings = [line for line in listed if not line.startswith(6 * " ")]
    assert listed[0] == headings[0] == "    tables and figures"
    assert len(headings) == len(set(headings)) == 5
    verbs = [line.split()[0] for line in listed if line not in headings]
    assert len(verbs) == len(set(verbs))
    assert set(verbs) == {name.split()[1] for name in VERBS}


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_the_verb_does_before_its_options(verb: str) -> None:
    parser = VERBS[verb]
    usage, described, *_ = parser.format_help().split("\n\n")
    assert usage.startswith(f"usage: {verb} ")
    assert described == parser.description
    assert described.endswith(".")


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_help_that_ends_with_its_default(verb: str) -> None:
    parser, page = VERBS[verb], VERBS[verb].format_help()
    for action in parser._actions:
        option = action.option_strings or action.metavar
        assert action.help, f"{verb}: {option} has no help"
        shown = parser._get_formatter()._expand_help(action)
        assert f" {shown}\n" in page
        default = None if action.default is argparse.SUPPRESS else action.default
        if default not in (None, "", []) and default is not False:
            assert shown.endswith(f" (default: {default})"), f"{verb}: {option}"
        assert "by default" not in shown
        assert shown.count("(default: ") <= 1


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        *((verb, ["--attacks"]) for verb in ("table1", "table3", "figure2", "detect")),
        ("leaderboard", ["--attacks"]),
        ("replay", ["--jobs", "--executor", "--slurm-cells"]),
    ],
)
def test_what_a_verb_has_no_use_for_is_not_offered(verb: str, options: list[str]) -> None:
    table2, page = VERBS["mergebench table2"].format_help(), VERBS[f"mergebench {verb}"]
    for option in options:
        assert f" {option} " in table2
        assert f" {option} " not in page.format_help()


def test_the_usual_prompts_are_those_of_data_of_ones_own() -> None:
    said = f"(default: {TEMPLATES['images']!r}, of texts {TEMPLATES['texts']!r})"
    for verb in ("table2", "evaluate", "protect", "audit"):
        assert said in VERBS[f"mergebench {verb}"].format_help()
