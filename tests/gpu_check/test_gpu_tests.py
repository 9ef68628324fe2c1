"""The tests marked gpu are run in a process of their own, and what ended in time counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mergebench.errors import InputError
from mergebench.gpu_check import gpu_tests
from mergebench.gpu_check.budget import Deadline
from mergebench.gpu_check.gpu_tests import run_gpu_tests

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--gpu-device")

def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: a marker")
"""
TESTS = """
import pytest

@pytest.mark.gpu
@pytest.mark.parametrize("one", ["a b", "c/d"])
def test_that_passes(one, request):
    assert request.config.getoption("--gpu-device") == "cuda:0"

@pytest.mark.gpu
def test_that_fails():
    assert False

@pytest.mark.gpu
def test_that_is_skipped():
    pytest.skip("no GPU")

def test_that_is_not_marked():
    assert False
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gpu_tests, "ROOT", tmp_path)
    monkeypatch.setattr(gpu_tests, "FOLDER", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_some.py").write_text(TESTS)
    return tmp_path


def test_every_outcome_is_told(folder: Path) -> None:
    found = {one.test: one.outcome for one in run_gpu_tests("cuda:0", Deadline(120))}
    assert found == {
        "test_some.py::test_that_passes[a b]": "passed",
        "test_some.py::test_that_passes[c/d]": "passed",
        "test_some.py::test_that_fails": "failed",
        "test_some.py::test_that_is_skipped": "skipped",
    }


def test_what_ended_before_the_time_was_over_counts() -> None:
    """Pytest's lines are on disk as tests end; the last one here was cut off."""
    shown = "test_some.py::test_one PASSED  [ 3%]\ntest_some.py::test_two "
    assert [one.test for one in gpu_tests._outcomes(shown)] == ["test_some.py::test_one"]


def test_no_time_at_all_is_said(folder: Path) -> None:
    with pytest.raises(InputError, match="no test ended in time"):
        run_gpu_tests("cpu", Deadline(0))


def test_tests_that_cannot_run_are_an_error(folder: Path) -> None:
    (folder / "test_some.py").write_text("import nothing_of_this_name")
    with pytest.raises(InputError, match=r"no test ended: .*1 error"):
        run_gpu_tests("cpu", Deadline(120))


def test_tests_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu_tests, "FOLDER", tmp_path / "nowhere")
    with pytest.raises(InputError, match="in a clone of the repository"):
        run_gpu_tests("cpu", Deadline(1))
