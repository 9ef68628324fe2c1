"""Where the weights and the tokenizer of an encoder lie, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mergebench.backbones.sources import RANDOM, BertSource
from mergebench.backbones.weights import weights_file
from mergebench.errors import InputError
from mergebench.missing import MissingItem

if TYPE_CHECKING:
    from mergebench.backbones.weights import HubFile

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
_LIBRARIES = ("transformers", "tokenizers")


@dataclass(frozen=True, kw_only=True)
class BertFiles:
    """`weights`: a file of tensors; `tokenizer`: a `tokenizer.json`."""

    weights: Path
    tokenizer: Path

    @classmethod
    def of(cls, source: BertSource, given: Path | None) -> Self:
        """Return the files at `given`, or those of the hub, downloaded if need be.

        Raises InputError for a path without weights or without a tokenizer beside them, and, saying
        what is missing, where there is no network.
        """
        if given is None:
            weights, tokenizer = (one.fetched() for one in _on_hub(source))
            return cls(weights=weights, tokenizer=tokenizer)
        weights = weights_file(given)
        tokenizer = weights.with_name(TOKENIZER)
        if not tokenizer.is_file():
            raise InputError(f"no {tokenizer}: copy the {TOKENIZER} of {source.repository} there")
        return cls(weights=weights, tokenizer=tokenizer)


def missing_bert(name: str, source: BertSource, weights: str | Path | None) -> MissingItem | None:
    """Return what is missing of an encoder and how to get it; None if nothing is.

    Raises InputError where its libraries are not installed, and for given files that are not there
    or, as far as can be said without reading values, not its own.
    """
    require_libraries(name)
    if weights == RANDOM:
        return None
    if weights is not None:
        from mergebench.backbones.bert.fitting import check_weights

        check_weights(BertFiles.of(source, Path(weights)).weights, source)
        return None
    lacking = (one for one in _on_hub(source) if not one.available)
    first = next(lacking, None)  # a hub that does not answer is waited for once
    return None if first is None else first.missing


def require_libraries(name: str) -> None:
    """Raise InputError unless the libraries that an encoder needs are installed."""
    lacking = [library for library in _LIBRARIES if find_spec(library) is None]
    if lacking:
        raise InputError(
            f"backbone {name} needs {' and '.join(lacking)}: pip install 'mergebench[text]'"
        )


def _on_hub(source: BertSource) -> tuple[HubFile, HubFile]:
    from mergebench.backbones.weights import HubFile

    weights = HubFile(
        repository=source.repository,
        names=(WEIGHTS,),
        revision=source.revision,
        what=f"weights {source.architecture}",
        megabytes=source.megabytes,
        otherwise="or give a local folder by --weights DIR (make: WEIGHTS=DIR)",
        beside=(TOKENIZER,),
    )
    tokenizer = replace(
        weights,
        names=(TOKENIZER,),
        what=f"tokenizer {source.architecture}",
        megabytes=1,
        beside=(),
    )
    return weights, tokenizer
