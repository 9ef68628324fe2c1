"""Whether all images of a source can be decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from mergebench.counting import Counting
from mergebench.errors import InputError
from mergebench.suites.images.opening import ImageError, few_at_once
from mergebench.suites.images.source import SourceSplit

_SHOWN = 5


def check_decodable(splits: Mapping[str, SourceSplit], what: str, counting: Counting) -> None:
    """Decode all images and keep none; raise `InputError` naming those that cannot be.

    `what` they are, in words. Up to five are named, and the others counted. A file of many images
    that cannot be read is an `InputError` at once.
    """
    total = sum(split.count for split in splits.values())
    wrong: list[str] = []
    with counting(f"{what}: reading", total) as advance:
        for split in splits.values():
            with ThreadPoolExecutor(torch.get_num_threads()) as threads:
                faults = few_at_once(threads, partial(_fault, split), _opened(split))
                for index, fault in enumerate(faults):
                    wrong += [f"{split.name_of(index)} ({fault})"] if fault else []
                    advance(1)
    if wrong:
        others = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise InputError(
            f"{what}: {len(wrong)} of {total} images cannot be decoded: "
            f"{'; '.join(wrong[:_SHOWN])}{others}; replace or delete them"
        )


def _opened(split: SourceSplit) -> Iterator[Image.Image | ImageError]:
    """Yield each image of a split, or why it cannot be opened."""
    start = 0
    while start < split.count:
        try:
            for image in split.images(np.arange(start, split.count)):
                start += 1
                yield image
        except ImageError as error:  # go on behind it
            start += 1
            yield error


def _fault(split: SourceSplit, image: Image.Image | ImageError) -> str:
    """Return why an image cannot be decoded, empty if it can."""
    try:
        if isinstance(image, ImageError):
            raise image
        with image:
            split.upright(image).load()
    except MemoryError:
        raise
    except Exception as error:  # whatever a decoder comes across in a damaged file
        found = error.__cause__ or error
        if isinstance(found, UnidentifiedImageError):  # it names the file once more
            return "no image"
        return " ".join(str(found).split()) or type(found).__name__
    return ""
