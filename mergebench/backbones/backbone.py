"""A dual encoder: a tower as named linear sites, what it takes, and what makes its heads."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mergebench.backbones.tower_parts import TowerParts
from mergebench.backbones.tower_shapes import tensor_paths

_TEXT_BATCH = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class Backbone(ABC):
    """A model whose tower is merged and attacked; heads are made of class names and stay fixed.

    `model`: all of it; `tokenize`: texts to identifiers `(N, context)`; `sha256`: identity of the
    weights (of the checkpoint's bytes where there is a file); `site_pattern`: regular expression
    found in the module paths of the sites; `untrained_pattern`: likewise of the parameters that
    full fine-tuning leaves alone; `notes`: what a caption has to say of the weights. Everything
    is in evaluation mode and frozen.
    """

    name: str
    model: nn.Module
    tokenize: Callable[[Sequence[str]], Tensor]
    sha256: str
    site_pattern: str
    untrained_pattern: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.model.eval().requires_grad_(False)

    @property
    @abstractmethod
    def tower(self) -> nn.Module:
        """The tower: what `prepare` returns to embeddings `(N, d)`."""

    @property
    @abstractmethod
    def parts(self) -> TowerParts:
        """The tower as a sequence of parts."""

    @property
    @abstractmethod
    def logit_scale(self) -> float:
        """The factor on cosine similarities that makes logits (not its logarithm)."""

    @abstractmethod
    def prepare(self, inputs: Tensor) -> Tensor:
        """Return what the tower takes of a suite's inputs, on the backbone's device.

        Raises ValueError for inputs of another kind.
        """

    def lengths(self, inputs: Tensor) -> Tensor | None:
        """Return the length of each of a suite's inputs, `(N,)` int64; None if all cost alike."""
        return None

    @abstractmethod
    def encode_text(self, tokens: Tensor) -> Tensor:
        """Return the embeddings `(N, d)` of what `tokenize` returns, on the backbone's device."""

    @property
    def sites(self) -> dict[str, nn.Linear]:
        """The sites by module path in the tower, in module order.

        They are the linears whose path matches `site_pattern`.
        """
        return linear_sites(self.tower, self.site_pattern)

    @property
    def tensor_paths(self) -> dict[str, str]:
        """The parameters that full fine-tuning changes (see `tensor_paths`): path by name."""
        shapes = {path: value.shape for path, value in self.tower.named_parameters()}
        return tensor_paths(shapes, self.site_pattern, self.untrained_pattern)

    @property
    def tensors(self) -> dict[str, nn.Parameter]:
        """The parameters of `tensor_paths`, by the same names."""
        parameters = dict(self.tower.named_parameters())
        return {name: parameters[path] for name, path in self.tensor_paths.items()}

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.tower.parameters()).device

    def features(self, inputs: Tensor) -> Tensor:
        """Return unit embeddings `(N, d)` float32 of a suite's inputs."""
        return functional.normalize(self.tower(self.prepare(inputs)).float(), dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings `(len(texts), d)` of class prompts, float32, not normalised."""
        batches = [texts[i : i + _TEXT_BATCH] for i in range(0, len(texts), _TEXT_BATCH)]
        return torch.cat(
            [self.encode_text(self.tokenize(batch).to(self.device)).float() for batch in batches]
        )


def linear_sites(tower: nn.Module, pattern: str) -> dict[str, nn.Linear]:
    """Return the linears of `tower` whose module path matches `pattern`, in module order."""
    return {
        path: module
        for path, module in tower.named_modules()
        if isinstance(module, nn.Linear) and re.search(pattern, path)
    }
