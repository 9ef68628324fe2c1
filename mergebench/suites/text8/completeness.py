"""Whether a source has the texts that its task is published with."""

from __future__ import annotations

from collections.abc import Mapping

from mergebench.errors import InputError
from mergebench.suites.text8.source import Source
from mergebench.suites.text8.tasks import Form, TextRow


def form_of(row: TextRow, source: Source) -> Form | None:
    """Return the form whose files and sizes a source has, None if it has those of none."""
    return next((form for form in row.forms if dict(form.sizes) == dict(source.counts)), None)


def check_sizes(row: TextRow, source: Source, *, partial: bool) -> None:
    """Raise `InputError` stating what a source has and what was expected, unless `partial`."""
    if not partial and form_of(row, source) is None:
        expected = " or ".join(f"{_listed(form.sizes)} ({form.name})" for form in row.forms)
        raise InputError(
            f"{source}: has {_listed(source.counts)} texts; expected {expected}; use the whole "
            "data set or --partial"
        )


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size:,}" for name, size in sorted(sizes.items()))
