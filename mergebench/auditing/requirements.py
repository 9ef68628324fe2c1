"""What an audit is required to find: `denied>=0.8`, for other people's pipelines."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from mergebench.auditing.record import Audit, Outcome
from mergebench.errors import InputError, unknown_name
from mergebench.measure import Estimate

_DIGITS = 9
"""Of numbers that are compared: 75 points are such, whatever floats add up to."""
_FORM = re.compile(r"\s*([a-z_.]+)\s*(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*")
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_OF_OUTCOMES = tuple(
    item.name for item in fields(Outcome) if item.name not in ("knowledge", "attack", "alpha")
)
_ESTIMATES = (
    *("base", "alone", "gain_alone"),
    *_OF_OUTCOMES,
    *(f"{name}_informed" for name in _OF_OUTCOMES),
)
NAMES = tuple(f"{name}{end}" for name in _ESTIMATES for end in ("", ".low", ".high"))
"""What may be required: the number itself, or an end of its interval of 95 %."""


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A number of an audit, a comparison and a bound, as `text` says it."""

    text: str
    name: str
    comparison: str
    bound: float

    @property
    def is_denied(self) -> bool:
        """Whether it speaks of what is denied, which takes a plain twin to compare with."""
        of_whom = self.name.partition(".")[0].removesuffix("_informed")
        return of_whom in ("denied", "denied_overall")

    def failure(self, audit: Audit) -> str | None:
        """Return in one line how an audit fails it; None if it does not.

        A number that is not defined meets no requirement.
        """
        value = value_of(audit, self.name)
        if value is None:
            return f"{audit.adapter}: {self.text} is required, and {self.name} is not defined here"
        if _COMPARISONS[self.comparison](value, self.bound):
            return None
        return f"{audit.adapter}: {self.text} is required, and {self.name} is {value:.4g}"


def parse_requirement(text: str) -> Requirement:
    """Return what `NAME>=NUMBER` says, also with <=, > or <.

    Raises `InputError` for anything else, with the nearest names for an unknown one, and for a
    share that no adapter can have.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise InputError(f"--require {text!r}: expected NAME>=NUMBER, such as denied>=0.8")
    name, comparison, number = found.groups()
    if name not in NAMES:
        raise InputError(
            f"--require {text!r}: {unknown_name('number', name, _ESTIMATES)}; .low and .high "
            "behind one are the ends of its interval"
        )
    need = Requirement(text=text.strip(), name=name, comparison=comparison, bound=float(number))
    if need.is_denied and need.bound > 1:
        raise InputError(
            f"--require {text!r}: {name} is a share of at most 1; give a number up to 1"
        )
    return need


def check_plain_given(required: Sequence[Requirement], plain: str | None) -> None:
    """Raise `InputError` for a share that is denied where no `plain` twin says what there is.

    Without one it would be what merging does not keep, of which any adapter loses some: a plain one
    that merges badly would pass for a protected one.
    """
    for need in required:
        if plain is None and need.is_denied:
            raise InputError(
                f"--require {need.text!r}: without a plain adapter of the same task {need.name} "
                "says nothing of a protection; give one by --plain, or require kept<=NUMBER instead"
            )


def value_of(audit: Audit, name: str) -> float | None:
    """Return the number called `name`, one of `NAMES`; None where it is not defined."""
    plain, _, end = name.partition(".")
    if plain in ("base", "alone"):
        accuracy = getattr(audit, plain)[audit.task]
        value = {"": accuracy.percent, "low": accuracy.low_95, "high": accuracy.high_95}[end]
        return float(value)
    if plain == "gain_alone":
        return _end_of(audit.gain_alone, end)
    outcome = audit.informed if plain.endswith("_informed") else audit.blind
    if outcome is None:
        return None
    found = getattr(outcome, plain.removesuffix("_informed"))
    if plain.removesuffix("_informed") == "accuracy":
        return float({"": found.percent, "low": found.low_95, "high": found.high_95}[end])
    return _end_of(found, end)


def _end_of(estimate: Estimate | None, end: str) -> float | None:
    if estimate is None or (end and estimate.interval is None):
        return None
    value = estimate.value if not end else getattr(estimate.interval, end)
    return round(float(value), _DIGITS) if math.isfinite(value) else None
