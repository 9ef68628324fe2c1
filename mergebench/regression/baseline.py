"""The baseline file: a small experiment, and what it measured when the numbers were right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from mergebench.device import processor_name
from mergebench.errors import InputError
from mergebench.experiment import Experiment, Setting, check_attack, get_setting
from mergebench.files import replacing
from mergebench.measure import get_protocol, package_versions, plain
from mergebench.regression.outcomes import Outcome


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tolerance(_Strict):
    """By how many points the accuracy of a task may move.

    `merges`: of the kept adapters and of their merges, which depend on rounding alone; `training`:
    of adapters that are trained anew, which on another CPU or torch take another course.
    """

    merges: float
    training: float


class RegressionExperiment(_Strict):
    """What is measured: a person writes it.

    `attacks`: `attack@space` names. `recipe`: what differs from the backbone's own recipe, so that
    training is short. `search_per_task`: validation inputs per task on which merges are tuned.
    """

    backbone: str
    tasks: tuple[str, ...]
    attacks: tuple[str, ...]
    protections: tuple[str, ...]
    protocol: str
    seed: int
    search_per_task: int
    recipe: Mapping[str, Any]
    tolerance: Tolerance

    @property
    def setting(self) -> Setting:
        """The backbone's setting with the shorter recipe and the smaller search."""
        own = get_setting(self.backbone)
        try:
            recipe = replace(own.recipe, **self.recipe)
            protections = {
                name: {**options, "recipe": replace(own.options(name)["recipe"], **self.recipe)}
                for name, options in own.protections.items()
            }
        except TypeError as error:
            raise InputError(f"recipe of the baseline: {error}") from error
        return replace(
            own, recipe=recipe, protections=protections, search_per_task=self.search_per_task
        )

    def experiment(self, store: Path, adapters: Path | None = None) -> Experiment:
        """Return the experiment, measured into `store`; of kept adapters if `adapters` is given."""
        return Experiment(
            backbone=self.backbone,
            setting=self.setting,
            protocol=get_protocol(self.protocol),
            seeds=(self.seed,),
            store=store,
            command="mergebench check",
            tasks=self.tasks,
            attacks=tuple("@".join(check_attack(name)) for name in self.attacks),
            protections=self.protections,
            adapters=adapters,
        )


class Measured(_Strict):
    """What was measured, by a machine: outcomes by name, and all that they depend on.

    `environment`: package versions and the CPU. `updates`: SHA-256 of the kept adapters.
    """

    finished: str
    revision: str | None
    environment: Mapping[str, str]
    backbone_sha256: str
    suite_sha256: str
    updates: Mapping[str, str]
    outcomes: Mapping[str, Outcome]


class Baseline(_Strict):
    """The experiment, and its measurement; None before the first `--update`."""

    experiment: RegressionExperiment
    measured: Measured | None = None


_BASELINE = TypeAdapter(Baseline)
_FIX = "give a file as `mergebench check --update` writes it"


def read_baseline(file: Path) -> Baseline:
    """Return the baseline in `file`; `InputError` naming the key that is wrong."""
    try:
        return _BASELINE.validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read baseline {file}: {error.strerror}; {_FIX}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"baseline {file}: {where}: {first['msg']}; {_FIX}") from error


def write_baseline(file: Path, baseline: Baseline) -> None:
    """Write the file at once; equal baselines give equal bytes."""
    content = {"experiment": baseline.experiment.model_dump()}
    if baseline.measured is not None:
        content["measured"] = dict(baseline.measured)
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(plain(content), indent=1) + "\n", encoding="utf-8")


def adapters_of(file: Path) -> Path:
    """Return the folder of the kept adapters, beside the baseline `file`."""
    return file.parent / file.stem


def environment() -> dict[str, str]:
    """Return what numbers may depend on beside code and inputs: package versions and the CPU."""
    return {**package_versions(), "cpu": processor_name()}
