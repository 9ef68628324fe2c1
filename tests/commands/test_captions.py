"""What captions say of the command."""

from __future__ import annotations

import pytest

from mergebench.commands.runs import experiments


@pytest.mark.parametrize("option", ["--weights", "--data", "--names", "--plugin"])
@pytest.mark.parametrize("joined", [False, True])
def test_captions_name_no_folder_of_this_machine(option: str, joined: bool) -> None:
    given = [f"{option}=/a/b.c", f"{option}=d"] if joined else [option, "/a/b.c", option, "d"]
    words = ["table2", "--data-root", "/a", *given, "--cache=/c", "--drop-leaks", "--device", "x"]
    stated = experiments.caption_command(words).replace("=", " ")
    assert stated == f"mergebench table2 {option} b.c {option} d --drop-leaks"
