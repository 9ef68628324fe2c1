from .requirements import require_slurm as require_slurm
from .slurm import Slurm as Slurm
from .submission import Request as Request
