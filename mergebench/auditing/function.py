"""The audit as a function of Python."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from mergebench.auditing.record import Audit
from mergebench.auditing.request import Request
from mergebench.auditing.running import audit_on, make_bench

AnyPath = str | PathLike[str]


def audit(
    adapter: AnyPath,
    *,
    backbone: str | None = None,
    data: AnyPath | None = None,
    target: str | None = None,
    task: AnyPath | None = None,
    peers: Sequence[AnyPath] | None = None,
    synthetic: int | None = None,
    plain: AnyPath | None = None,
    store: AnyPath | None = None,
    seed: int = 0,
    missing_as_zero: bool = False,
    other_base: bool = False,
    vision_tower: bool = False,
    weights: AnyPath | None = None,
    device: str = "auto",
    names: AnyPath | None = None,
    templates: Sequence[str] = (),
    data_root: AnyPath | None = None,
    cache: AnyPath | None = None,
    partial: bool = False,
) -> Audit:
    """Return how mergeable an adapter is: what it can alone, and what merging takes of that.

    `adapter`: a PEFT folder or safetensors file. Its model and task are a `backbone` with `data`
    (a folder or file: docs/own_data.md; what its classes are called: `names`, and `templates` with
    {} for one) or with the suite's task `target`; or any torch model by a `task` file that defines
    `model()` and `correct(model, split)` (docs/audit.md).

    `peers`: adapters to merge it with; by default the suite's own releases in `store` (`runs`; one
    that is named has to have some), and without these three synthetic ones; `synthetic`: so many of
    them, 0 to merge nothing. `plain`: an unprotected adapter of the same task, to compare with.
    `seed`: of draws.
    `missing_as_zero`: sites that some of the adapters lack are unchanged there; `other_base`:
    adapters recorded for another model are taken; `vision_tower`: keys that may be of either tower
    of a CLIP are the vision tower's. `weights`, `device`: of the backbone; `data_root`, `cache`,
    `partial`: of the data, as the options of the command.

    Accuracies are in percent, gains in points, shares are fractions; intervals are of 95 %. Raises
    `InputError`, one line, for whatever does not fit together.
    """
    request = Request(
        backbone=backbone,
        data=None if data is None else Path(data),
        target=target,
        task=None if task is None else Path(task),
        peers=None if peers is None else tuple(map(str, peers)),
        synthetic=synthetic,
        plain=None if plain is None else str(plain),
        store=None if store is None else Path(store),
        seed=seed,
        missing_as_zero=missing_as_zero,
        other_base=other_base,
        vision_tower=vision_tower,
        weights=None if weights is None else str(weights),
        device=device,
        names=None if names is None else Path(names),
        templates=tuple(templates),
        data_root=None if data_root is None else Path(data_root),
        cache=None if cache is None else Path(cache),
        partial=partial,
    )
    return audit_on(make_bench(request), str(adapter))
