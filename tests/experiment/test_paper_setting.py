"""The paper's setting from local files to finished tables, and what is said where they lack.

The backbone `vit_b32` is a narrow one here, read from a local file of the true format; the slow
test has the real architecture. The images are miniatures in the true formats on disk.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import torch
from clip_files import SMALL, add_small_backbone, fused
from safetensors.torch import save_file
from vision8_data import pictures, write_archive, write_image_folders, write_parquet

from mergebench import cli
from mergebench.backbones import BACKBONES
from mergebench.backbones.clip.architectures import create_model
from mergebench.commands.runs import experiments
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment import required_inputs
from mergebench.experiment.settings import SETTINGS
from mergebench.measure.protocols import PROTOCOLS
from mergebench.suites.vision8 import fetching, task_rows

TASKS = [row.name for row in task_rows()]
ATTACKS = ("ta@full", "ties@core")


pytestmark = pytest.mark.usefixtures("alone")


def write_data(root: Path, tasks: list[str]) -> None:
    """Write a few images of these tasks, each task in one of the formats that it has."""
    for task in tasks:
        sizes = {"train": 9, "test": 10}
        if "val" in task_rows([task])[0].sizes:
            sizes["val"] = 6
        ordered = {name: sizes[name] for name in ("train", "val", "test") if name in sizes}
        splits = pictures(task, ordered, classes=2, learnable=True)
        if task == "resisc45":
            write_parquet(root / task, task, splits)
        elif task == "eurosat":
            write_image_folders(root, task, splits)
        else:
            write_archive(root, task, splits)


def shortened(monkeypatch, *, steps: int = 4, probe_inputs: int = 2) -> None:
    """Train for few steps and search three alphas, by the means of settings and protocols."""
    setting = SETTINGS["vit_b32"]
    recipe = replace(
        setting.recipe,
        steps=steps,
        batch_size=4,
        warmup_steps=2,
        evaluate_every=2,
        learning_rate=1e-2,
        probe_inputs=probe_inputs,
    )
    monkeypatch.setitem(SETTINGS, "vit_b32", replace(setting, recipe=recipe))
    for name in ("paper", "paper-exact"):
        short = replace(PROTOCOLS[name], alphas=(0.2, 0.5, 1.0))
        monkeypatch.setitem(PROTOCOLS, name, short)


def random_weights(folder: Path, architecture: str) -> Path:
    """Write random weights of open_clip's layout as safetensors."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        state = create_model(architecture).state_dict()
    file = folder / "weights.safetensors"
    file.parent.mkdir()
    save_file({key: value.contiguous() for key, value in fused(state).items()}, file)
    return file


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    """Make `vit_b32` a narrow backbone and return a file with its weights."""
    source = add_small_backbone(tmp_path)
    del BACKBONES[SMALL]
    monkeypatch.setitem(BACKBONES, "vit_b32", source)
    shortened(monkeypatch)
    return random_weights(tmp_path / "weights", source.architecture)


@pytest.fixture
def words(tmp_path) -> list[str]:
    """Return where everything is, for a verb that makes tables."""
    folders = {"--data-root": "data", "--cache": "cache", "--store": "runs", "--results": "results"}
    return [word for option, name in folders.items() for word in (option, str(tmp_path / name))]


@pytest.fixture
def run(words, small) -> Callable[..., int]:
    """Run a verb on the narrow `vit_b32` with local files."""

    def run(verb: str, *more: str) -> int:
        experiment_module._workbench.cache_clear()
        local = ["--backbone", "vit_b32", "--weights", str(small), "--partial", "--device", "cpu"]
        return cli.main([verb, *local, *words, *more])

    return run


