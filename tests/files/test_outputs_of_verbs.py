"""What verbs are asked to write: inputs and files of others stay as they are."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
import torch
from command_line import random_adapter, run, tower_shapes
from miniature import FEW_IMAGES
from safetensors.torch import save_file

from mergebench.registry import registry
from mergebench.updates import is_exported, is_merged, load_update

MERGE = ("merge", "--backbone", "mini_vit", "--attack", "ta")
EXPORT = ("export", "--backbone", "mini_vit", "--layout", "open_clip")


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, int]]:
    return tower_shapes()["mini_vit"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory, shapes) -> Path:
    root = tmp_path_factory.mktemp("adapters")
    for number in range(2):
        random_adapter(root / f"task{number}", shapes, number)
    return root


@pytest.fixture
def adapters(tmp_path, kept, monkeypatch) -> list[Path]:
    """Two adapters, in the current folder."""
    monkeypatch.chdir(tmp_path)
    registry.cache_clear()
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return [Path("task0"), Path("task1")]


def contents(folder: Path) -> dict[str, bytes]:
    files = (
        file
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink() and file.parent.name != "__pycache__"
    )
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.fixture
def refused(tmp_path, capsys):
    """Run a command that must refuse its output; return the one line that it prints."""

    def complaint(*words: object) -> str:
        before = contents(tmp_path)
        capsys.readouterr()
        assert run(*words) == 2
        shown = capsys.readouterr()
        assert contents(tmp_path) == before
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert shown.err.startswith("mergebench: ")
        return shown.err

    return complaint


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    ("out", "message"),
    [
        *(
            (out, f"--out {out}: would replace task0: choose another name")
            for out in ("task0/adapter_model.safetensors", "link.safetensors")
        ),
        *(
            (f"task0/{out}", f"--out task0/{out}: lies in task0, which is read")
            for out in ("update.safetensors", "x.safetensors", "new/x.safetensors")
        ),
        ("linked/adapter_model.safetensors", "would replace task1: choose another name"),
        ("linked/x.safetensors", "lies in task1, which is read: choose another name"),
        ("merged.bin", "expected a name that ends in .safetensors"),
        ("", "argument --out: the name is empty"),
        (".", "--out .: expected a name that ends in .safetensors"),
        (f"{'x' * 300}.safetensors", "File name too long"),
        (f"{'x' * 230}.safetensors", "the name is longer than 200 bytes"),
        ("/dev/null/x.safetensors", "cannot write /dev/null/x.safetensors: /dev/null is no folder"),
    ],
)
def test_merge_refuses(adapters, refused, out, message, force):
    Path("linked").symlink_to("task1")
    Path("link.safetensors").symlink_to("task0/adapter_model.safetensors")
    assert message in refused(*MERGE, *adapters, "--out", out, *force)


def test_a_plugin_is_no_output(adapters, refused):
    Path("plugin.py").write_bytes(FEW_IMAGES.read_bytes())
    Path("hard.safetensors").hardlink_to("plugin.py")
    error = refused(
        *MERGE, *adapters, "--plugin", "plugin.py", "--out", "hard.safetensors", "--force"
    )
    assert "hard.safetensors: would replace plugin.py" in error


def test_merge_replaces_a_merge_and_what_it_is_forced_to(adapters, refused, shapes):
    words = (*MERGE, *adapters, "--out", "merged.safetensors")
    save_file({"mine": next(iter(load_update("task0", shapes, "mini_vit").sites.values())).up},
              "merged.safetensors")  # fmt: skip
    assert "not as this command writes it" in refused(*words)
    assert run(*words, "--force") == 0
    assert is_merged(Path("merged.safetensors"))
    first = Path("merged.safetensors").read_bytes()
    assert run(*words, "--alpha", "0.5") == 0
    assert Path("merged.safetensors").read_bytes() != first
    random_adapter(Path("other"), shapes, 2)
    assert not is_merged(Path("other/adapter_model.safetensors"))
    save_file({"a": torch.zeros(1)}, "nested.safetensors", {"mergebench": "[" * 10**5})
    assert not is_merged(Path("nested.safetensors"))


@pytest.mark.parametrize("adapter", ["task0", "task0/adapter_model.safetensors"])
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_export_does_not_replace_what_it_reads(adapters, refused, adapter, force):
    Path("linked").symlink_to("task0")
    for out in ("task0", "./task1/../task0", *(["task0/new"] if adapter == "task0" else [])):
        shown = refused(*EXPORT, adapter, "--out", out, *force)
        assert "would replace task0" in shown or "lies in task0, which is read" in shown
    assert "a symbolic link, no folder" in refused(*EXPORT, adapter, "--out", "linked", *force)
    Path("file").write_text("a file")
    assert "--out file: is" in refused(*EXPORT, adapter, "--out", "file", *force)


def test_export_replaces_an_export_and_what_it_is_forced_to(adapters, refused, shapes):
    error = refused(*EXPORT, "task0", "--out", "task1")
    assert "--out task1: is there already, and not as this command writes it" in error
    assert run(*EXPORT, "task0", "--out", "out/new") == 0
    first = load_update("task0", shapes, "mini_vit")
    assert load_update("out/new", shapes, "mini_vit").sha256 == first.sha256
    assert run(*EXPORT, "task1", "--out", "out/new") == 0
    assert load_update("out/new", shapes, "mini_vit").sha256 != first.sha256
    shutil.copy("task0/adapter_model.safetensors", "out/new")  # by someone else
    assert not is_exported(Path("out/new"))
    Path("out/new/mergebench.json").write_text("[" * 10**5)
    assert not is_exported(Path("out/new"))
    assert "not as this command writes it" in refused(*EXPORT, "task1", "--out", "out/new")
    assert run(*EXPORT, "task1", "--out", "out/new", "--force") == 0


def test_peft_loads_what_export_writes(adapters):
    peft = pytest.importorskip("peft")
    assert run(*EXPORT, "task0", "--out", "out") == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert peft.PeftConfig.from_pretrained("out").r == 4
        assert peft.utils.load_peft_weights("out", device="cpu")
