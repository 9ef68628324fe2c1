"""A file of the user's own: a model, and which inputs it has right."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from mergebench.auditing.source import AuditSplit
from mergebench.auditing.torch_sites import check_whole_weights, linear_weights
from mergebench.errors import InputError, lacks_memory, reason
from mergebench.experiment import SETTINGS
from mergebench.measure import Hits
from mergebench.suites import all_tasks

_SHOWN = 40


class TaskFile:
    """A `Source`: any torch model, and a function that says which inputs it has right.

    `file`: a Python file, which is run. `model()` returns a `torch.nn.Module`; `correct(model,
    split)`, `split` being "val" or "test", returns a list of booleans, one per input, always as
    many for a split. It is called without gradients, the model being in evaluation mode. Raises
    `InputError`, one line that names the file, for anything else, also for what the file raises.
    """

    sha256: str | None = None

    def __init__(self, file: Path) -> None:
        module = _run(file)
        self._file = file
        make = _function(file, module, "model")
        self._correct = _function(file, module, "correct")
        model = _told(f"{file}: model()", make)
        if not isinstance(model, nn.Module):
            raise InputError(
                f"{file}: model() returned {_kind(model)}; return the torch.nn.Module itself"
            )
        check_whole_weights(f"{file}: model()", model)
        self.model = model.eval()
        self.name = file.name
        self.tasks = (file.stem,)
        self.parameters: Mapping[str, nn.Parameter] = linear_weights(model)
        self._sizes: dict[str, int] = {}

    @property
    def recorded_name(self) -> str | None:
        """What a model of `transformers` says that it was loaded from."""
        name = getattr(self.model, "name_or_path", None)
        return name if isinstance(name, str) and name else None

    @torch.no_grad()
    def hits(self, split: AuditSplit, tasks: Sequence[str] | None = None) -> dict[str, Hits]:
        """Return which inputs of a split are correct; `InputError` for what is no such list."""
        where = f"{self._file}: correct(model, {split!r})"
        answer = _told(where, lambda: self._correct(self.model, split))
        if not isinstance(answer, list | tuple):
            raise InputError(f"{where} returned {_kind(answer)}; return a list of booleans")
        if not answer:
            raise InputError(f"{where} returned an empty list; give one boolean per input")
        for value in answer:
            if not isinstance(value, bool | np.bool_):
                raise InputError(
                    f"{where} returned a list with {_kind(value)}; return booleans, one per input: "
                    "whether it is correct"
                )
        expected = self._sizes.setdefault(split, len(answer))
        if len(answer) != expected:
            raise InputError(
                f"{where} returned {len(answer)} booleans, and {expected} before; look at the same "
                "inputs at every call"
            )
        return {self.tasks[0]: np.asarray(answer, dtype=bool)}


def _run(file: Path) -> ModuleType:
    if not file.is_file():
        raise InputError(f"--task {file}: no such file{_meant(file)}")
    spec = importlib.util.spec_from_file_location(f"mergebench_task_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError(f"--task {file}: not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as an import would, for what looks itself up
    loader = spec.loader
    _told(f"--task {file}", lambda: loader.exec_module(module))
    return module


def _meant(file: Path) -> str:
    """Return what else to give for a name of no file; nothing if one of Python was meant."""
    if file.suffix == ".py":
        return ""
    name = str(file)
    own = [one for one, setting in SETTINGS.items() if name in all_tasks(setting.suite)]
    if own:
        backbones = "|".join(own)
        return f"; {name} is a task of a suite: give --target {name} with --backbone {backbones}"
    return "; it is a file (.py) here, and a task of a suite is --target TASK with --backbone NAME"


def _function(file: Path, module: ModuleType, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        raise InputError(
            f"{file} defines no function {name}; it needs model() and correct(model, split) "
            "(docs/audit.md)"
        )
    function: Callable[..., Any] = found
    return function


def _told(where: str, call: Callable[[], Any]) -> Any:
    """Return what a call of the user's code returns; `InputError` for what it raises."""
    try:
        return call()
    except (Exception, SystemExit) as error:
        if lacks_memory(error):
            raise
        raise InputError(f"{where}: {reason(error)}") from error


def _kind(value: object) -> str:
    """Return what a value is, and which if it is a number."""
    shown = f" {value!r}" if isinstance(value, int | float) else ""
    return f"{type(value).__name__}{shown}"[:_SHOWN]
