"""Updates as attacks know them: where a file lies would say which of them is protected."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.updates import Update


class Nameless:
    """Updates under labels that give nothing away, and the files that errors have to name.

    `labels`: one for each update, all different.
    """

    def __init__(self, updates: Sequence[Update], labels: Sequence[str]) -> None:
        pairs = [*zip(updates, labels, strict=True)]
        self.shown = tuple(update.labelled(label) for update, label in pairs)
        self._files = {id(one): file for one, file in zip(self.shown, updates, strict=True)}
        self._labels = {label: update.label for update, label in pairs}

    def named(self, updates: Sequence[Update]) -> list[Update]:
        """Return updates of `shown`, and what was made of one of them, labelled by their files."""
        return [self._named(update) for update in updates]

    def _named(self, update: Update) -> Update:
        if id(update) in self._files:
            return self._files[id(update)]
        label = self._labels.get(update.label)
        return update if label is None else update.labelled(label)
