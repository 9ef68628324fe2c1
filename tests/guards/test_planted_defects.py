"""Defects planted into the product one at a time, each of which a named test has to notice.

`docs/guards.md` is this table in words. A guard is a test that stands elsewhere, called here as it
is; `planting.py` makes the mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import planting
import pytest
import torch
from adapter_files import low_rank_update
from repository import ROOT
from training import synthetic_task, tiny_backbone

from attacks.dare import Dare
from attacks.spaces.knots import KnOTS
from mergebench.backbones import load_backbone
from mergebench.suites import load_suite
from mergebench.updates.adapters import save_adapter
from tests.attacks import test_contract as contract
from tests.attacks import test_identities_merging as identities
from tests.attacks import test_identities_ties_dare as ties_dare
from tests.attacks import test_identities_tsv_cart as tsv_cart
from tests.attacks import test_parity as parity
from tests.attacks import test_parity_peft as public
from tests.measure import test_evaluate as evaluate
from tests.measure import test_search as search
from tests.protections import test_trap2 as trap2
from tests.suites import test_suites as suites
from tests.train import test_train as fine_tuning
from tests.updates import test_adapters as adapters

DOCUMENT = ROOT / "docs" / "guards.md"


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A test that stands elsewhere, and what to call it with, made anew in an empty folder."""

    test: Callable[..., None]
    arguments: Callable[[Path], Sequence[Any]]

    @property
    def name(self) -> str:
        """Where it stands."""
        module = self.test.__module__.rpartition(".")[2]
        return f"{module}.py::{self.test.__name__}"

    def run(self, folder: Path) -> None:
        """Call it; raises `AssertionError` if the product is defective."""
        folder.mkdir()
        self.test(*self.arguments(folder))


