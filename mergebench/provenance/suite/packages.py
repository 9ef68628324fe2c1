"""Pinned packages of public registries: fetched once, verified, unpacked."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mergebench.errors import InputError

Registry = Literal["npm", "pypi", "debian"]


@dataclass(frozen=True, kw_only=True)
class Package:
    """One archive of a registry, pinned by version and by the SHA-256 of the archive file."""

    registry: Registry
    name: str
    version: str
    sha256: str

    @property
    def folder_name(self) -> str:
        """Name of this package's folder in a cache, unique per registry, name and version."""
        name = f"{self.registry}-{self.name}-{self.version}"
        return name.replace("/", "_").replace("@", "").replace(":", "_")

    def download_command(self) -> list[str]:
        """The registry client's command that puts the archive into the working folder."""
        match self.registry:
            case "npm":
                return ["npm", "pack", "--silent", f"{self.name}@{self.version}"]
            case "pypi":
                pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
                return [*pip, "--disable-pip-version-check", f"{self.name}=={self.version}"]
            case "debian":
                return ["apt-get", "download", "-qq", f"{self.name}={self.version}"]


class PackageCache:
    """Unpacked packages under one root folder; each is downloaded and verified once."""

    def __init__(self, root: Path) -> None:
        """Keep archives and unpacked folders under `root`, which is made when missing."""
        self.root = root

    def path(self, package: Package) -> Path:
        """Return the folder with the unpacked files of `package`.

        Raises `InputError` when the client finds no such package or the archive's SHA-256 differs.
        """
        folder = self.root / package.folder_name
        # The marker is named after the verified hash: a changed pin never hits an old folder.
        marker = folder / f".sha256-{package.sha256}"
        if not marker.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.root) as scratch:
                archive = _download(package, Path(scratch))
                unpacked = Path(scratch) / "unpacked"
                _unpack(archive, unpacked)
                (unpacked / marker.name).touch()
                shutil.rmtree(folder, ignore_errors=True)
                unpacked.rename(folder)
        return folder


def _download(package: Package, folder: Path) -> Path:
    command = package.download_command()
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archives = [path for path in folder.iterdir() if path.is_file()]
    if result.returncode != 0 or len(archives) != 1:
        reason = (result.stderr.strip().splitlines() or ["no archive came"])[-1]
        raise InputError(f"{' '.join(command)}: failed: {reason}")
    digest = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    if digest != package.sha256:
        raise InputError(
            f"{package.registry} package {package.name} {package.version}: archive has SHA-256 "
            f"{digest}, expected {package.sha256!r}; correct the pin if the change is meant"
        )
    return archives[0]


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True)
    elif archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(folder)
    else:
        with tarfile.open(archive) as tarred:
            tarred.extractall(folder, filter="data")
