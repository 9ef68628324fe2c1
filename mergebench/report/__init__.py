"""Tables and figures: pure functions of `Measurements`, written as files or to the terminal."""

from mergebench.report.figure_files import write_figure2, write_recovery
from mergebench.report.table1 import write_table1
from mergebench.report.table2_files import write_table2
from mergebench.report.terminal import print_table1, print_table2

__all__ = [
    "print_table1",
    "print_table2",
    "write_figure2",
    "write_recovery",
    "write_table1",
    "write_table2",
]
