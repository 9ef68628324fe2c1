"""`mergebench protect`: what it refuses, in one line, before it trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run
from own_data import write_pictures
from protect_command import few_steps, words, write_shapes

from mergebench.protecting.planning import make_plan
from mergebench.protecting.request import Request
from mergebench.protecting.writing import check_output


@pytest.fixture(autouse=True, scope="module")
def _few_steps(tmp_path_factory):
    with few_steps(tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Pictures that are decoded already, so that what is refused is all that is shown."""
    folder = write_shapes(tmp_path_factory.mktemp("user"))
    make_plan(Request(backbone="mini_vit", data=folder / "shapes", out=folder / "adapter"))
    return folder


@pytest.fixture
def complaint(capsys):
    def refused(*given):
        assert run(*given) == 2
        shown = capsys.readouterr()
        assert (shown.out, shown.err.count("\n")) == ("", 1), shown
        return shown.err

    return refused


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (["--backbone", "mini_vitt"], "unknown backbone 'mini_vitt'; did you mean mini_vit"),
        (["--task", "mnist"], "give --data PATH, or --task NAME of the suite"),
        (["--sweep", "0"], "--sweep 0: give λ above 0"),
        (["--sweep", "a"], "--sweep a: expected a finite number"),
        (["--sweep", "1", "1"], "--sweep: give each λ once"),
        (["--sweep", "1", "--only", "plain"], "--sweep: a plain adapter has no λ"),
        (["--margin", "-1"], "--margin is -1.0; give a number from 0 to 100"),
        (["--steps", "0"], "argument --steps: '0' is no whole number"),
        (["--only", "trap"], "unknown --only 'trap'; did you mean trap2"),
        (["--protection", "trap3"], "unknown protection 'trap3'; did you mean trap2"),
        (
            ["--protection", "mergelock"],
            "--protection mergelock: it releases full checkpoints, and protect makes adapters that "
            "a trap is trained into, with a λ to choose; choose from: trap2, trap2_capped",
        ),
        (["--protection", "none"], "--protection none: it has no trap, and protect makes adapters"),
        (["--protection", "trap2[strength=1]"], "λ is chosen, or given with --sweep"),
        (["--protection", "trap2[cap=-1]"], "trap2: cap is -1.0"),
        (["--protection", "trap2_capped", "--only", "trap2"], "unknown --only 'trap2'"),
        (["--protection", "trap2_capped", "--only", "plain"], "a plain adapter has none"),
        (["--protection", "plain"], "the adapter without one is called so"),
        (["--plugin", "absent.py"], "--plugin absent.py: no such file"),
        (["--data-root", "."], "--data-root: --data says where the data are"),
        (["--data", "nowhere"], "shapes and nowhere are given, and one is taken"),
        (["--out", __file__], "test_protect_refused.py is no folder: choose another name"),
        (["--names", "nowhere"], "--names nowhere: there is no such file"),
    ],
)
def test_wrong_options(root, others, message, complaint):
    assert message in complaint(*words(root, *others, out="new"))
    assert not (root / "new").exists()


def test_data_that_cannot_be_trained_on(tmp_path, complaint):
    given = ["protect", "--backbone", "mini_vit"]
    given += ["--out", tmp_path / "a", "--store", tmp_path / "r"]
    assert "--data nowhere: there is no such folder" in complaint(*given, "--data", "nowhere")
    (tmp_path / "empty").mkdir()
    assert "empty" in complaint(*given, "--data", tmp_path / "empty")
    lonely = write_pictures(tmp_path / "lonely", {"circle": 8, "square": 1})
    assert "square" in complaint(*given, "--data", lonely)


def test_an_out_with_what_the_command_did_not_write(root, complaint, tmp_path):
    adapter = tmp_path / "adapter"
    for other in ("plain", "trap2_capped", ".git"):
        (adapter / other).mkdir(parents=True)
    (adapter / "trap2_capped" / "record.json").write_text("{}")
    check_output(Request(backbone="mini_vit", data=root / "shapes", out=adapter))
    (adapter / "adapter_config.json").write_text("{}")
    line = complaint(*words(root, out=str(adapter)))
    assert f"--out {adapter}: has adapter_config.json, which is no adapter that protect wro" in line
    assert "write beside it with --force" in line
    check_output(Request(backbone="mini_vit", data=root / "shapes", out=adapter, force=True))


def test_an_out_that_cannot_be_written(root, complaint, tmp_path):
    (tmp_path / "file").write_text("")
    shapes = ["protect", "--backbone", "mini_vit", "--data", root / "shapes", "--out"]
    assert "is no folder" in complaint(*shapes, tmp_path / "file" / "adapter")
    assert "lies in" in complaint(*shapes, root / "shapes" / "adapter")
