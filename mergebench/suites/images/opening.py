"""Opening images, of which few are open at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from PIL import Image, UnidentifiedImageError

from mergebench.errors import InputError

AT_ONCE = 64
"""Images that are open at a time; each may be an open file, of which some systems allow 256."""

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class ImageError(InputError):
    """One image cannot be read; its neighbours may."""


def opened(content: Path | BinaryIO, name: str) -> Image.Image:
    """Open an image, which is decoded on first use; `ImageError` naming one that is none."""
    try:
        return Image.open(content)
    except MemoryError:
        raise
    except (OSError, UnidentifiedImageError) as error:
        reason = f" ({error.strerror})" if error.strerror else ""
        raise ImageError(
            f"{name}: not a readable image{reason}; replace it, or fetch it again"
        ) from error
    except Exception as error:  # whatever a decoder comes across in a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name}: cannot be decoded ({reason}); replace it") from error


def few_at_once(
    threads: ThreadPoolExecutor, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]
) -> Iterator[ResultT]:
    """Yield what `threads.map` does, but take at most `AT_ONCE` items before their results."""
    left = iter(items)
    waiting = deque(threads.submit(function, item) for item in islice(left, AT_ONCE))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(threads.submit(function, item) for item in islice(left, 1))
