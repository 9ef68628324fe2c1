"""PEFT's `adapter_config.json`: what it promises about ranks, scaling and sites."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, ValidationError

from mergebench.errors import InputError
from mergebench.files import read_bounded
from mergebench.updates.json_objects import parse_object
from mergebench.updates.saved_heads import beyond_heads

CONFIG_NAME = "adapter_config.json"
_LARGEST = 1 << 20

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
    *("corda_config", "ensure_weight_tying", "eva_config", "inference_mode", "loftq_config"),
    *("lora_dropout", "lora_ga_config", "megatron_config", "megatron_core", "peft_version"),
    *("qalora_group_size", "revision", "runtime_config", "task_type", "velora_config"),
}
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica")


class AdapterConfig(BaseModel):
    """The part of PEFT's `LoraConfig` that determines the update, and says of which model it is.

    `modules_to_save` are heads, which the tower has none of.
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
    modules_to_save: list[str] | None = None
    base_model_name_or_path: str | None = None
    auto_mapping: dict[str, Any] | None = None

    @property
    def model_class(self) -> str:
        """Name of the class that PEFT was put on; empty where it noted none."""
        return str((self.auto_mapping or {}).get("base_model_class") or "")


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
    _refuse_negative_alpha(file, config)
    return config


def _refuse_negative_alpha(file: Path, config: AdapterConfig) -> None:
    """Raise `InputError` for a scaling below zero, by which PEFT takes the adapter's change off."""
    patterned = {
        f"alpha_pattern.{key}": alpha for key, alpha in (config.alpha_pattern or {}).items()
    }
    for option, alpha in {"lora_alpha": config.lora_alpha, **patterned}.items():
        if alpha < 0:
            raise InputError(
                f"{file}: {option} is {alpha:g}, which turns the adapter round: correct it, or "
                "give a negative scale or weight instead"
            )


def _read_object(file: Path) -> dict[str, Any]:
    try:
        content = read_bounded(file, _LARGEST)
    except FileNotFoundError as error:
        raise InputError(
            f"{file} is missing: keep it beside the weights as PEFT wrote it"
        ) from error
    return parse_object(content, str(file))


def _refuse_other_methods(file: Path, options: Mapping[str, Any]) -> None:
    method = options.get("peft_type")
    if method != "LORA":
        raise InputError(f"{file}: peft_type is {method!r}: only LORA adapters can be merged")
    refused = {**options, "modules_to_save": beyond_heads(options.get("modules_to_save"))}
    for option, reason in _REFUSED.items():
        if refused.get(option):
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
