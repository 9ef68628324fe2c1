"""A backbone with data as the source of an audit's accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from mergebench.auditing.source import AuditSplit
from mergebench.backbones import Backbone, Precision
from mergebench.errors import InputError
from mergebench.measure import Evaluator, Hits
from mergebench.suites import Task


class BackboneSource:
    """A `Source`: a backbone on tasks, the adapter's own first.

    `per_task`: so many class-balanced validation inputs of each, None for all, as tables search on.
    Raises `InputError` for two tasks of one name, and for a task without validation or test inputs.
    """

    def __init__(
        self,
        backbone: Backbone,
        tasks: Sequence[Task],
        *,
        per_task: int | None,
        precision: Precision,
    ) -> None:
        names = [task.name for task in tasks]
        if len(set(names)) < len(names):
            raise InputError(
                f"the data are called {names[0]}, as a task of the suite is: rename them, or give "
                "peers with --with"
            )
        for task in tasks:
            for split in ("val", "test"):
                if not len(task.splits[split]):
                    raise InputError(f"task {task.name} has no inputs in {split}: give some")
        limits = None if per_task is None else {"val": per_task}
        self.backbone = backbone
        self.name = backbone.name
        self.sha256: str | None = backbone.sha256
        self.tasks = tuple(names)
        self._evaluator = Evaluator(backbone, tasks, per_task=limits, precision=precision)

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The tower's parameters; weights under the names of their modules too."""
        named = dict(self.backbone.tower.named_parameters())
        return {**named, **{name.removesuffix(".weight"): one for name, one in named.items()}}

    def hits(self, split: AuditSplit, tasks: Sequence[str] | None = None) -> dict[str, Hits]:
        """Return which inputs the backbone as it stands has right."""
        labels = self._evaluator.labels(split)
        predictions = self._evaluator.predictions(split, tasks=tasks)
        return {name: own.eq(labels[name]).cpu().numpy() for name, own in predictions.items()}
