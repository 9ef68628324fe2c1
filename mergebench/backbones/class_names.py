"""Which class names a text tower can tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from mergebench.backbones.backbone import Backbone
from mergebench.backbones.clip import WordTokenizer, content_words
from mergebench.errors import InputError, shown


def check_classes(backbone: Backbone, classes: Sequence[str], templates: Sequence[str]) -> None:
    """Raise InputError for a class that means nothing to the text tower, or the same as another.

    The embedded backbones know the words of their own tasks and little else; every other word is
    one and the same to them. So a class is refused if none of its content words is known, and two
    classes if their tokens are equal in every template, as their rows of a head would then be. A
    class of which some words are unknown is the class that its other words say.
    """
    for name in classes:
        words = content_words(name)
        if not words:
            raise InputError(f"class {shown(name)!r} has no word: name it")
        unknown = _unknown(backbone, name)
        if len(unknown) == len(set(words)):
            raise InputError(
                f"{backbone.name} knows no word of class {shown(name)!r} ({_listed(unknown)}): "
                "name it in other words (--names), or choose another --backbone"
            )
    for first, second in _same_tokens(backbone, classes, templates):
        unknown = list(dict.fromkeys(_unknown(backbone, first) + _unknown(backbone, second)))
        why = (
            f"does not know {_listed(unknown)}"
            if unknown
            else "reads them alike (case, spaces and what exceeds its context do not count)"
        )
        raise InputError(
            f"classes {shown(first)!r} and {shown(second)!r} are the same to {backbone.name}, "
            f"which {why}: name them in other words (--names)"
        )


def _unknown(backbone: Backbone, name: str) -> list[str]:
    """Return the content words of a class that have no token; a tokenizer of parts has all."""
    tokenize = backbone.tokenize
    if not isinstance(tokenize, WordTokenizer):
        return []
    return [word for word in dict.fromkeys(content_words(name)) if not tokenize.knows(word)]


def _same_tokens(
    backbone: Backbone, classes: Sequence[str], templates: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Return the pairs of classes whose tokens are equal in every template."""

    def tokens(names: Sequence[str], template: str) -> list[tuple[int, ...]]:
        rows = backbone.tokenize([template.format(name) for name in names])
        return [tuple(row) for row in rows.tolist()]

    alike: dict[tuple[int, ...], list[str]] = {}
    for name, row in zip(classes, tokens(classes, templates[0]), strict=True):
        alike.setdefault(row, []).append(name)
    for names in alike.values():
        for pair in combinations(names, 2):
            if all(len(set(tokens(pair, other))) == 1 for other in templates[1:]):
                yield pair


def _listed(words: Sequence[str]) -> str:
    return ", ".join(repr(shown(word)) for word in words)
