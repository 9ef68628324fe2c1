"""The audit as a function of Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mergebench.auditing.record import Audit
from mergebench.auditing.request import Request
from mergebench.auditing.running import audit_on, make_bench


def audit(
    adapter: str | Path,
    *,
    backbone: str | None = None,
    data: str | Path | None = None,
    target: str | None = None,
    task: str | Path | None = None,
    peers: Sequence[str | Path] | None = None,
    synthetic: int | None = None,
    plain: str | Path | None = None,
    store: str | Path = "runs",
    seed: int = 0,
    missing_as_zero: bool = False,
    other_base: bool = False,
    weights: str | None = None,
    device: str = "auto",
) -> Audit:
    """Return how mergeable an adapter is: what it can alone, and what merging takes of that.

    `adapter`: a PEFT folder or safetensors file. Its model and task are a `backbone` with `data`
    (a folder or file: docs/own_data.md) or with the suite's task `target`; or
    any torch model by a `task` file that defines `model()` and `correct(model, split)`
    (docs/audit.md). `peers`: adapters to merge it with; by default the suite's own releases in
    `store`, and without these three synthetic ones; `synthetic`: so many of them, 0 to merge
    nothing. `plain`: an unprotected adapter of the same task, to compare with. `seed`: of draws.
    `missing_as_zero`: sites that some of the adapters lack are unchanged there; `other_base`:
    adapters recorded for another model are taken. `weights`, `device`: of the backbone.

    Accuracies are in percent, gains in points, shares are fractions; intervals are of 95 %. Raises
    `InputError`, one line, for whatever does not fit together.
    """
    request = Request(
        backbone=backbone,
        data=None if data is None else Path(data),
        task=target,
        task_file=None if task is None else Path(task),
        peers=None if peers is None else tuple(map(str, peers)),
        synthetic=synthetic,
        plain=None if plain is None else str(plain),
        store=Path(store),
        seed=seed,
        missing_as_zero=missing_as_zero,
        other_base=other_base,
        weights=weights,
        device=device,
    )
    return audit_on(make_bench(request), str(adapter))
