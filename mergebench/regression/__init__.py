"""The regression check: whether merged accuracy moved since a baseline, or between two stores."""

from mergebench.regression.baseline import (
    Baseline,
    Measured,
    RegressionExperiment,
    Tolerance,
    read_baseline,
)
from mergebench.regression.changes import Change, Checked, Verdict, changes
from mergebench.regression.outcomes import Outcome, store_outcomes
from mergebench.regression.outputs import junit, markdown, print_checked, summary
from mergebench.regression.running import check, update

__all__ = [
    "Baseline",
    "Change",
    "Checked",
    "Measured",
    "Outcome",
    "RegressionExperiment",
    "Tolerance",
    "Verdict",
    "changes",
    "check",
    "junit",
    "markdown",
    "print_checked",
    "read_baseline",
    "store_outcomes",
    "summary",
    "update",
]
