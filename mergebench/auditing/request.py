"""What an audit is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError

SYNTHETIC = 3
"""How many synthetic peers there are where nothing else is merged."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which model and task adapters are audited on, and with what they are merged.

    Either `task`, a file, or `backbone` with `data` (as of `--data`; `names` and `templates`
    likewise) or with `target`, a task of its suite. `peers`: adapters; None for the suite's own
    releases in `store`, or without these for `synthetic` ones. `synthetic` insists on so many, 0 on
    none. `store`: None for the usual one, which may lack releases. `plain`: an adapter of the same
    task without protection. Raises `InputError` for what does not go together.
    """

    backbone: str | None = None
    data: Path | None = None
    target: str | None = None
    task: Path | None = None
    peers: Sequence[str] | None = None
    synthetic: int | None = None
    plain: str | None = None
    store: Path | None = None
    seed: int = 0
    missing_as_zero: bool = False
    other_base: bool = False
    vision_tower: bool = False
    weights: str | None = None
    device: str = "auto"
    names: Path | None = None
    templates: Sequence[str] = ()
    data_root: Path | None = None
    cache: Path | None = None
    partial: bool = False

    def __post_init__(self) -> None:
        """Check what does not go together."""
        if self.peers and self.synthetic:
            raise InputError("--with and --synthetic: peers are given or synthetic; leave one out")
        if self.task is not None:
            self._check_for_task_file(self.task)
        elif self.backbone is None:
            raise InputError(
                "say what the adapter is for: --backbone NAME with --data PATH or --target TASK, "
                "or --task FILE.py (docs/audit.md)"
            )
        elif self.data is not None and self.target is not None:
            raise InputError(
                f"--data {self.data} and --target {self.target} both say what the adapter is for; "
                "leave one out"
            )
        elif self.data is None and self.target is None:
            raise InputError(
                f"--backbone {self.backbone} needs --data PATH, or --target TASK of its suite; "
                "give one of them"
            )

    def _check_for_task_file(self, file: Path) -> None:
        if self.backbone is not None and file.suffix != ".py":
            raise InputError(
                f"--task {file}: not a Python file (.py); for a task of the suite give "
                f"--target {file}"
            )
        given = {
            "--backbone": self.backbone,
            "--data": self.data,
            "--target": self.target,
            "--weights": self.weights,
            "--names": self.names,
            "--template": self.templates,
            "--data-root": self.data_root,
            "--cache": self.cache,
            "--partial": self.partial,
            "--store": self.store,
            "--vision-tower": self.vision_tower,
        }
        for option, value in given.items():
            if value:
                raise InputError(f"{option}: --task says which model and data; leave it out")
