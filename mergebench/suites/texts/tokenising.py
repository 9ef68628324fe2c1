"""Tasks of texts as the token ids that a backbone takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from mergebench.suites.split_names import SPLIT_NAMES
from mergebench.suites.suite import Split, Task
from mergebench.suites.texts.labelled_texts import Texts, TextTask

Tokenize: TypeAlias = Callable[[Sequence[str]], Tensor]
"""Takes texts and returns their token ids `(N, L)`."""


def tokenised(task: TextTask, tokenize: Tokenize) -> Task:
    """Return a task as a backbone takes it."""
    return Task(
        name=task.name,
        classes=task.classes,
        templates=task.templates,
        splits={name: _split(task.splits[name], tokenize) for name in SPLIT_NAMES},
    )


def cut_note(tasks: Sequence[Task], width: int) -> str:
    """Return how many test texts fill all the tokens that are read, and may go on behind them."""
    shares = {
        task.name: round(100 * float(task.splits["test"].inputs[:, -1].ne(0).double().mean()))
        for task in tasks
    }
    cut = ", ".join(f"{name} {share} %" for name, share in shares.items() if share)
    return f"At most {width} tokens of a text are read; test texts that have so many: {cut or 0}."


def _split(texts: Texts, tokenize: Tokenize) -> Split:
    labels = torch.tensor(texts.labels, dtype=torch.int64)
    return Split(inputs=tokenize(texts.texts), labels=labels)
