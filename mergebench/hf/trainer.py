"""Trap² in a `transformers.Trainer`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer

from mergebench.errors import InputError
from mergebench.hf.adapter import Adapter, active_adapter
from mergebench.hf.capping import CappedLoss, predicts_nothing
from mergebench.hf.checks import check_scale
from mergebench.hf.deployment import adapter_at
from mergebench.hf.repeated_draws import repeated_draws
from mergebench.hf.swapping import unaltered_statistics
from mergebench.hf.trainable import (
    buffers_sent_again,
    check_loop,
    check_trained,
    held,
    warn_of_rounded,
)
from mergebench.seeding import generator
from mergebench.train import TrapOptions


class Trap2Trainer(Trainer):
    """A `transformers.Trainer` of which the adapter works at scale 1 and fails at others.

    Takes what `Trainer` takes and, by name, `trap`, how the trap is set; `adapter`, which adapter
    of the model is trained, by default its active one; and `evaluation_scales`, at which
    `evaluate` looks as well (`eval_at_0.5_loss` beside `eval_loss`).

    Every batch is seen twice, at a scale s and at 1, with the same dropout masks. One s is drawn
    per optimiser step, from a generator of (`args.seed`, the step) alone: all processes have the
    same, a run that goes on from a checkpoint draws what it would have drawn, and the global
    generators are left as the plain Trainer leaves them. With `scales_per_step` the batches of an
    accumulation window are that many groups. Losses are normalised as by the plain Trainer, of
    which this has every bit where λ is 0. What the scale does not multiply, heads, learns from the
    loss at scale 1 alone. The mean loss at the drawn scales is logged as `off_nominal_loss`. A
    batch without a label (all -100) adds nothing to the trap, as it adds no nominal gradient.

    Raises `InputError` for models that are not `W0 + s ΔW` (see `deployed_at`), for trained
    parameters outside the adapter, for loops that cannot hold two passes (see `check_loop`), and
    where the scaled loss stops being finite.
    """

    def __init__(
        self,
        *args: Any,
        trap: TrapOptions | None = None,
        adapter: str | None = None,
        evaluation_scales: Sequence[float] = (),
        **kwargs: Any,
    ) -> None:
        self.trap = trap or TrapOptions()
        self.adapter = adapter
        self.evaluation_scales = tuple(evaluation_scales)
        for scale in self.evaluation_scales:
            check_scale(scale)
        super().__init__(*args, **kwargs)
        check_loop(self, self.trap)
        check_trained(self._module, self._trained())
        warn_of_rounded(self._module, self._trained())
        self._capped = (
            CappedLoss(self.trap.cap, self._module, self.accelerator.num_processes)
            if self.trap.cap > 0
            else None
        )
        self._portion, self._portions = 0, 1
        self._off_nominal, self._trapped_steps = torch.zeros(()), 0

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """Return the batches of the next optimiser step, as `Trainer`."""
        batches, items = super().get_batch_samples(*args, **kwargs)
        self._portion, self._portions = 0, max(1, len(batches))
        return batches, items

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Accumulate the trap's gradient of one batch, then the nominal; return the loss at 1.

        The pass at scale 1 is the last, in which processes add up the gradients of both.
        """
        index, portion = self.state.global_step, self._portion
        self._portion += 1
        strength = self.trap.strength_at(index / self.state.max_steps)
        if strength > 0:
            scale = self.scale_of(index, portion)
            factor = -strength * self.trap.weight(scale)
            with self._trapped(model, scale, factor):
                scaled = super().training_step(model, inputs, num_items_in_batch)
            excess = 1 if self._capped is None else self._capped.excess
            self._note(scaled / factor * excess, scale)
        return super().training_step(model, inputs, num_items_in_batch)

    def scale_of(self, index: int, portion: int = 0) -> float:
        """Return the s of optimiser step `index`, from 0, for batch `portion` of its window.

        Beyond the last batch, where a subclass takes more steps than there are, it is the last s.
        """
        portion = min(portion, self._portions - 1)
        draws = generator(self.args.seed, "scale", index)
        scales = (
            (group, self.trap.draw_scale(draws)) for group in self.trap.groups(self._portions)
        )
        return next(scale for group, scale in scales if portion < group.stop)

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Evaluate as `Trainer`, then at `evaluation_scales`; return all metrics.

        Those at a scale are logged on their own; callbacks see the nominal ones.
        """
        metrics: dict[str, float] = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        if isinstance(self.eval_dataset if eval_dataset is None else eval_dataset, dict):
            return metrics  # each of them came here on its own
        for scale in self.evaluation_scales:
            with repeated_draws(), adapter_at(self._module, self._trained(), scale):
                output = self.evaluation_loop(
                    self.get_eval_dataloader(eval_dataset),
                    description=f"Evaluation at scale {scale:g}",
                    prediction_loss_only=True if self.compute_metrics is None else None,
                    ignore_keys=ignore_keys,
                    metric_key_prefix=f"{metric_key_prefix}_at_{scale:g}",
                )
            found = {k: v for k, v in (output.metrics or {}).items() if not k.endswith("_time")}
            self.log(found)
            metrics.update(found)
        return metrics

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log as `Trainer`, and beside `loss` the mean loss at the scales drawn since then."""
        if "loss" in logs and self._trapped_steps > 0:
            mean = self._off_nominal / self._trapped_steps
            logs["off_nominal_loss"] = float(self.accelerator.gather(mean).mean())
            self._off_nominal, self._trapped_steps = torch.zeros(()), 0
        super().log(logs, *args, **kwargs)

    @property
    def _module(self) -> nn.Module:
        assert self.model is not None, "Trainer refuses to be made without a model"
        return self.model

    def _trained(self) -> Adapter:
        return active_adapter(self._module, self.adapter)

    @contextmanager
    def _trapped(self, model: nn.Module, scale: float, factor: float) -> Iterator[None]:
        """Deploy the adapter at `scale` and multiply what `compute_loss` returns by `factor`."""
        adapter = self._trained()
        compute_loss: Any = self.compute_loss

        def multiplied(model: nn.Module, inputs: dict[str, Any], **options: Any) -> Any:
            unlabelled = predicts_nothing(self._module, inputs)  # before a loss takes labels out
            if self._capped is None:
                loss = compute_loss(model, inputs, **options)
            else:
                loss, outputs = compute_loss(model, inputs, return_outputs=True, **options)
            if unlabelled and not loss.nan_to_num().any():
                # 0/n or 0/0, without a gradient at scale 1. Other processes may have labels, so
                # that the pass has to be run for what they send each other.
                return torch.zeros_like(loss, requires_grad=True)
            if self._capped is not None:
                loss = self._capped(loss, outputs, inputs, options["num_items_in_batch"])
            return factor * loss

        with (
            repeated_draws(),
            buffers_sent_again(model),
            self.accelerator.no_sync(model),
            held(adapter.head_parameters()),
            unaltered_statistics(self._module),
            adapter_at(self._module, adapter, scale),
        ):
            # On the instance, so that it wraps a method that a subclass overrides, too, and a
            # function that somebody else put there, which comes back.
            set_here = "compute_loss" in self.__dict__
            self.__dict__["compute_loss"] = multiplied
            try:
                yield
            finally:
                del self.__dict__["compute_loss"]
                if set_here:
                    self.__dict__["compute_loss"] = compute_loss

    def _note(self, loss: Tensor, scale: float) -> None:
        """Add the scaled loss of a batch to what is logged; where a scaler of fp16 skips steps
        that overflow, they are no error.
        """
        if self.accelerator.scaler is None and not math.isfinite(float(loss)):
            raise InputError(
                f"trap2: the loss at scale {scale:.3g} is {float(loss)} at step "
                f"{self.state.global_step + 1}; lower strength or learning rate, or set cap"
            )
        self._off_nominal = self._off_nominal.to(loss.device) + loss
        self._trapped_steps += self._portion == 1
