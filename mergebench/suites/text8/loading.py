"""Loading of the suite: its texts as the token ids that a backbone takes."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.suites.inputs import inputs_of
from mergebench.suites.options import SuiteOptions
from mergebench.suites.suite import Suite
from mergebench.suites.text8.reading import read_tasks
from mergebench.suites.texts import TextTask, cut_note, tokenised


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
    loaded = tuple(tokenised(task, options.tokenize) for task in found)
    width = loaded[0].splits["test"].inputs.shape[1]
    return Suite(
        name="text8-partial" if options.partial else "text8",
        tasks=loaded,
        size=width,
        inputs=inputs_of("text8"),
        unit="tokens",
        notes=(*_notes(found), cut_note(loaded, width)),
    )


def _notes(tasks: Sequence[TextTask]) -> list[str]:
    """Return what captions state: sources, and what was left out of which."""
    sources = ", ".join(f"{task.name} {task.source}" for task in tasks)
    return [f"Texts: {sources}.", *(note for task in tasks for note in task.notes)]
