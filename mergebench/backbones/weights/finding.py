"""The file that a user means by a path of weights: it is there, regular, and of a known kind."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from mergebench.errors import InputError, reason, shown

INDEX = ".safetensors.index.json"
"""How the name of the index of a model in shards ends."""

PICKLES = (".pt", ".pth", ".bin", ".ckpt")
"""How the names of files end that hold a pickled state dict."""

_IN_FOLDERS = ("open_clip_model.safetensors", "model.safetensors", f"model{INDEX}")
_OF_TRAINERS = re.compile(r"(optimizer|scheduler|scaler|rng_state.*|training_args)\.\w+")
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}\.safetensors")
_FIX = (
    "give --weights a safetensors file, a checkpoint that PyTorch pickled, or a folder with "
    "model.safetensors"
)


def weights_file(path: Path) -> Path:
    """Return the file that `path` stands for; opens it, but does not read it.

    A file is itself; a folder stands for the whole model in it, under the names of open_clip and
    `transformers`, where a single file goes before shards and their index. Raises InputError if
    there is no such file or it is not a regular one, is empty, cannot be opened or is of no known
    kind, and for a folder without weights, which names the newest of its checkpoints.
    """
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):  # no permission, or no name that a file could have
        is_folder = False
    file = _in_folder(path) if is_folder else path
    require_regular(file, f"no weights at {shown(str(file))}: {_FIX}")
    if not file.name.endswith((".safetensors", INDEX, *PICKLES)):
        raise InputError(
            f"{file}: expected .safetensors, its {INDEX}, or {', '.join(PICKLES)} of open_clip"
        )
    if not file.stat().st_size:
        raise InputError(f"{file} is empty: fetch it again")
    return file


def require_regular(file: Path, absent: str) -> None:
    """Raise InputError unless `file` is regular and can be opened.

    `absent`: what to say if there is none.
    """
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise InputError(absent) from error
    except OSError as error:
        raise InputError(f"{absent} ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{file} is not a regular file: copy what it gives to one")
    try:
        file.open("rb").close()
    except OSError as error:
        raise InputError(f"{file} cannot be opened: {reason(error)}") from error


def _in_folder(folder: Path) -> Path:
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {reason(error)}") from error
    for name in _IN_FOLDERS:
        if name in names:
            return folder / name
    for name in names:
        shard = _SHARD.fullmatch(name)
        if shard is not None:
            index = folder / f"{shard[1]}{INDEX}"
            if index.name in names:
                return index
            raise InputError(f"{folder} has {name} but not {index.name}: copy that too")
    files = _weights_in(folder)
    if files:
        raise InputError(f"{folder} is a folder: give the file in it, e.g. {files[0]}")
    saved = [
        (int(name.removeprefix("checkpoint-")), folder / name)
        for name in names
        if re.fullmatch(r"checkpoint-\d{1,18}", name) and _weights_in(folder / name)
    ]
    if saved:
        raise InputError(f"{folder} has no weights of its own: give {max(saved)[1]}, its newest")
    raise InputError(f"no weights in the folder {folder}: {_FIX}")


def _weights_in(folder: Path) -> list[Path]:
    """Return the files of weights in a folder, safetensors first, without what trainers keep."""
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError:
        return []
    kinds = (".safetensors", *PICKLES)
    found = [file for file in files if not _OF_TRAINERS.fullmatch(file.name)]
    return [file for kind in kinds for file in found if file.suffix == kind]
