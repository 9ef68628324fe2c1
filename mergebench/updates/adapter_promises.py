"""What an adapter's config promises of each module, by PEFT's rules.

They follow PEFT 0.21: `LoraModel._create_and_replace`, `get_pattern_key` and
`check_target_module_exists`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mergebench.updates.adapter_config import AdapterConfig
from mergebench.updates.patterns import Matches, Pattern, match_patterns

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a config says of one linear module: whether it has an adapter, and which."""

    targeted: bool
    rank: int
    alpha: float
    rslora: bool

    @property
    def scaling(self) -> float:
        """The factor on `BA`: alpha/r, or alpha/√r for rsLoRA."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


def promises(file: Path, config: AdapterConfig, modules: Sequence[str]) -> dict[str, Promise]:
    """Return what the config, read from `file`, says of linear modules of these paths.

    Raises `InputError` naming a pattern of the config that is none or takes too long to match.
    """
    rules = _Rules(config=config, matches=match_patterns(file, _patterns(config), modules))
    return {
        module: Promise(
            targeted=rules.targets(module),
            rank=rules.by_pattern(config.rank_pattern, module, config.r),
            alpha=rules.by_pattern(config.alpha_pattern, module, config.lora_alpha),
            rslora=config.use_rslora,
        )
        for module in modules
    }


def _patterns(config: AdapterConfig) -> list[Pattern]:
    ends = map(_ending, [*(config.rank_pattern or ()), *(config.alpha_pattern or ())])
    listed = [config.target_modules, config.exclude_modules]
    layers = [] if config.layers_to_transform is None else _layers(config)
    return [*ends, *(_all_of(one) for one in listed if isinstance(one, str)), *layers]


def _ending(given: str) -> Pattern:
    return Pattern(given=given, composed=rf"(.*\.)?({given})$")


def _all_of(given: str) -> Pattern:
    return Pattern(given=given, composed=given, whole=True)


def _layers(config: AdapterConfig) -> list[Pattern]:
    # PEFT demands a component before the container only where no pattern names it.
    if not config.layers_pattern:
        return [Pattern(given="", composed=r".*?\.[^.]*\.(?P<idx>\d+)\.")]
    given = config.layers_pattern
    return [
        Pattern(given=one, composed=rf"(?:^|.*?\.){one}\.(?P<idx>\d+)\.")
        for one in ([given] if isinstance(given, str) else given)
    ]


@dataclass(frozen=True, kw_only=True)
class _Rules:
    config: AdapterConfig
    matches: Matches

    def by_pattern(self, values: Mapping[str, Value] | None, module: str, default: Value) -> Value:
        """Return the value of the first pattern, in file order, that matches the module's end."""
        for given, value in (values or {}).items():
            if module in self.matches[_ending(given)]:
                return value
        return (values or {}).get(module, default)

    def targets(self, module: str) -> bool:
        """Whether the module gets an adapter."""
        config = self.config
        if config.exclude_modules and self._listed(config.exclude_modules, module):
            return False
        if config.target_modules is None:
            return False
        if isinstance(config.target_modules, str):
            every = config.target_modules.lower() == "all-linear"
            return every or self._listed(config.target_modules, module)
        in_full = module in config.target_modules
        return in_full or (self._listed(config.target_modules, module) and self._in_layers(module))

    def _listed(self, names: list[str] | str, module: str) -> bool:
        """Whether a pattern matches all of the path, or a list names its last components."""
        if isinstance(names, str):
            return module in self.matches[_all_of(names)]
        return any(module == name or module.endswith(f".{name}") for name in names)

    def _in_layers(self, module: str) -> bool:
        layers = self.config.layers_to_transform
        if layers is None or layers == []:
            return True
        for pattern in _layers(self.config):
            if module in self.matches[pattern]:
                index = self.matches[pattern][module]
                wanted = [layers] if isinstance(layers, int) else layers
                return index is not None and int(index) in wanted
        return False
