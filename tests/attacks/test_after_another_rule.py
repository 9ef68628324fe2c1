"""Steps after another rule: which rules they can go on from, where, and what records say."""

from __future__ import annotations

import pytest
import torch
from command_line import measure_few_images, run
from small_updates import tasks
from synthetic import attack, merge

from mergebench.contracts import InformedMerger, Merger
from mergebench.errors import InputError
from mergebench.measure.cell import Method, sha256_of
from mergebench.registry import registry

STEPS = pytest.mark.parametrize("name", ["iso_c", "svc"])


@STEPS
def test_a_rule_about_factors_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="after is peft_linear, which merges the factors"):
        attack(name, after="peft_linear")


@STEPS
def test_it_is_defined_where_the_rule_is(name: str) -> None:
    changes = tasks(torch.float64)
    refused = (
        f"attack wudi_iterated, which {name} is built on, is not defined in space core; "
        "choose from: full$"
    )
    with pytest.raises(InputError, match=refused):
        merge(changes, name, "core", after="wudi_iterated")
    assert merge(changes, name, "full", after="wudi_iterated").norm() > 0
    on_it = registry().get(InformedMerger, "hold")(rule=attack(name, after="wudi_iterated"))
    with pytest.raises(InputError, match="attack wudi_iterated, which hold is built on"):
        on_it.check_space("core")
    on_it.check_space("full")


def test_a_table_refuses_it_before_anything_runs(tmp_path, monkeypatch, capsys) -> None:
    few = measure_few_images(monkeypatch, tmp_path)
    words = ("--attacks", "ta iso_c@core", "--set", "iso_c.after=wudi_iterated")
    assert run("table2", *few, *words) == 2
    assert "which iso_c is built on, is not defined in space core" in capsys.readouterr().err
    assert not [*(tmp_path / "runs").glob("releases/*")]


@STEPS
def test_a_record_covers_a_rule_that_is_not_the_default(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tsv = registry().get(Merger, "tsv")
    found = Method.of(attack(name, after="tsv"))
    assert found.options["after"] == Method.of(tsv())
    assert Method.of(attack(name, after="svc")).options["after"].options["after"] == "ta"
    monkeypatch.setattr(tsv, "version", tsv.version + 1)
    assert sha256_of(Method.of(attack(name, after="tsv"))) != sha256_of(found)


def test_records_of_the_default_rule_are_as_before() -> None:
    assert Method.of(attack("iso_c")).options == {"after": "ta"}
    assert Method.of(attack("svc")).options == {"after": "ta", "least": 0.0}
