"""The price of theft from updates to thefts: chosen on validation, by budget, measured once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from miniature import FEW_IMAGES, PRICED, PROTOCOL, TASKS
from rich.console import Console

from mergebench.errors import InputError
from mergebench.experiment import PRICE, measure_price, price_attacks, price_budgets
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import Merges
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.price_set import MOST
from mergebench.experiment.pricing import _notes
from mergebench.measure import COST, FROM_BASE, Level, Measurements, Theft

ATTACKS = (
    *("leave_out:ta@full", "ta@full"),
    *("distil:ta@full", "finetune@full", "relearn:ta@full"),
)
BUDGETS = (4, 16)


@pytest.fixture(scope="module")
def experiment(little_store) -> Experiment:
    experiment_module._workbench.cache_clear()
    return Experiment(
        backbone="mini_vit",
        setting=PRICED,
        protocol=PROTOCOL,
        seeds=(0,),
        store=little_store,
        command="mergebench price",
        tasks=TASKS,
        targets=("mnist",),
        attacks=ATTACKS,
        plugins=(FEW_IMAGES,),
    )


@pytest.fixture(scope="module")
def measured(experiment: Experiment) -> Measurements:
    experiment.workbench()  # makes the plug-in suite known
    return measure_price(experiment, BUDGETS, Monitor(Console(quiet=True)), processes=1)


def curves(measured: Measurements) -> dict[tuple[str, str], dict[int | None, Theft]]:
    found: dict[tuple[str, str], dict[int | None, Theft]] = {}
    for one in measured.thefts:
        found.setdefault((one.level.data, one.protection), {})[one.inputs] = one
    return found


def test_attacks_are_sorted_by_what_they_declare(experiment) -> None:
    experiment.workbench()
    found = price_attacks(experiment)
    assert found.yardsticks == ("leave_out:ta@full",)
    assert [(one.data, one.attacks) for one in found.levels] == [
        *(("none", ("ta@full",)), ("unlabelled", ("distil:ta@full",))),
        ("labelled", ("finetune@full",)),
    ]
    assert found.without == Level(knowledge="blind", data="labelled", attacks=("relearn:ta@full",))


@pytest.mark.parametrize(
    ("attacks", "message"),
    [
        (("ta@full", "distil:ta@full"), "such as leave_out:ta"),
        (("leave_out:ta@full", "distil:ta@full"), "such as ta, which"),
        (("leave_out:ta@full", "ta@full"), "an attack that looks at inputs"),
    ],
)
def test_a_set_without_a_curve_is_refused(experiment, attacks, message) -> None:
    with pytest.raises(InputError, match=message):
        price_attacks(replace(experiment, attacks=attacks))


def test_budgets_are_those_that_all_tasks_have(experiment) -> None:
    assert price_budgets(experiment) == (4, 16, 64)
    assert price_budgets(experiment, (16, 4, 16)) == (4, 16)
    with pytest.raises(InputError, match="65 inputs of every task are more than the 64 training"):
        price_budgets(experiment, (65,))


def test_only_targets_are_protected(experiment) -> None:
    assert ("trap2", "fashion", 0) not in experiment.releases()
    assert ("none", "fashion", 0) in experiment.releases()
    with pytest.raises(InputError, match="unknown target 'mnits'; did you mean mnist"):
        replace(experiment, targets=("mnits",)).releases()


def test_every_curve_has_every_number_of_inputs(measured) -> None:
    found = curves(measured)
    assert found.keys() == {
        *((data, name) for data in ("unlabelled", "labelled") for name in ("none", "trap2")),
        ("labelled", FROM_BASE),
    }
    for curve in found.values():
        assert curve.keys() == {0, *BUDGETS}
        assert {(one.target, one.bound) for one in curve.values()} == {("mnist", COST)}
        for one in curve.values():
            assert one.merged is None or one.merged.correct.keys() == set(TASKS)
    assert found["labelled", FROM_BASE][0].merged is None  # no inputs, no update


def test_more_inputs_steal_no_less_on_validation(measured) -> None:
    """Who has more may use fewer, and who has labels may do without."""

    def stolen(theft: Theft) -> int:
        return -1 if theft.merged is None else theft.merged.validated["mnist"]

    found = curves(measured)
    for curve in found.values():
        assert stolen(curve[0]) <= stolen(curve[4]) <= stolen(curve[16])
    for name in ("none", "trap2"):
        for inputs in (0, *BUDGETS):
            assert stolen(found["unlabelled", name][inputs]) <= stolen(
                found["labelled", name][inputs]
            )


def test_a_theft_with_inputs_is_tested_with_these(experiment, measured) -> None:
    bought = [
        one.merged
        for one in measured.thefts
        if one.inputs == 16 and one.merged is not None and one.merged.attack == "distil:ta"
    ]
    for merged in bought:
        merges = Merges(experiment, merged.protection, "mnist", 0)
        tested = [
            merges.point(merged.attack, "full", {"inputs_per_task": budget}, merged.alpha)
            for budget in BUDGETS
        ]
        assert merged.correct in [one.results.correct for one in tested]


def test_an_attack_has_the_budget_s_inputs_whatever_it_is_asked_for(experiment, measured) -> None:
    """Its own number of inputs per class would be looked at at every budget."""
    setting = experiment.setting.with_attack_options("distil", inputs_per_class=4)
    asked = replace(experiment, setting=setting)
    found = measure_price(asked, BUDGETS, Monitor(Console(quiet=True)), processes=1)
    assert found.thefts == measured.thefts
    assert any("distil:ta looks at 16 images per task" in one for one in found.context.notes)


def test_a_repeat_measures_nothing(experiment, measured) -> None:
    experiment_module._workbench.cache_clear()
    again = measure_price(experiment, BUDGETS, Monitor(Console(quiet=True)), processes=1)
    assert again == measured
    assert experiment.workbench().measured == 0
    assert any("relearn:ta looks at 16 images per task" in one for one in again.context.notes)


def test_the_strongest_attacks_with_data_set_the_price(experiment) -> None:
    experiment.workbench()
    found = price_attacks(replace(experiment, attacks=PRICE))
    strong = {"regmean_weighted@full", "chain_of_merges_outputs@full", "prodistill@full"}
    assert strong <= set(found.levels[1].attacks)
    most = MOST["prodistill@full"]
    assert found.affordable(most) == found.given_data
    assert set(found.given_data) - set(found.affordable(most + 1)) == {"prodistill@full"}
    assert set(found.given_data) - set(found.affordable(2000)) == strong


def test_inputs_that_are_not_counted_are_named(experiment) -> None:
    experiment.workbench()
    attacks = price_attacks(replace(experiment, attacks=PRICE))
    *_, last = notes = [*_notes(experiment, attacks, (4, 300))]
    assert "regmean_weighted, chain_of_merges_outputs, prodistill look at as many of every" in last
    assert not {"distil", "flatten", "finetune", "relearn"} & set(last.replace(":", " ").split())
    assert any("prodistill looks at 4 images" in one for one in notes)
    assert any("flatten:tsv looks at 300 images" in one for one in notes)
    idle = "prodistill@full is given no more than 64 images per task, and was not run."
    assert idle in _notes(experiment, attacks, (300,))
