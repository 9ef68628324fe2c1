"""Adapters for a backbone, with data of the user's own or a task of its suite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from mergebench.auditing.backbone_source import BackboneSource
from mergebench.auditing.bench import Bench
from mergebench.auditing.peers import Peer
from mergebench.auditing.request import Request
from mergebench.backbones import (
    Backbone,
    base_of,
    check_change,
    load_backbone,
    site_shapes,
    tensor_shapes,
)
from mergebench.device import choose_device
from mergebench.errors import InputError
from mergebench.experiment import Setting, fitted_to, get_setting, kept_releases, released_tasks
from mergebench.suites import (
    OWN,
    OwnData,
    Suite,
    SuiteOptions,
    Task,
    all_tasks,
    default_cache,
    default_data_root,
    is_found_on_disk,
    load_suite,
)
from mergebench.terminal import say
from mergebench.updates import Dense, Update, load_update

_STORE = Path("runs")
"""Where releases are looked for if no store is named."""


class BackboneBench(Bench):
    """A backbone: the adapter's task, and where releases of its suite are merged, theirs.

    Weights and data are read when they are first asked for: after the adapters, so that one that
    does not fit is refused before inputs are decoded. `InputError` for a store without releases.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        assert request.backbone is not None
        self._name = request.backbone
        self._setting = get_setting(self._name)
        self._device = choose_device(request.device)
        if request.store is not None and not any((request.store / "releases").glob("*/")):
            raise InputError(
                f"--store {request.store}: has no releases; give one that `mergebench table1` "
                "trained them into, or leave it out"
            )

    @property
    def source(self) -> BackboneSource:
        """The backbone on these tasks."""
        return self._read[0]

    def load(self, adapter: str) -> Update:
        """Return an adapter of the backbone."""
        update = load_update(
            adapter,
            site_shapes(self._name),
            self._name,
            dense_shapes=tensor_shapes(self._name),
            base=base_of(self._name),
            other_base=self.request.other_base,
            vision_tower=self.request.vision_tower,
        )
        if any(isinstance(change, Dense) for change in update.sites.values()):
            check_change(self._backbone, update)
        return update

    def suite_peers(self) -> Sequence[Peer]:
        """Return the unprotected releases of the suite's other tasks."""
        return self._read[1]

    def notes_on(self, update: Update) -> Sequence[str]:
        """Say which modules that were saved whole are left out."""
        if not update.left_out:
            return ()
        return (
            f"{' and '.join(update.left_out)}, saved whole with the adapter, is left out: heads of "
            f"{self._name} are made of class names.",
        )

    @cached_property
    def _backbone(self) -> Backbone:
        return load_backbone(self._name, weights=self.request.weights, device=self._device)

    @cached_property
    def _read(self) -> tuple[BackboneSource, tuple[Peer, ...]]:
        backbone, own = self._backbone, self._own_task()
        found = list(self._releases(own)) if self._wants_suite else []
        source = BackboneSource(
            backbone,
            [own, *(task for task, _ in found)],
            per_task=self._setting.search_per_task,
            precision=self._setting.precision,
        )
        return source, tuple(peer for _, peer in found)

    @property
    def _wants_suite(self) -> bool:
        return self.request.peers is None and self.request.synthetic is None

    def _own_task(self) -> Task:
        request = self.request
        if request.data is None:
            assert request.target is not None
            return self._suite(self._setting.suite, [request.target]).tasks[0]
        suite = self._suite(OWN, None)
        for note in suite.notes:
            say(note)
        return suite.tasks[0]

    def _releases(self, own: Task) -> Iterator[tuple[Task, Peer]]:
        """Yield the releases of the suite in the store, with their tasks."""
        setting, store = self._setting, self.request.store or _STORE
        seed, name = self.request.seed, setting.suite
        every = [task for task in all_tasks(name) if task != own.name or self.request.data]
        there = released_tasks(store, every, seed=seed)
        if not there:
            if self.request.store is not None:
                say(
                    f"{store / 'releases'} has no unprotected updates of other tasks of {name} "
                    f"with seed {seed}; name adapters with --with"
                )
            return
        suite = self._suite(name, there)
        kept = kept_releases(self._backbone, suite, setting, store, seed=seed)
        if not kept:
            say(
                f"{store / 'releases'} has updates of {', '.join(there)}, but not of these "
                "weights, data and recipe: they are left out; name adapters with --with"
            )
        for task, update in kept.items():
            peer = replace(update, label=f"{task} of {name}")
            yield suite.task(task), Peer(update=peer, kind="suite", task=task)

    def _suite(self, name: str, tasks: Sequence[str] | None) -> Suite:
        options = _suite_options(name, self._backbone, self._setting, self.request)
        return load_suite(name, tasks=tasks, options=options)


def _suite_options(
    suite: str, backbone: Backbone, setting: Setting, request: Request
) -> SuiteOptions | None:
    """Return the options of the user's own data or of a suite on disk, None for an embedded one."""
    if not is_found_on_disk(suite):
        return None
    own = None
    if suite == OWN:
        assert request.data is not None
        own = OwnData(
            paths=(request.data,), templates=tuple(request.templates), names=request.names
        )
    found = SuiteOptions(
        data_root=request.data_root or default_data_root(),
        cache=request.cache or default_cache(),
        partial=request.partial,
        tokenize=backbone.tokenize,
        leaks="refuse" if suite == OWN else "keep",
        own=own,
    )
    return fitted_to(backbone.name, found)
