"""Chain of Merges: RegMean layer by layer, on the inputs that the layers merged before give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from attacks.parts.layerwise import Regression, Target, Weighting, merged_by_regression
from mergebench.contracts import DataMerger, MergeData
from mergebench.errors import check_choice
from mergebench.updates import Update

Schedule = Literal["linear", "block"]


@dataclass(frozen=True, kw_only=True)
class ChainOfMerges(DataMerger):
    """Merge each linear, in order of execution, on its inputs in the tower merged so far.

    `target`: what the merged weight is fitted to, `weighting`: the weight of a task in it, `shrink`
    and `ridge`: see `Regression`, which has the formulas. `schedule`: `linear` renews the inputs
    before every linear; `block` before every block, in which the expert's weights run, as in
    RegMean++ (nthehai01/RegMean-plusplus).

    The paper's abstract fixes the order and the renewal of inputs. That the fit has the form of
    `Regression`, and how tasks are weighted, is our reading, hence options. `weights` fits what the
    experts' weights make of the renewed inputs, as RegMean does of its own; for `outputs` see
    `ChainOfMergesToOutputs`. Of the weightings, the default validated best on unprotected merges of
    `mini_vit`. `ridge` is ours: with 1e-6 they validate alike, but `D` is mostly amplified rounding
    (`outputs`: bf16 and fp32 forward passes give updates 74 % apart, 3 % with 1e-2). `shrink` 1 and
    100 inputs are the Trap² reference's.
    """

    name: ClassVar[str] = "chain_of_merges"
    title: ClassVar[str] = "CoM"
    paper: ClassVar[str] = "Buzzega et al., 2025, https://arxiv.org/abs/2508.21421"

    target: Target = "weights"
    weighting: Weighting = "inv_trace"
    schedule: Schedule = "linear"
    shrink: float = 1.0
    ridge: float = 1e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("schedule", self.schedule, Schedule)
        self._regression()

    def merge(self, given: MergeData) -> Update:
        """Return the chain's merge."""
        return merged_by_regression(given, self._regression())

    def _regression(self) -> Regression:
        return Regression(
            prefix="merged",
            block="merged" if self.schedule == "linear" else "expert",
            target=self.target,
            weighting=self.weighting,
            shrink=self.shrink,
            ridge=self.ridge,
        )


@dataclass(frozen=True, kw_only=True)
class ChainOfMergesToOutputs(ChainOfMerges):
    """Chain of Merges fitted to the experts' own outputs: distillation in closed form.

    The other reading of the method. It never asks what a trapped weight does at inputs or scales
    that its expert does not see.
    """

    name: ClassVar[str] = "chain_of_merges_outputs"
    title: ClassVar[str] = "CoM to outputs"

    target: Target = "outputs"
