"""The command line: one line with status 2 for every wrong input."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from command_line import A_KEY, B_KEY, SITE, measure_few_images, random_adapter, run, tower_shapes
from safetensors.torch import load_file, save_file

from mergebench.registry import registry
from mergebench.updates.adapters import WEIGHTS_NAME


@pytest.fixture(autouse=True)
def _fresh_registry():
    """Forget the plug-in files of a test after it."""
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture(scope="module")
def shapes() -> dict[str, dict[str, tuple[int, int]]]:
    return tower_shapes()


@pytest.fixture(scope="module")
def adapters(tmp_path_factory, shapes) -> list[str]:
    root = tmp_path_factory.mktemp("adapters")
    return [str(random_adapter(root / f"task{n}", shapes["mini_vit"], n)) for n in range(3)]


@pytest.fixture
def complaint(capsys) -> Callable[..., str]:
    """Run a wrong command and return the one line that it prints."""

    def refused(*words: object) -> str:
        status = run(*words)
        shown = capsys.readouterr()
        assert status == 2, shown.err
        assert shown.out == ""
        assert shown.err.startswith("mergebench: ")
        assert shown.err.endswith("\n")
        assert shown.err.count("\n") == 1, shown.err
        return shown.err

    return refused


@pytest.fixture
def miniature(monkeypatch, tmp_path) -> list[object]:
    return measure_few_images(monkeypatch, tmp_path)


# --- wrong input: names ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["table2", "--backbone", "mini_vti"],
            "unknown backbone 'mini_vti'; did you mean mini_vit",
        ),
        (
            ["table2", "--backbone", "vit_b32", "--weights", "no.pt"],
            "no weights at no.pt: give --w",
        ),
        (["table2", "--device", "gpu"], "--device gpu: expected auto | cpu | cuda | cuda:N"),
        (["table2", "--attacks", "tie@full"], "unknown attack 'tie'; did you mean ties"),
        (["table2", "--attacks", "ties@cor"], "unknown space 'cor'; did you mean core"),
        (["table1", "--protections", "trap"], "unknown protection 'trap'; did you mean trap2"),
        (
            ["table2", "--set", "tise.top_k=20"],
            "--set tise.top_k=20: unknown attack or protection 'tise'; did you mean ties",
        ),
        (["table2", "--protocol", "papper"], "unknown protocol 'papper'; did you mean paper"),
        (["table1", "--tasks", "mnits"], "unknown task 'mnits'; did you mean mnist"),
        (["table1", "--tasks", ","], "argument --tasks: ',' names nothing: give a name, or leave"),
        (["evaluate", "x", "--tasks", " "], "argument --tasks: ' ' names nothing"),
        (["table2", "--attacks", ""], "argument --attacks: '' names nothing"),
        (["table2", "--protections", ", ,"], "argument --protections: ', ,' names nothing"),
        (["price", "--targets", ","], "argument --targets: ',' names nothing"),
        (["price", "--budgets", ","], "argument --budgets: ',' names nothing"),
        (["table1", "--seeds", "0"], "argument --seeds: '0' is no whole number from 1 to 100; see"),
        (["table1", "--seeds", "1000000"], "--seeds: '1000000' is no whole number from 1 to 100"),
        (["table1", "--seed", "-1"], "--seed: '-1' is no whole number from 0 to 4294967295"),
        (["table1", "--jobs", "two"], "--jobs: 'two' is no whole number from 1 to 1024"),
        (["table1", "--jobs", "9" * 5000], "99...' is no whole number from 1 to 1024"),
        (
            ["table1", "--set", f"trap2.scales_per_step={10**24}"],
            "expected a finite number, from -2147483647 to 2147483647",
        ),
        (["table1", "--set", f"trap2.scales_per_step={10**400}"], "expected a finite number, from"),
        (
            ["table1", "--set", "trap2.scales_per_step=100000000"],
            "trap2: scales_per_step is 100000000; give a number from 1 to 64",
        ),
        (
            ["table5", "--set", "prodistill.epochs=1000000000"],
            "attack prodistill: epochs is 1000000000; give a number from 0 to 100000",
        ),
        (["check", "b.json", "--jobs", "1025"], "--jobs: '1025' is no whole number from 1 to 1024"),
        (["verify", ".", "--jobs", "0"], "--jobs: '0' is no whole number from 1 to 1024"),
        (["verify", ".", "--cells", "0"], "--cells: '0' is no whole number from 1 to 100000"),
        (["verify", ".", "--sample-seed", "x"], "--sample-seed: 'x' is no whole number from 0"),
        (["verify", ".", "--tolerance", "-1"], "--tolerance: '-1' is no whole number from 0"),
        (["data", "check", "--resolution", "0"], "--resolution: '0' is no whole number from 1 to"),
        (["table1", "--plugin", "absent.py"], "--plugin absent.py: no such file"),
        (["list", "atacks"], "unknown kind 'atacks'; did you mean attacks"),
        (["tabel2"], "unknown word 'tabel2'; did you mean table2"),
        ([], "required: VERB; see mergebench --help"),
        (
            ["table2", "--attack", "ta"],
            "unknown option --attack; did you mean --attacks? see mergebench table2 --help",
        ),
        (["table1", "--protectons=none"], "--protectons; did you mean --protections? see merge"),
        (["table1", "--tasks=mnist", "--set=x y"], "--set x y: expected NAME.KEY=VALUE"),
        (["table1", "--taks=mnist fashion"], "unknown option --taks; did you mean --tasks? see"),
        (["merge", "a", "b", "--attacks", "ta"], "--attacks; did you mean --attack? see mergeben"),
        (["merge", "a", "-attack", "ta"], "unknown option -attack; did you mean --attack? see"),
        (["data", "check", "--hash"], "did you mean --hashes? see mergebench data check --help"),
        (["list", "attacks", "--zzz"], "unknown option --zzz; see mergebench list --help"),
        (["list", "attacks", "spaces"], "unexpected word 'spaces'; see mergebench list --help"),
        (["table1", "--attacks", "ta"], "--attacks: nothing is merged here; leave it out\n"),
        (["figure2", "--attacks=ta"], "--attacks: nothing is merged here; leave it out\n"),
        (["leaderboard", "--attacks=ta"], "the leaderboard's set of attacks is fixed; leave it"),
        (["replay", "--jobs", "2"], "--jobs: nothing is measured here, and all recalled; leave it"),
        (["replay", "--executor=slurm"], "--executor: nothing is measured here, and all recalled"),
        (["--jobs", "table2"], "unknown option --jobs; see mergebench --help"),
        (["table2", "--", "--tasks"], "unexpected word '--tasks'; see mergebench table2 --help"),
    ],
)
def test_wrong_names_are_told(tmp_path, complaint, words, message):
    folders = ["--store", tmp_path / "runs", "--results", tmp_path / "results"]
    measures = words and words[0].startswith("table") and words[0] != "tabel2"
    assert message in complaint(*words, *(folders if measures else ()))


@pytest.mark.parametrize("option", ["--store", "--results"])
def test_a_folder_that_cannot_be_written(tmp_path, complaint, miniature, option):
    (tmp_path / "file").write_text("not a folder")
    error = complaint("table1", *miniature, option, tmp_path / "file" / "below")
    assert f"cannot write in {tmp_path}/file/below" in error
    assert "choose another directory" in error


# --- wrong input: merge ---------------------------------------------------------------------


@pytest.fixture
def merge_complaint(tmp_path, complaint, adapters) -> Callable[..., str]:
    """Run `merge` on two adapters with further words and return its one line."""

    def refused(*words: object, last: object = None, attack: str = "ta") -> str:
        out = tmp_path / "merged.safetensors"
        command = ["merge", "--backbone", "mini_vit", "--attack", attack, "--out", out]
        error = complaint(*command, *words, adapters[0], last or adapters[1])
        assert not out.exists()
        return error

    return refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backbone", "mini_vut"], "unknown backbone 'mini_vut'; did you mean mini_vit"),
        (["--attack", "tia"], "unknown attack 'tia'; did you mean ta"),
        (["--attack", "ta@coer"], "unknown space 'coer'; did you mean core"),
        (["--alpha", "much"], "--alpha much: expected a finite number"),
        (["--alpha", "nan"], "--alpha nan: expected a finite number"),
        (["--alpha", "1e39"], "--alpha 1e39: expected a finite number within float32"),
        (["--set", "top_k"], "--set top_k: expected key=value"),
        (["--set", "topk=20"], "--set topk=20: unknown option 'topk'"),
        (["--attack", "ties", "--set", "topk=20"], "did you mean top_k"),
        (["--attack", "ties", "--set", "top_k=lots"], "--set top_k=lots: expected float"),
        (["--attack", "ties", "--set", "top_k=0"], "top_k"),
        (["--seed", "x"], "--seed: 'x' is no whole number from 0 to 4294967295"),
    ],
)
def test_wrong_options_of_merge(merge_complaint, words, message):
    assert message in merge_complaint(*words)


def test_an_output_that_cannot_be_written(tmp_path, merge_complaint):
    (tmp_path / "file").write_text("not a folder")
    error = merge_complaint("--out", tmp_path / "file" / "merged.safetensors")
    assert f"cannot write {tmp_path}/file/merged.safetensors" in error


@pytest.mark.parametrize(
    ("content", "message"),
    [("import absent_module_x", "ModuleNotFoundError"), ("raise ValueError('a\\nb')", "a b")],
)
def test_a_broken_plugin(tmp_path, merge_complaint, content, message):
    (tmp_path / "broken.py").write_text(content)
    error = merge_complaint("--plugin", tmp_path / "broken.py")
    assert f"--plugin {tmp_path}/broken.py: " in error
    assert message in error


# --- wrong input: adapters ------------------------------------------------------------------


def drop_factor(tensors):
    del tensors[A_KEY]


def drop_site(tensors):
    del tensors[A_KEY], tensors[B_KEY]


def add_key(tensors):
    tensors["base_model.model.head.lora_A.weight"] = torch.zeros(4, 8)


def widen(tensors):
    tensors[A_KEY] = torch.zeros(4, tensors[A_KEY].shape[1] + 1)


def add_nan(tensors):
    tensors[B_KEY][0, 0] = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_factor, f"site {SITE} has no lora_A.weight"),
        (drop_site, f"site {SITE} of mini_vit is missing"),
        (add_key, ": mini_vit has no site 'head'"),
        (widen, f"{SITE}.lora_A has shape 4×"),
        (add_nan, f"{SITE}.lora_B holds a NaN or an infinity"),
    ],
)
def test_a_damaged_adapter_is_named(tmp_path, merge_complaint, shapes, change, message):
    folder = random_adapter(tmp_path / "damaged", shapes["mini_vit"], 7)
    tensors = load_file(folder / WEIGHTS_NAME)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_NAME)
    error = merge_complaint(last=folder)
    assert str(folder) in error
    assert message in error


def test_an_adapter_for_another_backbone(tmp_path, merge_complaint, shapes):
    folder = random_adapter(tmp_path / "convnext", shapes["mini_convnext"], 7)
    error = merge_complaint(last=folder)
    assert f"{folder}/{WEIGHTS_NAME}: mini_vit has no site 'trunk." in error
    assert "expected an adapter for mini_vit" in error


def test_a_truncated_file(tmp_path, merge_complaint, shapes):
    folder = random_adapter(tmp_path / "truncated", shapes["mini_vit"], 7)
    weights = folder / WEIGHTS_NAME
    weights.write_bytes(weights.read_bytes()[:-100])
    assert f"{weights} is truncated or not a safetensors file" in merge_complaint(last=folder)


@pytest.mark.parametrize("in_folder", [True, False])
def test_a_pickle_gets_the_conversion_hint(tmp_path, merge_complaint, in_folder):
    folder = tmp_path / "pickled"
    folder.mkdir()
    file = folder / "adapter_model.bin"
    torch.save({}, file)
    error = merge_complaint(last=folder if in_folder else file)
    assert f"{file} is a pickle" in error
    assert "safe_serialization=True" in error


def test_an_adapter_that_is_not_there(tmp_path, merge_complaint):
    error = merge_complaint(last=tmp_path / "absent")
    assert f"{tmp_path}/absent: no such adapter folder or safetensors file" in error


def test_a_wrong_choice_names_its_option(capsys) -> None:
    words = ["export", "a", "--backbone", "vit_b32", "--out", "b", "--layout", "huggingfaec"]
    assert run(*words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("mergebench: unknown --layout 'huggingfaec'; did you mean huggingface?")
