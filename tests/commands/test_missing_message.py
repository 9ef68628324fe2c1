"""What is missing is said at once."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_missing_message_comes_within_ten_seconds(tmp_path):
    """Processor time, because other processes may have the processor for most of the time."""
    environment = {"HF_HOME": str(tmp_path), "MERGEBENCH_CACHE": str(tmp_path), "PATH": "/usr/bin"}
    environment["PYTHONPATH"] = ":".join(path for path in sys.path if path)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["table2", "--backbone", "vit_l14", "--store", str(tmp_path / "runs")]
    code = "import sys; from mergebench.cli import main; sys.exit(main(sys.argv[1:]))"
    ended = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("mergebench: 9 missing")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
