"""Loading of the suite: its texts as the token ids that a backbone takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mergebench.suites.inputs import inputs_of
from mergebench.suites.options import SuiteOptions
from mergebench.suites.split_names import SPLIT_NAMES
from mergebench.suites.suite import Split, Suite, Task
from mergebench.suites.text8.labelled_texts import Texts, TextTask
from mergebench.suites.text8.reading import read_tasks

_Tokenize = Callable[[Sequence[str]], Tensor]


def load_text8(tasks: Sequence[str] | None = None, *, options: SuiteOptions | None = None) -> Suite:
    """Load the suite, or only `tasks` of it in its own order, tokenised by `options.tokenize`.

    The suite is called `text8`, with `-partial` behind it when the options say so, and hashes
    differ with the name. Raises `InputError` as `read_tasks` does, and ValueError without a
    tokenizer.
    """
    options = options or SuiteOptions()
    if options.tokenize is None:
        raise ValueError("suite text8 needs the tokenizer of a backbone")
    found = read_tasks(tasks, options=options)
    loaded = tuple(_task(task, options.tokenize) for task in found)
    width = loaded[0].splits["test"].inputs.shape[1]
    return Suite(
        name="text8-partial" if options.partial else "text8",
        tasks=loaded,
        size=width,
        inputs=inputs_of("text8"),
        unit="tokens",
        notes=(*_notes(found), _cut(loaded, width)),
    )


def _task(task: TextTask, tokenize: _Tokenize) -> Task:
    return Task(
        name=task.name,
        classes=task.classes,
        templates=task.templates,
        splits={name: _split(task.splits[name], tokenize) for name in SPLIT_NAMES},
    )


def _split(texts: Texts, tokenize: _Tokenize) -> Split:
    labels = torch.tensor(texts.labels, dtype=torch.int64)
    return Split(inputs=tokenize(texts.texts), labels=labels)


def _notes(tasks: Sequence[TextTask]) -> list[str]:
    """Return what captions state: sources, and what was left out of which."""
    sources = ", ".join(f"{task.name} {task.source}" for task in tasks)
    return [f"Texts: {sources}.", *(note for task in tasks for note in task.notes)]


def _cut(tasks: Sequence[Task], width: int) -> str:
    """Return how many test texts fill all the tokens that are read, and may go on behind them."""
    shares = {
        task.name: round(100 * float(task.splits["test"].inputs[:, -1].ne(0).double().mean()))
        for task in tasks
    }
    cut = ", ".join(f"{name} {share} %" for name, share in shares.items() if share)
    return f"At most {width} tokens of a text are read; test texts that have so many: {cut or 0}."
