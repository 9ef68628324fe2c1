"""What moves the trained parameters, step by step."""

from __future__ import annotations

import torch

from mergebench.train.tower import Tower


class Descent:
    """AdamW on the parameters of `tower`, as the tower's recipe says."""

    def __init__(self, tower: Tower) -> None:
        self._parameters, self._recipe = tower.parameters, tower.recipe
        self._optimizer = torch.optim.AdamW(
            self._parameters,
            lr=self._recipe.learning_rate,
            betas=self._recipe.betas,
            eps=self._recipe.eps,
            weight_decay=self._recipe.weight_decay,
            fused=True,
        )

    def step(self, index: int) -> None:
        """Take step `index`, from 0, down the gradient that the parameters have, and forget it."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate_at(index)
        if self._recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
