"""Whether a backbone and a suite are the paper's: zero-shot accuracies against published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mergebench.measure import Counts
from mergebench.report import published
from mergebench.suites import Suite

ZERO_SHOT_TOLERANCE = 0.3
"""Points by which a data set may differ from the published value, which has one decimal."""

OPEN_CLIP: Mapping[str, Mapping[str, float]] = {
    name: dict(
        zip(
            ("cars", "dtd", "eurosat", "gtsrb", "mnist", "resisc45", "aircraft", "svhn"),
            values,
            strict=True,
        )
    )
    for name, values in {
        "vit_b32": (59.63, 44.36, 50.44, 32.58, 48.39, 53.62, 19.53, 31.59),
        "vit_l14": (77.88, 55.37, 62.63, 50.55, 76.34, 63.37, 31.81, 58.40),
        "convnext": (89.57, 59.57, 56.78, 49.30, 54.35, 62.84, 28.25, 34.59),
    }.items()
}
"""Zero-shot accuracies in percent from open_clip's own table of results, for orientation alone.

They are of open_clip's prompts and of whole test sets: EuroSAT and RESISC45 differ by several
points for that reason.
"""


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """Zero-shot accuracy of one task: `correct` of `size` test inputs, and what was published.

    `paper`: in percent, of the prompts and test inputs in use, None where nothing comparable was
    published; `open_clip`: see `OPEN_CLIP`.
    """

    task: str
    correct: int
    size: int
    paper: float | None = None
    open_clip: float | None = None

    @property
    def accuracy(self) -> float:
        """Return the accuracy in percent."""
        return 100 * self.correct / self.size

    @property
    def agrees(self) -> bool | None:
        """Whether the accuracy, to one decimal, is within `ZERO_SHOT_TOLERANCE` of the paper's."""
        if self.paper is None:
            return None
        return abs(round(self.accuracy, 1) - self.paper) <= ZERO_SHOT_TOLERANCE + 1e-9


def zero_shot_checks(
    backbone: str, suite: Suite, correct: Counts, sizes: Counts
) -> tuple[ZeroShot, ...]:
    """Return the zero-shot accuracy of every task beside the published ones.

    `correct` of `sizes` test inputs, by task. The paper's values (its Table 1) belong to the
    prompts and test images of suite vision8; partial data have none.
    """
    comparable = suite.name.startswith("vision8") and "-partial" not in suite.name
    paper = published(1, backbone) if comparable else {}
    others = OPEN_CLIP.get(backbone, {}) if comparable else {}
    return tuple(
        ZeroShot(
            task=task,
            correct=correct[task],
            size=sizes[task],
            paper=paper.get(("zero_shot", task)),
            open_clip=others.get(task),
        )
        for task in suite.task_names
    )
