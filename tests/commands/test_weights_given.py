"""Weights that cannot be used are reported before images are looked for."""

from __future__ import annotations

import pytest
import torch
from command_line import run
from safetensors.torch import save_file

from mergebench.experiment import required_inputs


@pytest.mark.parametrize("verb", ["table2", "doctor"])
def test_bad_weights_are_the_first_thing_said(verb, tmp_path, monkeypatch, capsys):
    def look(*words: object) -> None:
        raise AssertionError("images were looked for")

    monkeypatch.setattr(required_inputs, "survey_suite", look)
    folders = ["--store", tmp_path / "runs", "--results", tmp_path, "--data-root", tmp_path]
    words = [verb, "--backbone", "vit_b32", *folders, "--weights"]
    for name, line in (("absent.pt", "no weights at"), ("empty.pt", "is empty")):
        (tmp_path / "empty.pt").touch()
        assert run(*words, tmp_path / name) == 2
        assert line in capsys.readouterr().err
    file = tmp_path / "weights.safetensors"
    save_file({"visual.proj": torch.zeros(2), "text_projection": torch.zeros(2)}, file)
    assert run(*words, file) == 2
    assert "has no tensor positional_embedding" in capsys.readouterr().err


def test_a_folder_that_is_no_checkpoint_of_an_embedded_backbone(tmp_path, capsys):
    words = ["table1", "--backbone", "mini_vit", "--store", tmp_path, "--weights", tmp_path]
    assert run(*words) == 2
    assert "no " in capsys.readouterr().err
    for content in ("{", "{}", "[]"):
        (tmp_path / "mini_vit.json").write_text(content)
        (tmp_path / "mini_vit.safetensors").write_bytes(b"x")
        assert run(*words) == 2
        assert "mini_vit.json is truncated or not the record" in capsys.readouterr().err
