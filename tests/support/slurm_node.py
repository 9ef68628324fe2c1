"""A Slurm of one node on loopback: its own munge, controller and node daemon, in one folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
NODE = "node"
_PATIENCE_S = 300.0

_CONFIGURATION = """
ClusterName=test
MailProg=/bin/true
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
KillWait=10
NodeName={node} NodeAddr=127.0.0.1 NodeHostName={host} CPUs=2 State=UNKNOWN
PartitionName=cpu Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> str:
    """Return in words what a Slurm of our own lacks here; empty if it lacks nothing."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "its daemons are started by root"


@dataclass(frozen=True)
class SlurmNode:
    """A Slurm that runs; `environment` is what its programs find it by."""

    folder: Path
    environment: Mapping[str, str]

    def ask(self, *words: str) -> str:
        """Return what one of Slurm's programs prints; `CalledProcessError` if it fails."""
        return subprocess.run(
            words, env=self.environment, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def set_down(self) -> None:
        """Set the node down: its jobs are ended."""
        self.ask("scontrol", "update", f"nodename={NODE}", "state=down", "reason=a test")

    def resume(self) -> None:
        """Wait until the node takes jobs again; it may have come back by itself."""
        if not _is_idle(self):
            with suppress(subprocess.CalledProcessError):
                self.ask("scontrol", "update", f"nodename={NODE}", "state=resume")
        wait_until(lambda: _is_idle(self))


def wait_until(happened: Callable[[], object], patience: float = _PATIENCE_S) -> None:
    """Wait until something has happened; `AssertionError` if it does not."""
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@contextmanager
def slurm_node() -> Iterator[SlurmNode]:
    """Start the daemons, below nice 8, and end them when the context is left."""
    with TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:
        yield from _started(Path(folder))


def _started(folder: Path) -> Iterator[SlurmNode]:
    environment = {
        **os.environ,
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        "SLURM_CONF": str(folder / "slurm.conf"),
    }
    node = SlurmNode(folder=folder, environment=environment)
    _configure(folder)
    with ExitStack() as daemons:
        _start(daemons, _munged(folder), node, lambda: (folder / "munge" / "socket").exists())
        _start(daemons, ["slurmctld", "-D", "-i"], node, lambda: _answers(node, "scontrol", "ping"))
        _start(daemons, ["slurmd", "-D", "-N", NODE], node, lambda: _is_idle(node))
        yield node
        subprocess.run(["scancel", "--user=root"], env=environment, check=False, timeout=60)
        wait_until(lambda: node.ask("squeue", "--noheader") == "")


def _configure(folder: Path) -> None:
    folder.chmod(0o755)  # for munged, which is another user
    munge = folder / "munge"
    munge.mkdir(mode=0o755)
    (munge / "key").write_bytes(os.urandom(128))
    (munge / "key").chmod(0o400)
    for path in (munge, munge / "key"):
        shutil.chown(path, "munge", "munge")
    for name in ("controller", "spool"):
        (folder / name).mkdir()
    controller, daemon = _free_ports(2)
    (folder / "slurm.conf").write_text(
        _CONFIGURATION.format(
            folder=folder,
            node=NODE,
            host=socket.gethostname(),
            controller=controller,
            daemon=daemon,
        )
    )


def _munged(folder: Path) -> list[str]:
    own = folder / "munge"
    files = [
        f"--{name}={own / name.partition('-')[0]}"
        for name in ("socket", "key-file", "pid-file", "seed-file")
    ]
    return ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", "munged", "-F", *files]


def _start(
    daemons: ExitStack, words: Sequence[str], node: SlurmNode, ready: Callable[[], bool]
) -> None:
    """Start a daemon that ends with the stack, and wait until it is ready."""
    log = daemons.enter_context((node.folder / f"{words[0]}.out").open("wb"))
    process = subprocess.Popen(
        ["nice", "-n", "8", *words], env=node.environment, stdout=log, stderr=log
    )
    daemons.callback(_end, process)
    wait_until(lambda: process.poll() is not None or ready())
    assert process.poll() is None, f"{words[0]} ended: {log.name}"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(node: SlurmNode, *words: str) -> bool:
    try:
        return "UP" in node.ask(*words)
    except subprocess.CalledProcessError:
        return False


def _is_idle(node: SlurmNode) -> bool:
    return node.ask("sinfo", "--noheader", "--format=%T").strip() == "idle"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]
