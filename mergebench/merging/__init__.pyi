from .informed import InformedProblem as InformedProblem
from .memory import UpdateMemory as UpdateMemory
from .missing import with_missing_as_zero as with_missing_as_zero
from .problem import AttackT as AttackT
from .problem import MergeProblem as MergeProblem
from .problem import Problem as Problem
from .problem import merge as merge
from .with_data import DataMergeProblem as DataMergeProblem
