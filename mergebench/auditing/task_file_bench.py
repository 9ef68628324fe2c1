"""Adapters for the model of a task file."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.auditing.bench import Bench
from mergebench.auditing.peers import Peer
from mergebench.auditing.request import Request
from mergebench.auditing.task_file import TaskFile
from mergebench.auditing.torch_sites import check_untied
from mergebench.errors import InputError
from mergebench.updates import (
    Base,
    Update,
    check_base,
    check_full_precision,
    is_local,
    load_update,
    recorded_base,
)


class TaskFileBench(Bench):
    """Any torch model: adapters in PEFT layout, fitted to its linear layers by name."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        assert request.task is not None
        self._file = request.task
        self._source = TaskFile(request.task)
        self._base: tuple[str, str] | None = None
        named = self._source.recorded_name
        if named is not None and not is_local(named):
            self._base = named, f"{self._file.name}: model()"

    @property
    def source(self) -> TaskFile:
        """The task file."""
        return self._source

    def load(self, adapter: str) -> Update:
        """Return an adapter that fits the model.

        Its base must be called as the model says, where that says it, and else as that of the
        adapters before it.
        """
        shapes = {site: tuple(one.shape) for site, one in self._source.parameters.items()}
        if not shapes:
            raise InputError(f"{self._file}: model() has no torch.nn.Linear that adapters change")
        update = load_update(adapter, shapes, f"model() of {self._file.name}", other_base=True)
        if not self.request.other_base:
            recorded = recorded_base(adapter)
            check_full_precision(adapter, recorded)
            self._check_base(adapter, recorded)
        check_untied(str(self._file), self._source.model, update.sites)
        return update

    def suite_peers(self) -> Sequence[Peer]:
        """Return none: a task file has no suite."""
        return ()

    def notes_on(self, update: Update) -> Sequence[str]:
        """Say which modules that were saved whole are not deployed."""
        if not update.left_out:
            return ()
        return (
            f"{' and '.join(update.left_out)}, saved whole with the adapter, is not deployed: the "
            "numbers are right only if model() has it loaded.",
        )

    def _check_base(self, adapter: str, recorded: str | None) -> None:
        if not recorded or is_local(recorded):
            return
        if self._base is None:
            self._base = recorded, adapter
        name, whose = self._base
        where = f"{adapter}: base_model_name_or_path"
        check_base(where, recorded, Base(names=(f"the base of {whose}",)), name)
