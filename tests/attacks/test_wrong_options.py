"""What no attack takes, from Python or from the command line."""

from __future__ import annotations

from dataclasses import fields

import pytest

from mergebench.contracts import Attack, DataMerger
from mergebench.errors import InputError
from mergebench.registry import registry

ATTACKS = [found.plugin for found in registry().all(Attack)]
WHOLE = [(kind, item.name) for kind in ATTACKS for item in fields(kind) if item.type == "int"]
WITH_DATA = [kind for kind in ATTACKS if issubclass(kind, DataMerger)]


@pytest.mark.parametrize(
    ("kind", "option"), WHOLE, ids=[f"{kind.name}.{name}" for kind, name in WHOLE]
)
def test_half_of_what_is_counted(kind: type[Attack], option: str) -> None:
    with pytest.raises(InputError, match=rf"{option} is 1\.5; give a whole number"):
        kind(**{option: 1.5})


@pytest.mark.parametrize("kind", WITH_DATA, ids=[kind.name for kind in WITH_DATA])
def test_test_inputs(kind: type[DataMerger]) -> None:
    with pytest.raises(InputError, match=r"split.*test.*choose from: train, val"):
        kind(split="test")


@pytest.mark.parametrize("kind", WITH_DATA, ids=[kind.name for kind in WITH_DATA])
def test_fewer_inputs_than_none(kind: type[DataMerger]) -> None:
    with pytest.raises(InputError, match="inputs_per_class is -1; give a number from 0"):
        kind(inputs_per_class=-1)
