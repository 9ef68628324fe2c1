"""What tables call the inputs of tasks: images or texts, as the suite says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_data import CONTEXT, MEASUREMENTS, printed

from mergebench.measure import COLLAPSED, FROM_BASE, UTILITY_LOSS, Measurements, Recovered
from mergebench.report import write_table1, write_table2
from mergebench.report.beside_paper import BesidePaper
from mergebench.report.doubts import legend
from mergebench.report.drawing import draw_recovery
from mergebench.report.recovery import recovery

WORDS = pytest.mark.parametrize("inputs", ["images", "texts"])
TEXTS = replace(
    MEASUREMENTS,
    context=replace(CONTEXT, inputs="texts"),
    merged=tuple(
        replace(one, correct=MEASUREMENTS.merged[0].correct) for one in MEASUREMENTS.merged
    ),
)
"""Protection makes no difference, which tables explain by McNemar's test."""


@WORDS
def test_letters_of_warnings_are_explained_in_the_words_of_the_suite(inputs):
    collapsed, loss = legend({"2 merges": {COLLAPSED: 1, UTILITY_LOSS: 2}}, inputs)
    assert f"for more than half of some task's test {inputs}, and 1.5 times as often" in collapsed
    assert collapsed.endswith("any is true: 1 of 2 merges.")
    assert f"beyond chance on these {inputs}: 2 of 2 merges." in loss


@WORDS
def test_numbers_beside_the_papers_are_over_inputs_of_the_suite(inputs):
    text = BesidePaper(number=1, inputs=inputs, rows=(), partial=True).sentences
    assert f"over test {inputs} for one task" in text
    assert f"The {inputs} are partial data here" in text


@WORDS
def test_the_recovery_figure_counts_inputs_of_the_suite(inputs):
    rows = tuple(
        Recovered(
            seed=0,
            protection=FROM_BASE,
            target="kana",
            inputs_per_class=budget,
            inputs=10 * budget,
            correct=20,
            size=50,
        )
        for budget in (0, 4)
    )
    context = replace(CONTEXT, inputs=inputs)
    shown = recovery(Measurements(context=context, recovered=rows))
    label = draw_recovery(shown, footer="").axes[0].get_xlabel()
    assert label == f"labelled training {inputs} per class of the target"


def test_tables_of_texts_speak_of_no_images(tmp_path: Path):
    files = [*write_table1(TEXTS, tmp_path), *write_table2(TEXTS, tmp_path)]
    written = "".join(file.read_text() for file in files) + printed(TEXTS)
    assert "McNemar's exact test on the targets' test texts" in written
    assert "image" not in written
