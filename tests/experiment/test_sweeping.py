"""Of the attempts of an attack that trains, validation takes one; who sweeps, and who does not."""

from __future__ import annotations

import pytest
from miniature import FEW_IMAGES, PRICED, PROTOCOL, TASKS

from mergebench.commands import tables
from mergebench.commands.parser import Parser
from mergebench.commands.runs.experiments import setting_of
from mergebench.experiment import SWEEP, Setting
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.merges import Merges
from mergebench.measure import Cell, get_protocol
from mergebench.measure.points import FULL, Objective

ATTACK = "distil:ta"


@pytest.fixture(scope="module")
def merges(little_store) -> Merges:
    experiment_module._workbench.cache_clear()
    experiment = Experiment(
        backbone="mini_vit",
        setting=PRICED,
        protocol=PROTOCOL,
        seeds=(0,),
        store=little_store,
        command="mergebench price",
        tasks=TASKS,
        plugins=(FEW_IMAGES,),
    )
    experiment.workbench()  # makes the plug-in suite known
    return Merges(experiment, "trap2", "mnist", 0)


@pytest.fixture(scope="module")
def swept(merges) -> Cell:
    options = {"attempts": 3, "learning_rate_factors": (1.0, 3.0), "inputs_per_task": 16}
    return merges.cell(ATTACK, "full", options.items())


def test_a_sweep_of_one_is_the_cell_that_there_was(merges) -> None:
    plain = merges.cell(ATTACK, "full", {"inputs_per_task": 16}.items())
    one = {"inputs_per_task": 16, "attempts": 1, "learning_rate_factors": (1.0,)}
    assert merges.cell(ATTACK, "full", one.items()).key == plain.key
    assert all(point.options == {} for point in plain.results.points)


def test_every_attempt_and_learning_rate_is_a_point_of_the_search(merges, swept) -> None:
    results = swept.results
    tried = {
        (one.options["attempt"], one.options["learning_rate_factor"]) for one in results.points
    }
    assert {attempt for attempt, _ in tried} == {0, 1, 2}
    assert {factor for _, factor in tried} == {1.0, 3.0}
    score = Objective(sizes=results.sizes[FULL], norms=swept.inputs.protocol["norms"])
    chosen = results.chosen
    assert chosen is not None
    assert score(chosen.counts) == max(score(point.counts) for point in results.points)


def test_a_point_of_the_sweep_is_that_attempt_alone(merges, swept) -> None:
    """What a sweep chose is what the same seed and learning rate give by themselves."""
    results = swept.results
    options = {"inputs_per_task": 16, **results.options}
    alone = merges.point(ATTACK, "full", options, results.alpha)
    assert alone.results.hits == results.hits


def test_no_sweep_looks_at_more_inputs(swept) -> None:
    assert swept.results.notes["images"] == 16


def setting_for(command: str) -> Setting:
    parser = Parser(prog="mergebench")
    tables.add_verbs(parser.add_subparsers(dest="verb"))
    options = parser.parse_args(command.split())
    return setting_of(options, get_protocol(options.protocol))


@pytest.mark.parametrize("attack", ["distil:ta", "finetune", "relearn:ta", "prodistill"])
def test_who_asks_for_the_worst_case_sweeps(attack) -> None:
    for verb in ("price", "leaderboard"):
        found = setting_for(verb).attack(attack)
        assert {name: found.options()[name] for name in SWEEP} == SWEEP
    for verb in ("table5", "recovery"):
        assert (
            not {"attempt", "learning_rate_factor"}
            & setting_for(verb).attack(attack).searched.keys()
        )


def test_a_sweep_can_be_set() -> None:
    chosen = setting_for("price --set distil.attempts=1 --set finetune.learning_rate_factors=1,0.1")
    assert (chosen.attack("distil:ta").attempts, chosen.attack("relearn:ta").attempts) == (1, 3)
    assert chosen.attack("finetune").learning_rate_factors == (1.0, 0.1)
    assert chosen.attack("distil:ta").learning_rate_factors == SWEEP["learning_rate_factors"]
    assert setting_for("table5 --set distil.attempts=3").attack("distil:ta").attempts == 3