@dataclass(frozen=True, kw_only=True)
class Defect:
    """A mistake, how to make it, and who notices."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    guards: Sequence[Guard]


def by(test: Callable[..., None], *arguments: Any) -> Guard:
    return Guard(test=test, arguments=lambda _: arguments)


# The guards that take more than constants.


def saved_adapter(folder: Path) -> tuple[Path]:
    save_adapter(low_rank_update(), folder / "adapter")
    return (folder / "adapter",)


def oracle(name: str, space: str, **options: Any) -> Guard:
    return by(parity.test_float64_matches_the_oracle, name, options, space, "square")


IN_FULL_PRECISION = torch.float64
TWO_TASKS = {"arguments": lambda _: (load_suite("mini8", ["mnist", "flags"]),)}
SCALED = {"target_modules": "all-linear", "lora_alpha": 5}
PEFT_ADAPTER = Guard(
    test=adapters.test_we_load_what_peft_saves, arguments=lambda folder: (folder, peft, SCALED)
)
PEFT_CAT = Guard(
    test=public.test_peft_cat_is_weighted_task_arithmetic, arguments=lambda folder: (folder, "full")
)
RELEASE = Guard(
    test=fine_tuning.test_the_released_update_deploys_to_the_trained_function,
    arguments=lambda _: (tiny_backbone(),),
)
SUMMED_WEIGHTS = Guard(
    test=fine_tuning.test_summed_weights_compute_what_pefts_layers_compute,
    arguments=lambda _: (tiny_backbone(), 0.4),
)
SCALED_POINT = Guard(
    test=trap2.test_one_over_s_leaves_the_gradient_of_the_scaled_point,
    arguments=lambda _: (tiny_backbone(), synthetic_task()),
)
SEARCH = Guard(
    test=search.test_coordinate_search_finds_alpha_first_and_then_the_structure,
    arguments=lambda _: (load_backbone("mini_vit", weights="random"),),
)
ONE_CLASSIFIER = by(fine_tuning.test_the_trained_classifier_is_the_evaluated_one)
DARE_DRAWS = by(ties_dare.test_dare_draws_from_its_seed_task_and_site_alone, IN_FULL_PRECISION)

DEFECTS = (
    Defect(
        name="TIES keeps k entries, not k + 1",
        plant=planting.keep_k,
        guards=[
            by(
                ties_dare.test_trimming_keeps_one_more_than_the_rounded_count,
                IN_FULL_PRECISION,
                30.0,
            ),
            oracle("ties", "full", top_k=30.0),
            by(public.test_peft_ties, 30.0),
        ],
    ),
    Defect(
        name="TSV without orthogonalisation",
        plant=planting.leave_vectors_as_they_are,
        guards=[
            by(tsv_cart.test_tsv_keeps_the_singular_values, IN_FULL_PRECISION),
            oracle("tsv", "full"),
        ],
    ),
    Defect(
        name="KnOTS merges Σ V, not V",
        plant=planting.fold_singular_values,
        guards=[
            by(
                identities.test_folding_singular_values_into_knots_changes_only_the_trimming,
                IN_FULL_PRECISION,
            ),
            oracle("ties", "knots", top_k=30.0),
        ],
    ),
    Defect(
        name="KnOTS maps back with U, not U Σ",
        plant=planting.lose_singular_values,
        guards=[
            by(contract.test_space_is_lossless, KnOTS, IN_FULL_PRECISION, False),
            by(
                identities.test_task_arithmetic_is_the_same_sum_in_every_space,
                IN_FULL_PRECISION,
            ),
        ],
    ),
    Defect(
        name="DARE draws from the next seed",
        plant=planting.draw_from_the_next_seed,
        guards=[DARE_DRAWS],
    ),
    Defect(
        name="DARE draws for another purpose",
        plant=planting.draw_for_another_purpose,
        guards=[DARE_DRAWS],
    ),
    Defect(
        name="DARE draws anew at every call",
        plant=planting.draw_on_and_on,
        guards=[DARE_DRAWS, by(contract.test_grid, Dare, "full")],
    ),
    Defect(
        name="the coefficient is searched on test images",
        plant=planting.search_on_test_images,
        guards=[SEARCH],
    ),
    Defect(
        name="lora_alpha/r dropped on loading",
        plant=planting.load_without_scaling,
        guards=[
            Guard(
                test=adapters.test_scaling_follows_alpha_rank_and_patterns, arguments=saved_adapter
            ),
            PEFT_ADAPTER,
            PEFT_CAT,
        ],
    ),
    Defect(
        name="lora_alpha/r dropped on release",
        plant=planting.release_without_scaling,
        guards=[RELEASE],
    ),
    Defect(
        name="Trap² scales both A and B",
        plant=planting.scale_both_factors,
        guards=[SCALED_POINT, SUMMED_WEIGHTS, RELEASE],
    ),
    Defect(
        name="Trap² with w(s) = 1",
        plant=planting.weigh_all_scales_alike,
        guards=[by(trap2.test_the_gradient_is_that_of_the_formula, "inverse", 1, 0.0)],
    ),
    Defect(
        name="a test image in the training split",
        plant=planting.load_a_test_image_to_train_on,
        guards=[
            Guard(test=suites.test_decoded_pixels_of_lossy_sheets_are_disjoint_too, **TWO_TASKS)
        ],
    ),
    Defect(
        name="training reads a test image",
        plant=planting.train_on_a_test_image,
        guards=[by(fine_tuning.test_training_never_sees_the_test_images, synthetic_task())],
    ),
    Defect(
        name="test labels shifted by one class",
        plant=planting.load_shifted_test_labels,
        guards=[Guard(test=suites.test_labels_name_what_the_images_show, **TWO_TASKS)],
    ),
    Defect(
        name="class names shifted in training",
        plant=planting.shift_heads_in_training,
        guards=[ONE_CLASSIFIER],
    ),
    Defect(
        name="class names shifted in evaluation",
        plant=planting.shift_heads_in_evaluation,
        guards=[ONE_CLASSIFIER, by(evaluate.test_hits_equal_a_plain_loop_over_images)],
    ),
)


@pytest.fixture(scope="module")
def sound() -> list[Guard]:
    """The guards that were seen to pass where nothing is planted."""
    return []


@pytest.mark.parametrize(
    ("defect", "guard"),
    [
        pytest.param(defect, guard, id=f"{defect.name}-{guard.test.__name__}")
        for defect in DEFECTS
        for guard in defect.guards
    ],
)
def test_a_guard_notices(defect: Defect, guard: Guard, sound: list[Guard], tmp_path: Path) -> None:
    if guard not in sound:
        guard.run(tmp_path / "sound")
        sound.append(guard)
    with pytest.MonkeyPatch.context() as patch:
        defect.plant(patch)
        with pytest.raises(AssertionError):
            guard.run(tmp_path / "defective")


def test_the_document_lists_the_same_guards() -> None:
    rows = [line.split("|") for line in DOCUMENT.read_text().splitlines() if "::test_" in line]
    listed = {row[1].strip(): re.findall(r"`(test_\w+\.py::test_\w+)`", row[3]) for row in rows}
    assert listed == {defect.name: [guard.name for guard in defect.guards] for defect in DEFECTS}
