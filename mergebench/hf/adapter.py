"""The LoRA adapter of a PEFT model, if its model is `W0 + s ΔW` at every scale s."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from mergebench.errors import InputError, unknown_name
from mergebench.updates import beyond_heads

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer

_CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapter:
    """The active adapter `name` of a model.

    `layers`: what holds its factors; `whole`: modules that it replaces by trained copies
    (`modules_to_save`), by their path: the copy and the original. `heads`: those of them that read
    the model's output; they belong to their task and are no part of what is merged.
    """

    name: str
    layers: tuple[LoraLayer, ...]
    whole: dict[str, tuple[nn.Module, nn.Module]]
    heads: dict[str, nn.Module]

    def scaled_parameters(self) -> Iterator[Tensor]:
        """Yield the trained tensors that the scale multiplies or moves."""
        for layer in self.layers:
            for kind in ("lora_A", "lora_B"):
                if self.name in getattr(layer, kind):
                    yield from getattr(layer, kind)[self.name].parameters()
            for kind in ("lora_embedding_A", "lora_embedding_B"):
                if self.name in getattr(layer, kind):
                    yield getattr(layer, kind)[self.name]
        for trained, _ in self.whole.values():
            yield from trained.parameters()

    def head_parameters(self) -> Iterator[Tensor]:
        """Yield the trained tensors of heads."""
        for head in self.heads.values():
            yield from head.parameters()


def active_adapter(model: nn.Module, name: str | None = None) -> Adapter:
    """Return adapter `name` of `model`, by default the one that is active.

    Raises `InputError` with the reason where there is none, where several are active and none is
    named, where it is merged or switched off, and where its model is not `W0 + s ΔW` at scale s:
    DoRA and the other variants of LoRA, trained biases, initialisations that change the base, and
    other methods than LoRA.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import ModulesToSaveWrapper

    layers: list[Any] = [part for part in model.modules() if isinstance(part, BaseTunerLayer)]
    chosen = _chosen(layers, name)
    own = [layer for layer in layers if chosen in _adapters(layer)]
    for config in _configs(model, chosen):
        _check_config(chosen, config)
    _check_layers(chosen, own)
    whole: dict[str, tuple[nn.Module, nn.Module]] = {}
    heads: dict[str, nn.Module] = {}
    for path, module in model.named_modules():
        if isinstance(module, ModulesToSaveWrapper) and chosen in module.modules_to_save:
            trained = module.modules_to_save[chosen]
            if beyond_heads([path.rpartition(".")[2]]):
                whole[f"{path}.modules_to_save.{chosen}"] = trained, module.original_module
            else:
                heads[path] = trained
    return Adapter(name=chosen, layers=tuple(own), whole=whole, heads=heads)


def _configs(model: nn.Module, name: str) -> list[Any]:
    """Return PEFT's configs of adapter `name`, of all models of PEFT within `model` (DDP, two)."""
    held = (part.peft_config for part in model.modules() if hasattr(part, "peft_config"))
    return [configs[name] for configs in held if name in configs]  # type: ignore[operator,index]


def _chosen(layers: list[Any], name: str | None) -> str:
    if not layers:
        raise InputError("the model has no adapter of PEFT in it; make one with get_peft_model")
    known = sorted({adapter for layer in layers for adapter in _adapters(layer)})
    active = sorted({adapter for layer in layers for adapter in layer.active_adapters})
    if name is None:
        if len(active) != 1:
            raise InputError(f"active adapters are {', '.join(active) or 'none'}; name one of them")
        name = active[0]
    if name not in known:
        raise InputError(unknown_name("adapter", name, known))
    if name not in active:
        raise InputError(f"adapter {name!r} is not active; call set_adapter first")
    return name


def _adapters(layer: Any) -> set[str]:
    return {name for kind in layer.adapter_layer_names for name in getattr(layer, kind, ())}


def _check_layers(name: str, layers: list[Any]) -> None:
    from peft.tuners.adalora.layer import AdaLoraLayer
    from peft.tuners.lora import LoraLayer

    for layer in layers:
        if not isinstance(layer, LoraLayer) or isinstance(layer, AdaLoraLayer):
            _refuse(name, f"is no LoRA but of {type(layer).__module__}")
        if layer.use_dora.get(name):
            _refuse(name, "uses DoRA, whose weights are no linear function of the scale")
        if name in layer.lora_variant:
            _refuse(name, f"uses {type(layer.lora_variant[name]).__name__}, not plain LoRA")
        if layer.merged:
            raise InputError(f"adapter {name!r} is merged into the weights; unmerge it first")
        if layer.disable_adapters:
            raise InputError(f"adapter {name!r} is switched off; switch adapters on first")


def _check_config(name: str, config: Any) -> None:
    start = getattr(config, "init_lora_weights", True)
    if isinstance(start, str) and start.lower().startswith(_CHANGES_THE_BASE):
        _refuse(name, f"starts by {start}, which changes the base weights that ΔW is added to")
    if getattr(config, "bias", "none") != "none":
        _refuse(name, f"trains biases in place (bias={config.bias!r}), so their start is lost")
    if getattr(config, "trainable_token_indices", None):
        _refuse(name, "trains rows of an embedding (trainable_token_indices)")


def _refuse(name: str, why: str) -> None:
    raise InputError(
        f"adapter {name!r} {why}: at scale s the model would not be W0 + s ΔW; train a plain LoRA"
    )
