"""Submitting arrays of jobs, through submitit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mergebench.cluster.task import WARNING_S, Outcome, Task
from mergebench.errors import InputError

if TYPE_CHECKING:
    from submitit import Job

_ARRAY = 1000
"""The most jobs of an array that Slurm takes unless told otherwise."""

_ONE_THREAD = ("export OMP_NUM_THREADS=1", "export MKL_NUM_THREADS=1")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What every job asks the cluster for.

    `options`: name and value of options of `sbatch`, without the dashes. `setup`: shell lines that
    come before the work. `at_once`: how many jobs of an array run at a time, at most.
    """

    options: tuple[tuple[str, str], ...] = ()
    setup: tuple[str, ...] = ()
    at_once: int = 256


def submitted(tasks: Sequence[Task], folder: Path, request: Request) -> Iterator[Job[Outcome]]:
    """Submit one job per task, in arrays, and yield them in order; `folder` takes files and logs.

    A job that is preempted or loses its node is not started again behind our back. Raises
    `InputError` with the words of `sbatch` if Slurm refuses, or naming the folder if it cannot be
    written.
    """
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        executor = SlurmExecutor(folder=folder, max_num_timeout=0)
        executor.update_parameters(**_parameters(request))
        for first in range(0, len(tasks), _ARRAY):
            yield from executor.map_array(Task.run, tasks[first : first + _ARRAY])
    except (FailedJobError, FailedSubmissionError) as error:
        raise InputError(f"Slurm refused the jobs: {_refusal(str(error))}") from error
    except OSError as error:
        raise InputError(f"cannot write in {folder}: {error.strerror or error}") from error


def _parameters(request: Request) -> dict[str, Any]:
    """Return submitit's parameters; what the request says replaces what we would ask for.

    Submitit would write an option twice that is spelt with underscores here and dashes there.
    """
    asked: dict[str, Any] = {"no-requeue": True, **dict(request.options)}
    return {
        "job_name": asked.pop("job-name", "mergebench"),
        "time": None,  # the partition's own, unless `options` has one
        "wckey": None,
        "cpus_per_task": asked.pop("cpus-per-task", 1),
        "signal_delay_s": WARNING_S,
        "stderr_to_stdout": True,
        "setup": [*_ONE_THREAD, *request.setup],
        "array_parallelism": request.at_once,
        "additional_parameters": asked,
    }


def _refusal(text: str) -> str:
    """Return what sbatch said, without saying each time that it is sbatch which says it."""
    return " ".join(text.replace("sbatch: ", "").replace("error: ", "").split())
