"""Every merge of a table as a CSV file: counts, choices, and tests against the unprotected one."""

from __future__ import annotations

from pathlib import Path

from mergebench.measure import Context, wilson
from mergebench.report.comparison import Pair
from mergebench.report.doubts import listed, tally
from mergebench.report.estimates import interval_columns
from mergebench.report.labels import protection_key
from mergebench.report.merged_accuracies import Table2
from mergebench.report.spread import fixed
from mergebench.report.table2 import pair_views, view_key
from mergebench.report.writing import settings_text, write_csv

_DIGITS = 2


def write_targets(file: Path, table: Table2, context: Context) -> Path:
    """Write a row per merge and target, unprotected merges once for each; return the file.

    Raises `InputError` when it cannot be written.
    """
    header = [
        *("backbone", "release", "protection", "attack", "space", "target", "seed"),
        *("accuracy", "others_accuracy", "all_accuracy", "correct", "total"),
        *("alpha", "options", "points", "protocol"),
        *(f"{task}_correct" for task in table.tasks),
        *("low_95", "high_95", "only_unprotected", "only_protected", "mcnemar_p", "warnings"),
    ]
    pairs = pair_views(table.views)
    rows = []
    for view in table.views:
        merged = view.merged
        rows.append(
            [
                *(context.backbone, context.release, protection_key(merged.protection)),
                *(merged.attack, merged.space, view.target, merged.seed),
                *(fixed(x, _DIGITS) for x in (view.accuracy, view.others, view.overall)),
                *(view.correct, view.size),
                *(
                    f"{merged.alpha:g}",
                    settings_text(merged.options),
                    merged.points,
                    context.protocol,
                ),
                *(merged.correct.get(task, "") for task in table.tasks),
                *interval_columns(wilson(view.correct, view.size)),
                *_paired(pairs.get(view_key(view))),
                listed(tally(warning.kind for warning in merged.warnings)),
            ]
        )
    return write_csv(file, header, rows)


def _paired(pair: Pair | None) -> list[object]:
    test = pair.test() if pair else None
    return [test.only_first, test.only_second, f"{test.p_value:.3g}"] if test else [""] * 3
