"""Random training batches: which images, which captions, which of them are positives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mergebench.backbones import WordTokenizer
from mergebench.provenance.pretraining.augment import augment
from mergebench.provenance.pretraining.corpus import Corpus

GENERAL_EXTENT, TASK_EXTENT = 44.0, 32.0
"""Mean side in pixels that a view shows: a general image with a margin, a task's image as it is."""
TASK_STRENGTH = 0.5
"""Strength of augmentation for task images, whose colours and positions carry the class."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Pairs as `views` `(N, 3, S, S)` in [0, 1], `tokens` `(N, context)`, `concepts` `(N,)`."""

    views: Tensor
    tokens: Tensor
    concepts: Tensor


class BatchSampler:
    """Draws batches of which a fixed share shows task images, each task equally often.

    Two pairs of a batch are positives of each other if they share a concept: the caption of a
    general pair, the class of a task's image whatever the template. A general caption that equals
    the name of a task's class is the same concept.
    """

    def __init__(self, corpus: Corpus, tokenizer: WordTokenizer, batch: int, task_share: float):
        self._general = corpus.images
        self._tasks = corpus.tasks
        distinct = {text: i for i, text in enumerate(dict.fromkeys(corpus.captions))}
        self._general_concepts = torch.tensor([distinct[text] for text in corpus.captions])
        self._general_tokens = tokenizer(list(distinct))
        self._task_tokens = []
        self._task_concepts = []
        unnamed = len(distinct)
        for task in corpus.tasks:
            self._task_tokens.append(torch.stack([tokenizer(texts) for texts in task.captions()]))
            numbers = [distinct.get(name, unnamed + i) for i, name in enumerate(task.classes)]
            self._task_concepts.append(torch.tensor(numbers))
            unnamed += len(task.classes)
        self._task_count = round(batch * task_share)
        self._general_count = batch - self._task_count

    def draw(self, size: int, generator: torch.Generator) -> Batch:
        """Return the next random batch with views of `size` pixels."""
        chosen = torch.randint(len(self._general), (self._general_count,), generator=generator)
        images = [self._general[chosen]]
        concepts = [self._general_concepts[chosen]]
        tokens = [self._general_tokens[concepts[0]]]
        of_task = torch.randint(len(self._tasks), (self._task_count,), generator=generator)
        for index, task in enumerate(self._tasks):
            count = int((of_task == index).sum())
            chosen = torch.randint(len(task.images), (count,), generator=generator)
            template = torch.randint(len(task.templates), (count,), generator=generator)
            labels = task.labels[chosen]
            images.append(task.images[chosen])
            concepts.append(self._task_concepts[index][labels])
            tokens.append(self._task_tokens[index][labels, template])
        extent = torch.full((self._general_count + self._task_count,), TASK_EXTENT)
        strength = torch.full_like(extent, TASK_STRENGTH)
        extent[: self._general_count] = GENERAL_EXTENT
        strength[: self._general_count] = 1.0
        views = augment(torch.cat(images), extent, strength, size, generator)
        return Batch(views=views, tokens=torch.cat(tokens), concepts=torch.cat(concepts))
