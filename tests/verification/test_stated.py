"""Lines of committed tables become cells as their command says."""

from __future__ import annotations

import pytest

from mergebench.commands.runs.tables import stated_setting
from mergebench.verification import read_tables


@pytest.mark.parametrize(
    ("options", "targets"), [("", ["mnist", "fashion"]), (" --set finetune.tasks=all", [None])]
)
def test_the_command_says_which_merges_are_for_one_target(tmp_path, options, targets):
    """Fine-tuning on the inputs of all tasks is one merge, with a line for every target."""
    (tmp_path / "table5.md").write_text(f"- Command: `mergebench table5{options}`\n")
    (tmp_path / "table5_targets.csv").write_text(
        "protection,attack,space,target,seed,correct,total,mnist_correct,fashion_correct\n"
        "unprotected,finetune,full,mnist,0,7,10,7,8\n"
        "unprotected,finetune,full,fashion,0,8,10,7,8\n"
    )
    (table,) = read_tables(tmp_path, stated_setting)
    assert [cell.target for cell in table.cells] == targets
