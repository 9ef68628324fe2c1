"""A record as three files: a page to read, numbers in lines, and everything as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from mergebench.gpu_check.goals import goals
from mergebench.gpu_check.page import page
from mergebench.gpu_check.prediction import predictions
from mergebench.gpu_check.record import Missed, Outcome, Record
from mergebench.report import write_csv, write_text

HEADER = ("device", "kind", "subject", "quantity", "value")
_ABOUT = ("backbone", "protection", "column", "stage", "table", "work", "precision", "device")
"""The fields of entries that say what was measured, in the order in which `subject` has them."""


def write_record(record: Record, folder: Path, stem: str) -> list[Path]:
    """Write `<stem>.{md,csv,json}` and return them; `InputError` if one cannot be written."""
    foreseen = [asdict(one) for one in predictions(record)]
    wanted = [{**asdict(one), "reached": one.reached} for one in goals(record)]
    content = {**record.plain(), "predictions": foreseen, "goals": wanted}
    return [
        write_text(folder / f"{stem}.md", page(record)),
        write_csv(folder / f"{stem}.csv", HEADER, _rows(record)),
        write_text(folder / f"{stem}.json", json.dumps(content, indent=1) + "\n"),
    ]


def _rows(record: Record) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield one line for each number, the same as in the JSON but flat."""
    device = record.machine.device
    entries = [one for one in record.entries if not isinstance(one, Outcome | Missed)]
    kinds = [(one.kind, asdict(one)) for one in entries]
    kinds += [("predictions", asdict(one)) for one in predictions(record)]
    for kind, values in kinds:
        subject = " ".join(str(values[name]) for name in _ABOUT if name in values)
        for name, value in values.items():
            if name not in _ABOUT and value is not None:
                yield device, kind, subject, name, f"{value:.6g}"
