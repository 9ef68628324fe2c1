"""The documented defects of the public reference, each a switch.

Published numbers carry them, so protocol `paper-exact` turns all of them on; `paper` and `clean`
have none. Each acts on an input that a cell's key holds already: options of attacks and
protections, or the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Defects:
    """Which defects of the reference (ml-postech/Trap2) are reproduced.

    `noise_rank_tsv`: TSV in Full space keeps null directions of low-rank updates, which are
    rounding noise. `doubled_logit_scale`: training multiplies a head that already carries the logit
    scale by it again, so that losses are those of scale 10,000. `cars_leak`: Cars is trained on its
    own test images. `leaks_kept`: no other training image is compared with held-out ones.
    `unshuffled_dtd`: DTD's training images come sorted by class. `shared_initial_a`: the adapters
    of all tasks start from one factor A. `unequal_recipes`: unprotected updates are trained with
    weight decay 0.1, Adam's default betas and epsilon and without clipping, protected ones are not.
    `schedule_offset`: the schedule lags one step, and the first step has the full learning rate.
    """

    noise_rank_tsv: bool = False
    doubled_logit_scale: bool = False
    cars_leak: bool = False
    leaks_kept: bool = False
    unshuffled_dtd: bool = False
    shared_initial_a: bool = False
    unequal_recipes: bool = False
    schedule_offset: bool = False

    @classmethod
    def all(cls) -> Defects:
        """Return all defects."""
        return cls(**{item.name: True for item in fields(cls)})

    def attack_options(self, attack: str) -> Mapping[str, Any]:
        """Return the options of an attack that a defect changes."""
        return {"rank_mode": "reference"} if self.noise_rank_tsv and attack == "tsv" else {}

    def stated(self) -> Iterator[str]:
        """Yield every switch as `name on` or `name off`."""
        for item in fields(self):
            yield f"{item.name} {'on' if getattr(self, item.name) else 'off'}"


NO_DEFECTS = Defects()
