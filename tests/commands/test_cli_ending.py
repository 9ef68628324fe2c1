"""The command as a process: how it ends when it is asked to, and when something breaks."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mergebench.ending import status_of
from mergebench.errors import InputError, JobError, PluginError


def started(folder: Path, *words: str, torch: str | None = None) -> subprocess.Popen[str]:
    """Start the command; `torch`: the content of a module that takes the place of torch."""
    paths = [os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[2])]
    if torch is not None:
        (folder / "torch.py").write_text(torch)
        paths.insert(0, str(folder))
    return subprocess.Popen(
        [sys.executable, "-m", "mergebench", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        # Shells let their background jobs ignore signals, and all that these start.
        preexec_fn=lambda: [
            signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)
        ],
    )


SLOW_TORCH = """
import pathlib, time
pathlib.Path(__file__).with_name("began").touch()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "terminated"),
        (signal.SIGHUP, "hung up"),
    ],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_while_modules_are_imported(tmp_path, number, word):
    command = started(tmp_path, "doctor", torch=SLOW_TORCH)
    while not (tmp_path / "began").exists():
        assert command.poll() is None
        time.sleep(0.01)
    command.send_signal(number)
    out, errors = command.communicate(timeout=30)
    expected = f"mergebench: {word}; what was measured is kept\n"
    assert (command.returncode, out, errors) == (128 + number, "", expected)


def test_a_signal_that_the_caller_lets_be_ignored_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        status = status_of(lambda: os.kill(os.getpid(), signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert status == 0


def test_an_interrupt_that_python_would_lose_ends_the_command():
    script = """
import os, signal, sys
from mergebench.ending import status_of
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(10))

def run():
    Finalised()
    print("went on")

sys.exit(status_of(run))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    expected = "mergebench: interrupted; what was measured is kept\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", expected)


@pytest.mark.parametrize("words", [["--debug", "doctor"], ["doctor", "--debug"]])
@pytest.mark.parametrize("debug", [True, False])
def test_a_defect_is_one_line_and_a_traceback_only_on_request(tmp_path, words, debug):
    words = words if debug else [word for word in words if word != "--debug"]
    command = started(tmp_path, *words, torch="raise RuntimeError('two\\nlines')")
    out, errors = command.communicate(timeout=30)
    *before, last = errors.splitlines()
    assert (command.returncode, out) == (1, "")
    assert last == (
        "mergebench: internal error: RuntimeError: two lines; "
        "run again with --debug for the traceback"
    )
    assert ("Traceback (most recent call last):" in before) is debug
    assert debug or not before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_work_ends_at_once_with_its_own_status(number):
    """The output is still to be flushed then, which takes as long as its reader likes."""
    script = f"""
import os, signal, sys
from mergebench.ending import status_of

signal.signal({int(number)}, signal.SIG_DFL)  # jobs in the background of a shell ignore SIGINT

class Slow:
    encoding = "utf-8"
    def write(self, text): return len(text)
    def flush(self): os.kill(os.getpid(), {int(number)}); sum(range(10))

sys.stdout = Slow()
sys.exit(status_of(lambda: 0))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (128 + number, "")


def test_help_names_the_option(capsys):
    from mergebench.cli import main

    assert main(["--help"]) == 0
    assert "--debug" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("a.json: no such key"), 2, "a.json: no such key"),
        (InputError(), 2, "InputError"),
        (PluginError("attack x of x.py: at site y: KeyError"), 2, "attack x of x.py: at site y: K"),
        (JobError("merges: died"), 1, "merges: died; what was measured before is kept"),
        (KeyboardInterrupt(), 130, "interrupted; what was measured is kept"),
        (MemoryError(), 1, "not enough memory (MemoryError); what was measured is kept: free"),
        (
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"),
            1,
            "not enough memory (RuntimeError: DefaultCPUAllocator: ",
        ),
        (
            ImportError("libtorch.so: failed to map segment from shared object"),
            1,
            "not enough memory (ImportError: libtorch.so: failed",
        ),
        (InputError("unknown word 'out of memory'"), 2, "unknown word 'out of memory'"),
        (PluginError("attack x: SystemExit: out of memory"), 2, "attack x: SystemExit: out of me"),
        (FileNotFoundError(2, "No such file", "out of memory"), 2, "out of memory: No such file"),
        (KeyError("out of memory"), 1, "internal error: KeyError: 'out of memory'"),
        (OSError(12, "Cannot allocate memory"), 1, "not enough memory (OSError: [Errno 12]"),
        (TimeoutError(), 1, "internal error: TimeoutError; run again with --debug"),
        (GeneratorExit(), 1, "internal error: GeneratorExit; run again with --debug"),
    ],
    ids=repr,
)
def test_every_error_is_one_line_that_is_not_empty(capsys, error, status, line):
    def run():
        raise error

    assert status_of(run) == status
    shown = capsys.readouterr().err
    assert shown.startswith(f"mergebench: {line}")
    assert shown.count("\n") == 1


def test_an_error_because_of_too_little_memory_counts_as_such(capsys):
    def run():
        try:
            raise MemoryError
        except MemoryError as error:
            raise InputError("adapter.safetensors is truncated") from error

    assert status_of(run) == 1
    assert "mergebench: not enough memory (MemoryError); " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "status", "line"),
    [("closed", 141, ""), ("/dev/full", 1, "cannot print: No space left on device")],
)
def test_output_that_cannot_be_written(tmp_path, target, status, line):
    script = (
        "import sys; from mergebench.ending import status_of; sys.exit(status_of(lambda: print(1)))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    if target != "closed":
        writing = os.open(target, os.O_WRONLY)
    ended = subprocess.run(
        [sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert ended.returncode == status
    assert line in ended.stderr
    assert ended.stderr.count("\n") == bool(line)


def limited(gigabytes: float, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an address space of that size."""
    size = int(gigabytes * 2**30)
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
    )


def test_too_little_memory_to_import_is_one_line():
    ended = limited(0.25, "-m", "mergebench", "doctor")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("mergebench: not enough memory (")
    assert ended.stderr.count("\n") == 1


def test_too_little_memory_for_a_tensor_is_one_line(capsys):
    assert status_of(lambda: len(torch.empty(2**50, dtype=torch.uint8))) == 1
    error = capsys.readouterr().err
    assert error.startswith("mergebench: not enough memory (RuntimeError: ")
    assert error.count("\n") == 1
