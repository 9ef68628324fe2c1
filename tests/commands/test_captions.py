"""What captions say of the command."""

from __future__ import annotations

import pytest

from mergebench.commands.runs import experiments


@pytest.mark.parametrize("weights", [["--weights", "/a/b.pt"], ["--weights=/a/b.pt"]])
def test_captions_name_no_folder_of_this_machine(weights):
    words = ["table2", "--data-root", "/a", *weights, "--cache=/c", "--drop-leaks", "--device", "x"]
    stated = experiments.caption_command(words).replace("=", " ")
    assert stated == "mergebench table2 --weights b.pt --drop-leaks"
