"""One protection in several forms: options in brackets behind its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run
from miniature import SETTING

from mergebench.cli import make_parser
from mergebench.commands.parser import names_in
from mergebench.errors import InputError
from mergebench.report.labels import protection_label, release_order

KAPPA_2 = "mergelock[kappa=2]"


def test_options_in_a_name_come_before_those_of_the_setting() -> None:
    setting = SETTING.with_options("mergelock", kappa=5.0)
    forms = {name: setting.protection(name) for name in ("mergelock", KAPPA_2)}
    assert [one.options()["kappa"] for one in forms.values()] == [5.0, 2.0]
    assert {one.name for one in forms.values()} == {"mergelock"}
    chosen = setting.protection("params[attention=none, mlp=true]").options()
    assert (chosen["attention"], chosen["mlp"]) == ("none", True)
    assert not setting.has_factors(KAPPA_2)
    assert setting.has_factors("trap2[strength=0.1]")
    assert setting.has_factors("none")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "mergelock[kapa=2]",
            r"protection mergelock\[kapa=2\]: kapa=2: unknown option 'kapa'; did",
        ),
        ("mergelock[kappa=wide]", r"kappa=wide: expected float"),
        ("mergelock[kappa]", "kappa: expected key=value"),
        ("mergelock[kappa=2", r"expected NAME or NAME\[OPTION=VALUE,...\]"),
        ("mergelock[]", r"expected NAME or NAME\[OPTION=VALUE,...\]"),
        ("mergelok[kappa=2]", "unknown protection 'mergelok'; did you mean mergelock"),
        ("params[attention=round]", "attention=round: choose from: diagonal, symmetric"),
    ],
)
def test_a_wrong_name_gets_one_line(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        SETTING.protection(name)


def test_nothing_between_brackets_separates_names() -> None:
    found = names_in("trap2, params[attention=none,mlp=true]  mergelock[kappa=2, x=3] none")
    assert found == (
        *("trap2", "params[attention=none,mlp=true]", "mergelock[kappa=2, x=3]", "none"),
    )
    options = make_parser().parse_args(["table2", "--protections", f"{KAPPA_2} mergelock"])
    assert names_in(options.protections) == (KAPPA_2, "mergelock")


def test_two_names_of_one_protection_are_refused(tmp_path: Path, capsys) -> None:
    words = ["--protections", "mergelock mergelock[kappa=10]", "--store", tmp_path]
    assert run("table4", *words, "--results", tmp_path) == 2
    assert "mergelock and mergelock[kappa=10] are the same: leave one out" in (
        capsys.readouterr().err
    )


def test_rows_are_called_by_their_options_and_stand_together() -> None:
    assert protection_label(KAPPA_2) == "MergeLock (kappa 2)"
    assert protection_label("params[attention=none,mlp=true]") == (
        "PaRaMS (attention none, mlp true)"
    )
    assert protection_label("my_own[x=1]") == "my_own (x 1)"
    names = ["my_own", KAPPA_2, "none", "mergelock", "params[mlp=false]", "params"]
    assert sorted(names, key=release_order) == [
        *("none", "params", "params[mlp=false]", "mergelock", KAPPA_2, "my_own"),
    ]
