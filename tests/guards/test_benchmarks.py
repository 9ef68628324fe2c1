"""The benchmarks run, and write what they measured; `make bench` runs all of them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

MERGING = "tests/benchmarks/test_cost_of_merging.py"
OTHERS = "tests/benchmarks/test_cost_of_other_mergers.py"
SOME = (
    f"{MERGING}::test_one_site[convnext-128x512-ta@full]",
    f"{MERGING}::test_scaling[2-16-ta@full]",
    f"{MERGING}::test_a_further_alpha[vit_b32]",
    f"{MERGING}::test_decompositions_of_all_sites_at_once[qr]",
    f"{OTHERS}::test_every_attack_without_data_has_a_dense_formulation",
    f"{OTHERS}::test_one_site[ram@core]",
    f"{OTHERS}::test_one_site_of_an_informed_attack[restore]",
    "tests/benchmarks/test_cost_of_evaluation.py::test_loading",
)


@pytest.mark.slow
def test_some_of_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "bench", *SOME]
    command += ["--bench-results", str(tmp_path)]
    # On a worker of a parallel run, pytest-benchmark would not time anything.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(SOME)} passed" in done.stdout
    with (tmp_path / "scaling.csv").open() as lines:
        assert [(row["attack"], row["updates"]) for row in csv.DictReader(lines)] == [("ta", "2")]
    with (tmp_path / "mergers.csv").open() as lines:
        assert [row["attack"] for row in csv.DictReader(lines)] == ["ram", "restore:ta"]
    page = (tmp_path / "merging.md").read_text()
    for title in ("A further alpha", "Evaluation and loading", "As it is done"):
        assert title in page
    assert "restore:ta@full" in (tmp_path / "mergers.md").read_text()
    assert "Peak memory" not in page, "a section without a measurement"
    assert (tmp_path / "scaling.svg").is_file()
