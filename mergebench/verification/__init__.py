"""Committed tables against a new measurement: do their counts come out again?"""

from mergebench.verification.measuring import Comparison, compared, other_environment, other_inputs
from mergebench.verification.outputs import Verified, print_verified
from mergebench.verification.sampling import sample
from mergebench.verification.stated import StatedCell, StatedTable, read_tables

__all__ = [
    "Comparison",
    "StatedCell",
    "StatedTable",
    "Verified",
    "compared",
    "other_environment",
    "other_inputs",
    "print_verified",
    "read_tables",
    "sample",
]
