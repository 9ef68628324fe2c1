"""Which loops of `transformers` a trap can be trained in, and what its pass leaves alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mergebench.errors import InputError, shown
from mergebench.hf.adapter import Adapter
from mergebench.train import TrapOptions
from mergebench.updates import is_quantised

if TYPE_CHECKING:
    from transformers import Trainer

_ROUNDED = (
    "trap2: the base is quantised, so the trap is trained around rounded weights, while the "
    "adapter will be added to other ones; evaluate it on the base that it is published for"
)


def check_loop(trainer: Trainer, trap: TrapOptions) -> None:
    """Raise `InputError` if the trainer's loop cannot hold two passes a step, with the reason."""
    args = trainer.args
    reasons = {
        "DeepSpeed takes an optimiser step with every backward pass": trainer.is_deepspeed_enabled,
        "FSDP was not tested with two backward passes a step": trainer.is_fsdp_enabled,
        "torch.compile compiles anew for every scale; leave torch_compile off": args.torch_compile,
        f"{args.optim} updates weights within a backward pass": "lomo" in str(args.optim),
        "cap needs the model's own loss, without label smoothing and compute_loss_func": trap.cap
        > 0
        and (trainer.label_smoother is not None or trainer.compute_loss_func is not None),
        f"scales_per_step is {trap.scales_per_step}; that many batches must be accumulated, set "
        f"gradient_accumulation_steps": trap.scales_per_step > args.gradient_accumulation_steps,
    }
    for reason, applies in reasons.items():
        if applies:
            raise InputError(f"trap2: {reason}")


def warn_of_rounded(model: nn.Module, adapter: Adapter) -> None:
    """Warn whoever makes a trainer if a layer that the adapter changes is quantised."""
    bases = (layer.get_base_layer() for layer in adapter.layers)
    weights = (getattr(base, "weight", None) for base in bases)
    if getattr(model, "is_quantized", False) or any(
        isinstance(weight, Tensor) and is_quantised(weight) for weight in weights
    ):
        warnings.warn(_ROUNDED, stacklevel=3)


def check_trained(model: nn.Module, adapter: Adapter) -> None:
    """Raise `InputError` if something beside the adapter is trained, which no scale multiplies."""
    known = {id(weight) for weight in (*adapter.scaled_parameters(), *adapter.head_parameters())}
    for name, weight in model.named_parameters():
        if weight.requires_grad and id(weight) not in known:
            raise InputError(
                f"trap2: {shown(name)} is trained and is no part of adapter {adapter.name!r}, so "
                "that the scale would not change it; set its requires_grad to False"
            )


@contextmanager
def held(weights: Iterable[Tensor]) -> Iterator[None]:
    """Let no gradient come to `weights` inside."""
    trained = [weight for weight in weights if weight.requires_grad]
    try:
        for weight in trained:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)


@contextmanager
def buffers_sent_again(model: nn.Module) -> Iterator[None]:
    """Have the pass after this one start, as without it, from the buffers of the first process.

    `DistributedDataParallel` sends them before a pass only if the pass before it synchronised.
    """
    due = getattr(model, "require_forward_param_sync", None)
    try:
        yield
    finally:
        if due is not None:
            model.require_forward_param_sync = due
