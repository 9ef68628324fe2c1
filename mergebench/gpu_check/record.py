"""What one run measured: entries of several kinds, about one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, TypeVar

from mergebench.backbones import Precision


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it ran: `device` is the model of the GPU, or of the processor on a CPU.

    `memory`: bytes of the GPU, None on a CPU; `cuda`: what PyTorch was built with, None likewise.
    """

    device: str
    kind: str
    processor: str
    cores: int
    memory: int | None
    python: str
    torch: str
    cuda: str | None
    code: str
    date: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one test ended: passed, failed, error or skipped."""

    kind: ClassVar[str] = "tests"
    test: str
    outcome: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.outcome}: {self.test}"


@dataclass(frozen=True, kw_only=True)
class MatrixSpeed:
    """FLOP per second of a product of two square matrices of `side`, the median of repetitions."""

    kind: ClassVar[str] = "matrix_products"
    precision: Precision
    side: int
    flops: float

    def __str__(self) -> str:
        """Return it in one line."""
        return f"matrices of {self.side}, {self.precision}: {self.flops / 1e12:.3g} TFLOP/s"


@dataclass(frozen=True, kw_only=True)
class EvaluationSpeed:
    """Images per second of an evaluation, and the FLOP that were counted per image."""

    kind: ClassVar[str] = "evaluation"
    backbone: str
    precision: Precision
    images: int
    images_per_second: float
    flop_per_image: float

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.backbone}, {self.precision}: {self.images_per_second:.4g} images/s"


@dataclass(frozen=True, kw_only=True)
class TrainingSpeed:
    """The median step of a fine-tuning run and the FLOP that were counted in one.

    `peak_bytes`: what the GPU's allocator gave out at once; None on a CPU.
    """

    kind: ClassVar[str] = "training"
    backbone: str
    protection: str
    precision: Precision
    batch: int
    step_seconds: float
    flop_per_step: float
    peak_bytes: int | None

    def __str__(self) -> str:
        """Return it in one line."""
        what = f"{self.backbone}, {self.protection}, {self.precision}"
        return f"{what}: {1 / self.step_seconds:.3g} steps/s"


@dataclass(frozen=True, kw_only=True)
class MergeTime:
    """Seconds of merging a whole model of the shapes of `backbone` under one attack@space.

    Of its `sites` only `timed` were, and the result is multiplied. `first`: components and one
    merge; `point`: one more merge, components at hand; `grid`: the first and every structural
    point, of which there are `structures`.
    """

    kind: ClassVar[str] = "merging"
    backbone: str
    column: str
    device: str
    timed: int
    sites: int
    structures: int
    first: float
    point: float
    grid: float

    def __str__(self) -> str:
        """Return it in one line."""
        what = f"{self.column} on {self.device}, shapes of {self.backbone}"
        return f"{what}: first merge {self.first:.3g} s, grid {self.grid:.3g} s"


@dataclass(frozen=True, kw_only=True)
class AlphaTime:
    """Seconds of a further merging coefficient, of all sites of a backbone."""

    kind: ClassVar[str] = "alphas"
    backbone: str
    device: str
    bytes: int
    seconds: float

    def __str__(self) -> str:
        """Return it in one line."""
        return f"a further alpha of {self.backbone} on {self.device}: {1000 * self.seconds:.3g} ms"


@dataclass(frozen=True, kw_only=True)
class TableRun:
    """A table from scratch: how much of a stage was done in how many seconds."""

    kind: ClassVar[str] = "tables"
    backbone: str
    stage: str
    done: int
    wanted: int
    processes: int
    seconds: float

    def __str__(self) -> str:
        """Return it in one line."""
        done = f"{self.done} of {self.wanted} {self.stage}"
        return f"{self.backbone}: {done} in {self.seconds:.1f} s"


@dataclass(frozen=True, kw_only=True)
class Missed:
    """What was not measured, and why."""

    kind: ClassVar[str] = "not_measured"
    part: str
    what: str
    why: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"not measured: {self.what} ({self.why})"


Entry = (
    Outcome
    | MatrixSpeed
    | EvaluationSpeed
    | TrainingSpeed
    | MergeTime
    | AlphaTime
    | TableRun
    | Missed
)
EntryT = TypeVar("EntryT", bound=Entry)

KINDS: tuple[type[Entry], ...] = (
    *(Outcome, MatrixSpeed, EvaluationSpeed, TrainingSpeed),
    *(MergeTime, AlphaTime, TableRun, Missed),
)


@dataclass(kw_only=True)
class Record:
    """All entries of a run in the order in which they came; `budget` in seconds."""

    machine: Machine
    size: str
    budget: int
    entries: list[Entry] = field(default_factory=list)

    def of(self, kind: type[EntryT]) -> list[EntryT]:
        """Return the entries of one kind."""
        return [entry for entry in self.entries if isinstance(entry, kind)]

    def matrix_speed(self, precision: Precision) -> float | None:
        """Return the FLOP per second of matrix products, if they were measured."""
        found = [one.flops for one in self.of(MatrixSpeed) if one.precision == precision]
        return found[0] if found else None

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON has it: entries by kind."""
        kinds: dict[str, Sequence[Any]] = {
            kind.kind: [asdict(entry) for entry in self.of(kind)] for kind in KINDS
        }
        return {
            "machine": asdict(self.machine),
            "size": self.size,
            "budget_seconds": self.budget,
            **kinds,
        }
