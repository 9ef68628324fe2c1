from .checkpoint import Checkpoint as Checkpoint
from .checkpoint import stored_as as stored_as
from .pairs import Pair as Pair
from .pairs import PairPaths as PairPaths
from .pairs import pair_paths as pair_paths
from .units import Units as Units
from .units import unit_parameters as unit_parameters