def test_table2_of_all_eight_tasks_from_local_files(tmp_path, capsys, run):
    write_data(tmp_path / "data", TASKS)
    assert run("table2", "--attacks", " ".join(ATTACKS)) == 0
    (file,) = (tmp_path / "results" / "vit_b32").glob("table2_attacks-*_partial.md")
    text = file.read_text()
    assert "vision8-partial (sha256" in text
    assert "noise_rank_tsv off, doubled_logit_scale off, cars_leak off" in text
    assert "No configuration beside weights.safetensors states its activation" in text
    assert str(tmp_path) not in text
    with file.with_name(f"{file.stem}_targets.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == len(ATTACKS) * len(TASKS) * 2
    assert {row["target"] for row in rows} == set(TASKS)
    capsys.readouterr()
    assert run("table2", "--attacks", " ".join(ATTACKS)) == 0
    assert "0 measured" in capsys.readouterr().out.replace("none measured", "0 measured")


def test_paper_exact_measures_other_cells_with_every_defect(tmp_path, run):
    write_data(tmp_path / "data", ["cars", "dtd"])
    more = ("--tasks", "cars dtd", "--attacks", "tsv@full")
    assert run("table2", *more) == 0
    assert run("table2", *more, "--protocol", "paper-exact") == 0
    folder, part = tmp_path / "results" / "vit_b32", "tasks-cars-dtd_attacks-tsv_partial"
    exact = (folder / f"table2_paper-exact_{part}.md").read_text()
    assert "vision8-partial-cars_leak (sha256" in exact
    assert "trained on its validation and test images" in exact
    assert "noise_rank_tsv on, doubled_logit_scale on, cars_leak on, leaks_kept on" in exact
    assert "Options of trap2: strength 0.01" in exact
    assert "Options of trap2: strength 0.1" in (folder / f"table2_{part}.md").read_text()
    assert len([*(tmp_path / "runs" / "releases").iterdir()]) == 8


def test_an_option_of_a_protection_is_used_and_stated(tmp_path, run):
    write_data(tmp_path / "data", ["mnist"])
    assert run("table1", "--tasks", "mnist", "--set", "trap2.strength=0.3") == 0
    part = "tasks-mnist_set-trap2.strength-0.3_partial"
    text = (tmp_path / "results" / "vit_b32" / f"table1_{part}.md").read_text()
    assert "Options of trap2: strength 0.3." in text
    assert "--set trap2.strength=0.3" in text


@pytest.mark.parametrize(
    ("backbone", "more", "message"),
    [
        ("mini_vit", ["--data-root", "data"], "--data-root: the data of suite mini8 come with"),
        ("mini_vit", ["--drop-leaks"], "--drop-leaks: the data of suite mini8 come with"),
        ("mini_vit", ["--protocol", "paper-exact"], "there are none of backbone mini_vit"),
        ("mini_vit", ["--set", "strength=1"], "--set strength=1: expected NAME.KEY=VALUE"),
        ("mini_vit", ["--set", "ties.top=1"], "unknown option 'top'; did you mean top_k or scope?"),
        (
            "mini_vit",
            ["--set", "ta.top_k=1"],
            "--set ta.top_k=1: unknown option 'top_k': ta has no options; leave it out",
        ),
        (
            "mini_vit",
            ["--set", "trap.strength=1"],
            "--set trap.strength=1: unknown attack or protection 'trap'; did you mean trap2",
        ),
        ("mini_vit", ["--set", "trap2.strenth=1"], "did you mean strength"),
        (
            "mini_vit",
            ["--set", "trap2.recipe=1"],
            "--set trap2.recipe=1: this option is no single value",
        ),
        (
            "vit_b32",
            ["--protocol", "paper-exact", "--drop-leaks"],
            "--drop-leaks: protocol paper-exact trains on them",
        ),
    ],
)
def test_options_that_do_not_apply_are_refused(tmp_path, capsys, backbone, more, message):
    assert cli.main(["table1", "--backbone", backbone, "--store", str(tmp_path), *more]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_leaks_stop_the_run_unless_they_are_dropped(tmp_path, capsys, run):
    splits = pictures("dtd", {"train": 9, "val": 6, "test": 10})
    splits["train"][2] = splits["test"][4]
    write_archive(tmp_path / "data", "dtd", splits)
    assert run("table1", "--tasks", "dtd") == 2
    assert "dtd: 1 of 9 training images also occur" in capsys.readouterr().err
    assert run("table1", "--tasks", "dtd", "--drop-leaks") == 0
    name = "table1_tasks-dtd_partial_drop-leaks.md"
    text = (tmp_path / "results" / "vit_b32" / name).read_text()
    assert "dtd: 1 training images that are validation or test images too are left out." in text


def test_doctor_of_partial_data_compares_nothing(tmp_path, capsys, run):
    write_data(tmp_path / "data", ["mnist"])
    assert run("doctor", "--tasks", "mnist") == 0
    shown = capsys.readouterr().out
    assert "suite vision8-partial at 32 px" in shown
    assert f"free for decoded images, {tmp_path / 'cache'}" in shown
    assert "nothing comparable was published" in shown


# --- what is missing ------------------------------------------------------------------------


def test_everything_that_is_missing_is_named_in_one_message(tmp_path, capsys, monkeypatch, words):
    monkeypatch.setattr(
        experiments.Experiment, "workbench", lambda self: pytest.fail("model built")
    )
    write_data(tmp_path / "data", ["mnist"])
    assert cli.main(["table2", "--backbone", "vit_l14", "--partial", *words]) == 2
    shown = capsys.readouterr()
    first, *items = shown.err.splitlines()
    assert shown.out == ""
    assert first == "mergebench: 8 missing, 8.10 GB:"
    named = [item.split(":")[0].strip() for item in items]
    assert named == ["weights ViT-L-14-quickgelu/openai", *(t for t in TASKS if t != "mnist")]
    repository = "timm/vit_large_patch14_clip_224.openai"
    assert "(1.71 GB)" in items[0]
    assert f"`hf download {repository} open_clip_model.safetensors`" in items[0]
    assert str(tmp_path / "hub" / f"models--{repository.replace('/', '--')}") in items[0]
    assert "--weights FILE (make: WEIGHTS=FILE)" in items[0]
    for name, item in zip(named[1:], items[1:], strict=True):
        assert f"`mergebench data fetch {name}`, or copy it to {tmp_path / 'data' / name}" in item
        assert f"({task_rows([name])[0].download / 1e9:.2f} GB)" in item


def test_with_weights_a_silent_hub_is_asked_once(tmp_path, capsys, monkeypatch, run):
    asked = []

    def silent(*words: object, **options: object) -> None:
        asked.append(words)
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", silent)
    assert run("table1") == 2
    assert len(asked) == 1
    shown = capsys.readouterr().err
    assert "no download: tanganke/stanford_cars: no route to host" in shown
    assert "mergebench: 8 missing, 6.40 GB:" in shown


def test_a_local_copy_that_lacks_images_is_not_replaced_by_a_download(
    tmp_path, capsys, monkeypatch, small, words
):
    monkeypatch.setattr(required_inputs, "fetch_data", lambda state: pytest.fail("downloads"))
    write_data(tmp_path / "data", ["mnist"])
    local = ["--backbone", "vit_b32", "--weights", str(small), "--tasks", "mnist"]
    assert cli.main(["table1", *local, *words]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("mergebench: 1 missing, 0.01 GB:\n  mnist: idx files in ")
    assert "train has 9 images, expected 60000" in shown


def test_what_is_missing_is_downloaded_before_the_run(tmp_path, capsys, monkeypatch, run):
    write_data(tmp_path / "data", ["mnist"])
    splits = pictures("svhn", {"train": 9, "test": 10})

    def no_such(*words: object, **options: object) -> None:
        raise fetching.RefusedError("not on the hub")

    monkeypatch.setattr(fetching, "list_parquet", no_such)
    archives = {"svhn": lambda root: write_archive(root, "svhn", splits)}
    monkeypatch.setattr(fetching, "_ARCHIVES", archives)
    assert run("table1", "--tasks", "mnist svhn") == 0
    assert "svhn: not found; downloading 0.25 GB" in capsys.readouterr().err
    assert (tmp_path / "results" / "vit_b32" / "table1_tasks-mnist-svhn_partial.md").is_file()


@pytest.mark.slow
def test_table2_of_the_real_architecture(tmp_path, monkeypatch, words):
    shortened(monkeypatch, steps=4, probe_inputs=1)
    write_data(tmp_path / "data", ["mnist", "svhn"])
    weights = random_weights(tmp_path / "weights", "ViT-B-32-quickgelu")
    local = ["--backbone", "vit_b32", "--weights", str(weights), "--partial", "--device", "cpu"]
    more = ["--tasks", "mnist svhn", "--attacks", "ta tsv@core"]
    assert cli.main(["table2", *local, *words, *more]) == 0
    name = "table2_tasks-mnist-svhn_attacks-ta-tsv@core_partial.csv"
    assert (tmp_path / "results" / "vit_b32" / name).is_file()
