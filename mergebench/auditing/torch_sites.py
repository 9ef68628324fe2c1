"""The weights of any torch model that an adapter may change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from torch import Tensor, nn

from mergebench.errors import InputError
from mergebench.updates import is_quantised

_OF_QUANTISED = ("qweight", "_packed_params", "quant_state", "weight_scale_inv")


def linear_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights of all linear layers by the path of their module, in module order."""
    return {
        path: module.weight
        for path, module in model.named_modules()
        if path and isinstance(module, nn.Linear) and isinstance(module.weight, nn.Parameter)
    }


def check_whole_weights(where: str, model: nn.Module) -> None:
    """Raise `InputError`, naming the module, where an update cannot be added to a linear's weights.

    They are quantised, or not in memory.
    """
    for path, module in model.named_modules():
        weight = getattr(module, "weight", None)
        rounded = isinstance(weight, Tensor) and is_quantised(weight)
        if "Linear" in type(module).__name__ and (
            rounded or any(hasattr(module, name) for name in _OF_QUANTISED)
        ):
            raise InputError(
                f"{where} is quantised ({path} is {type(module).__name__}): an update cannot be "
                "added to its weights; load the model in full precision"
            )
        if isinstance(weight, Tensor) and weight.is_meta:
            raise InputError(
                f"{where}: the weights of {path} are not in memory (device meta); load them all"
            )


def check_untied(where: str, model: nn.Module, sites: Mapping[str, object]) -> None:
    """Raise `InputError` for a site that shares its weights with another module.

    Adding to the one would change the other, which an adapter does not.
    """
    every = dict(model.named_parameters(remove_duplicate=False))
    holders = Counter(id(parameter) for parameter in every.values())
    for site in sites:
        parameter = every[f"{site}.weight"]
        if holders[id(parameter)] > 1:
            (other, *_) = (
                name for name, one in every.items() if one is parameter and name != f"{site}.weight"
            )
            raise InputError(
                f"{where}: site {site} shares its weights with {other}, which the adapter leaves "
                "as it is; untie them in model(), or use an adapter without it"
            )
