"""A list of jobs, in this process or in several; the results do not depend on how many.

It imports nothing heavy: a worker process is there at once, and its job brings what it needs.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from mergebench.device import one_thread
from mergebench.errors import InputError, JobError, PluginError, reason

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

Report = Callable[[Any], None]
"""Takes one progress event: any picklable value."""

_EXIT_S = 5.0
_AS_THEY_ARE = (InputError, PluginError)
"""Errors of jobs that say themselves where they are from."""

_worker_number = 0


def worker_number() -> int:
    """Return which worker process this is, from 0; 0 in the process that started them."""
    return _worker_number


class Job(Protocol[ResultT_co]):
    """A piece of work that is picklable, with its result; updates travel as files, not in it."""

    @property
    def label(self) -> str:
        """What the job is, in a few words for progress and errors."""

    @property
    def cells(self) -> int:
        """How many cells it measures."""

    def run(self, report: Report) -> ResultT_co:
        """Do the work, handing progress events to `report`."""


@dataclass(frozen=True, kw_only=True)
class Finished(Generic[ResultT]):
    """A job that is done: its place in the list and its result."""

    index: int
    result: ResultT


def execute(
    jobs: Sequence[Job[ResultT]],
    *,
    processes: int = 1,
    on_event: Callable[[int, Any], None] = lambda index, event: None,
) -> Iterator[Finished[ResultT]]:
    """Run the jobs and yield each result as soon as it is there, in order of completion.

    `processes`: 1 runs them here in order, more in that many spawned processes. Either way each
    job has one torch thread, so that its sums are formed in the same order. `on_event(index,
    event)` is called here for every progress event. The first failure ends everything: an
    `InputError` or `PluginError` of a job is raised as it is, anything else as `JobError`. Worker
    processes are gone when the iterator ends, is closed or is interrupted.
    """
    if processes < 1:
        raise InputError(f"{processes} processes: give at least 1")
    if min(processes, len(jobs)) <= 1:
        return _run_here(jobs, on_event)
    return _run_in_processes(jobs, min(processes, len(jobs)), on_event)


def _run_here(
    jobs: Sequence[Job[ResultT]], on_event: Callable[[int, Any], None]
) -> Iterator[Finished[ResultT]]:
    for index, job in enumerate(jobs):
        try:
            with one_thread():
                result = job.run(partial(on_event, index))
        except _AS_THEY_ARE:
            raise
        except (Exception, SystemExit) as error:
            raise JobError(f"{job.label}: {reason(error)}") from error
        yield Finished(index=index, result=result)


@dataclass(frozen=True, kw_only=True)
class _Event:
    event: Any


@dataclass(frozen=True, kw_only=True)
class _Failure:
    message: str
    trace: str
    kind: type[Exception]


class _WorkerError(Exception):
    """The traceback of a worker process, shown as the cause of a `JobError`."""


@dataclass(kw_only=True, eq=False)
class _Worker:
    """A process, the pipe to it, and the job that it has."""

    process: BaseProcess
    pipe: Connection
    index: int


def _run_in_processes(
    jobs: Sequence[Job[ResultT]], processes: int, on_event: Callable[[int, Any], None]
) -> Iterator[Finished[ResultT]]:
    waiting = list(enumerate(pickle.dumps(job) for job in jobs))[::-1]
    workers: dict[Connection, _Worker] = {}
    try:
        for number in range(processes):
            worker = _start(number)
            workers[worker.pipe] = worker
            _assign(worker, waiting)
        while workers:
            for ready in wait(list(workers)):
                assert isinstance(ready, Connection)
                worker = workers[ready]
                message = _receive(worker, jobs[worker.index].label)
                if isinstance(message, _Event):
                    on_event(worker.index, message.event)
                    continue
                yield Finished(index=worker.index, result=message)
                if not _assign(worker, waiting):
                    del workers[ready]
                    _stop([worker])
    finally:
        _stop(list(workers.values()))


def _start(number: int) -> _Worker:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, number, _added_plugins()), daemon=True)
    with _uninterrupted_single_thread():
        process.start()
    theirs.close()  # so that the death of the process closes the pipe
    return _Worker(process=process, pipe=ours, index=-1)


def _added_plugins() -> tuple[Path, ...]:
    """Return the files that were added to the registry of this process."""
    from mergebench.registry import is_scanned, registry

    return registry().files if is_scanned() else ()


def _add_plugins(files: Sequence[Path]) -> None:
    from mergebench.registry import registry

    for file in files:
        registry().add_file(file)


def _assign(worker: _Worker, waiting: list[tuple[int, bytes]]) -> bool:
    """Send the next job to an idle worker; False if there is none."""
    if not waiting:
        return False
    worker.index, job = waiting.pop()
    with suppress(BrokenPipeError):  # the process died; receiving from it tells how
        worker.pipe.send_bytes(job)
    return True


def _receive(worker: _Worker, label: str) -> Any:
    """Return a worker's event or result; raise its failure."""
    try:
        message = pickle.loads(worker.pipe.recv_bytes())
    except (EOFError, OSError):
        worker.process.join(_EXIT_S)
        raise JobError(f"{label}: its process {_ending(worker.process.exitcode)}") from None
    if isinstance(message, _Failure):
        told = message.message if message.kind in _AS_THEY_ARE else f"{label}: {message.message}"
        raise message.kind(told) from _WorkerError(message.trace)
    return message


def _ending(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"ended unexpectedly with status {exitcode}"
    name = signal.Signals(-exitcode).name
    hint = "; the machine may be out of memory: run fewer at a time" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def _stop(workers: Sequence[_Worker]) -> None:
    """End processes: idle ones leave when their pipe closes, busy ones are terminated."""
    for worker in workers:
        worker.pipe.close()
        worker.process.terminate()
    for worker in workers:
        worker.process.join(_EXIT_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.process.close()


def _work(pipe: Connection, number: int, plugins: Sequence[Path]) -> None:
    """The life of a worker process: jobs come in, events and results go out.

    `plugins`: the files that were added to the registry of the process that started this one.
    torch has one thread here, as the environment says that `_start` gives.
    """
    global _worker_number
    _worker_number = number
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            content = pipe.recv_bytes()
        except EOFError:
            return
        try:
            if plugins:
                _add_plugins(plugins)
            message = pickle.dumps(pickle.loads(content).run(partial(_send_event, pipe)))
        except BrokenPipeError:
            return  # the parent is gone, and with it whoever wanted the result
        except (Exception, SystemExit) as error:
            message = pickle.dumps(_failure(error))
        with suppress(BrokenPipeError):
            pipe.send_bytes(message)


def _end_with_parent() -> None:
    """End this process, in the middle of a job, once the one that wanted its result is gone."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _send_event(pipe: Connection, event: Any) -> None:
    # Plain pickle: multiprocessing's would share the memory of tensors, which dies with the worker.
    pipe.send_bytes(pickle.dumps(_Event(event=event)))


def _failure(error: BaseException) -> _Failure:
    kind = next((known for known in _AS_THEY_ARE if isinstance(error, known)), JobError)
    return _Failure(message=reason(error), trace=traceback.format_exc(), kind=kind)


@contextmanager
def _uninterrupted_single_thread() -> Iterator[None]:
    """Let a process that starts now inherit blocked signals and one thread for every library.

    A terminal sends Ctrl-C to the whole group, and tells all of it when it is closed; the parent
    alone decides what happens then.
    """
    resource_tracker.ensure_running()  # its start would unblock the signals
    previous = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    os.environ.update(dict.fromkeys(previous, "1"))
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
