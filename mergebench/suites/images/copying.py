"""Copies decoded images into the file of a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from numpy import uint8
from numpy.typing import NDArray

from mergebench.errors import InputError
from mergebench.files import replacing
from mergebench.suites.images.parts import images_digest

Pixels = NDArray[uint8]


def copy_images(rows: Sequence[tuple[Pixels, int]], path: Path, side: int) -> str:
    """Write images to `path`, in order; return their `tensor_sha256`.

    `rows`: decoded images `(N, 3 * side * side)` and the place of one in them. Raises `InputError`
    when the file cannot be written.
    """
    digest = images_digest(len(rows), side)
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            for pixels, place in rows:
                content = pixels[place].tobytes()
                digest.update(content)
                file.write(content)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; "
            "free some room or choose another --cache"
        ) from error
    return digest.hexdigest()
