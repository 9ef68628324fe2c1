"""PEFT's `adapter_config.json`: what it promises about ranks, scaling and sites."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, ValidationError

from mergebench.errors import InputError

CONFIG_NAME = "adapter_config.json"

Value = TypeVar("Value")

# Options that make an adapter something else than W + scaling·BA on linear weights.
_REFUSED = {
    "use_dora": "DoRA also rescales the base weights",
    "lora_bias": "it also changes biases",
    "modules_to_save": "it also replaces whole modules",
    "fan_in_fan_out": "its weights are stored transposed",
    "trainable_token_indices": "it also changes embeddings",
    "target_parameters": "it changes parameters outside linear layers",
    "layer_replication": "it changes the architecture",
    "use_qalora": "QA-LoRA pools the inputs",
    "use_bdlora": "BD-LoRA's factors are block-diagonal",
    "alora_invocation_tokens": "aLoRA depends on the input",
    "arrow_config": "Arrow routes by the input",
    "monteclora_config": "MonteCLoRA samples its weights",
    "kasa_config": "KaSA truncates the base weights",
}
# Options that leave the released weights alone: provenance, training, and how A and B began.
_IRRELEVANT = {
    *("auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying"),
    *("eva_config", "inference_mode", "loftq_config", "lora_dropout", "lora_ga_config"),
    *("megatron_config", "megatron_core", "peft_version", "qalora_group_size", "revision"),
    *("runtime_config", "task_type", "velora_config"),
}
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica")


class AdapterConfig(BaseModel):
    """The part of PEFT's `LoraConfig` that determines the update.

    The methods follow PEFT 0.21: `LoraModel._create_and_replace`, `get_pattern_key` and
    `check_target_module_exists`.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    r: PositiveInt
    lora_alpha: FiniteFloat
    use_rslora: bool = False
    rank_pattern: dict[str, PositiveInt] | None = None
    alpha_pattern: dict[str, FiniteFloat] | None = None
    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    layers_to_transform: list[int] | int | None = None
    layers_pattern: list[str] | str | None = None

    def rank(self, site: str) -> int:
        """Return the rank of the factors at `site`."""
        return _by_pattern(self.rank_pattern, site, self.r)

    def scaling(self, site: str) -> float:
        """Return the factor on `BA` at `site`: alpha/r, or alpha/√r for rsLoRA."""
        alpha = _by_pattern(self.alpha_pattern, site, self.lora_alpha)
        return alpha / (math.sqrt(self.rank(site)) if self.use_rslora else self.rank(site))

    def targets(self, module: str) -> bool:
        """Whether a linear module of that path gets an adapter."""
        if self.exclude_modules and _listed(self.exclude_modules, module):
            return False
        if self.target_modules is None:
            return False
        if isinstance(self.target_modules, str):
            every = self.target_modules.lower() == "all-linear"
            return every or _listed(self.target_modules, module)
        in_full = module in self.target_modules
        return in_full or (_listed(self.target_modules, module) and self._in_layers(module))

    def _in_layers(self, module: str) -> bool:
        layers = self.layers_to_transform
        if layers is None or layers == []:
            return True
        patterns = self.layers_pattern or [r"[^.]*"]
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            # PEFT demands a component before the container only where no pattern names it.
            start = r"(?:^|.*?\.)" if self.layers_pattern else r".*?\."
            match = re.match(rf"{start}{pattern}\.(?P<index>\d+)\.", module)
            if match is not None:
                index = int(match["index"])
                return index == layers if isinstance(layers, int) else index in layers
        return False


def read_config(file: Path) -> AdapterConfig:
    """Read and check an `adapter_config.json`.

    Raises `InputError` naming the file and the option when it is missing or damaged, when it is not
    a LoRA adapter, or when the adapter is more than `W + scaling·BA` on linear weights.
    """
    options = _read_object(file)
    _refuse_other_methods(file, options)
    try:
        config = AdapterConfig.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{file}: {where}: {first['msg']}; correct it") from error
    _check_patterns(file, config)
    return config


def _read_object(file: Path) -> dict[str, Any]:
    try:
        options = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"{file} is missing: keep it beside the weights as PEFT wrote it"
        ) from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{file} is not valid JSON ({error}): export the adapter again") from error
    if not isinstance(options, dict):
        raise InputError(f"{file} is not a JSON object: export the adapter again")
    return options


def _refuse_other_methods(file: Path, options: Mapping[str, Any]) -> None:
    method = options.get("peft_type")
    if method != "LORA":
        raise InputError(f"{file}: peft_type is {method!r}: only LORA adapters can be merged")
    for option, reason in _REFUSED.items():
        if options.get(option):
            raise InputError(f"{file}: {option} is set: {reason}; use a plain LoRA adapter")
    if options.get("bias", "none") != "none":
        raise InputError(f"{file}: bias is {options['bias']!r}: train the adapter with bias 'none'")
    start = options.get("init_lora_weights", True)
    if not isinstance(start, bool) and str(start).lower() not in _PLAIN_STARTS:
        raise InputError(
            f"{file}: init_lora_weights is {start!r}, which changes the base weights: convert it "
            "by PEFT's save_pretrained(..., path_initial_model_for_weight_conversion=...)"
        )
    known = {*AdapterConfig.model_fields, *_REFUSED, *_IRRELEVANT}
    known |= {"peft_type", "bias", "init_lora_weights"}
    for option, value in options.items():
        if option not in known and value not in (None, False, [], {}):
            raise InputError(
                f"{file}: unknown option {option!r} is set and may change the weights: "
                "use a plain LoRA adapter, or remove the option if it does not"
            )


def _check_patterns(file: Path, config: AdapterConfig) -> None:
    patterns = [*(config.rank_pattern or ()), *(config.alpha_pattern or ())]
    for option in (config.target_modules, config.exclude_modules, config.layers_pattern):
        patterns += [option] if isinstance(option, str) else []
    if isinstance(config.layers_pattern, list):
        patterns += config.layers_pattern
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise InputError(
                f"{file}: {pattern!r} is not a regular expression ({error}); correct it"
            ) from error


def _by_pattern(patterns: Mapping[str, Value] | None, site: str, default: Value) -> Value:
    """Return the value of the first pattern, in file order, that matches the end of `site`."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", site):
            return value
    return (patterns or {}).get(site, default)


def _listed(names: list[str] | str, module: str) -> bool:
    """Whether a regular expression matches all of a module path, or a list names its last parts."""
    if isinstance(names, str):
        return re.fullmatch(names, module) is not None
    return any(module == name or module.endswith(f".{name}") for name in names)
