"""The scale curve of a released update, as a picture of its model card."""

from __future__ import annotations

from pathlib import Path

from mergebench.measure import Measurements
from mergebench.report.captions import headline, plain_caption
from mergebench.report.figure2 import figure2
from mergebench.report.writing import write_bytes


def write_scale_picture(measurements: Measurements, file: Path) -> Path:
    """Draw test accuracy against the deployed scale as PNG, and return the file.

    Raises `InputError` when it cannot be written, `ValueError` as of `figure2`.
    """
    from mergebench.report.drawing import draw, rendered  # Matplotlib takes a second to import.

    context = measurements.context
    figure = draw(figure2(measurements), footer=headline(context, merging=False))
    return write_bytes(file, rendered(figure, "png", description=plain_caption(context)))
