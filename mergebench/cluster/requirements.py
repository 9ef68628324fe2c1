"""What has to be there for jobs of Slurm to be submitted."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from mergebench.errors import InputError

_PROGRAMS = ("sbatch", "srun", "squeue", "scancel")


def require_slurm() -> None:
    """Raise `InputError` where submitit or the programs of Slurm are missing."""
    if find_spec("submitit") is None:
        raise InputError("--executor slurm needs submitit: pip install 'mergebench[slurm]'")
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise InputError(
            f"--executor slurm: no {', '.join(missing)} on the PATH; run this where jobs of Slurm "
            "are submitted"
        )
