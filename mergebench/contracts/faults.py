"""A plug-in that breaks its contract is named in one line: which one, of which file, where, how."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Protocol

from mergebench.errors import InputError, PluginError, lacks_memory, reason

if TYPE_CHECKING:
    from torch import Tensor

    from mergebench.backbones import Backbone


class Named(Protocol):
    """What a fault says of a plug-in besides its file."""

    name: ClassVar[str]
    kind: ClassVar[str]


def described(plugin: type[Named]) -> str:
    """Return kind, name and file of a plug-in, the file as seen from the working directory."""
    file = getattr(sys.modules.get(plugin.__module__), "__file__", None) or plugin.__module__
    near = os.path.relpath(file) if os.path.isabs(file) else file
    return f"{plugin.kind} {plugin.name} of {file if near.startswith(os.pardir) else near}"


def broken(plugin: type[Named], where: str, fault: str) -> PluginError:
    """Return the error that says what a plug-in did; `where` may be empty."""
    return PluginError(": ".join(filter(None, (described(plugin), where, fault))))


@contextmanager
def blaming(plugin: type[Named], where: str) -> Iterator[None]:
    """Raise what the code of a plug-in raises as `PluginError`, an exit of the program included.

    `InputError`, with which it refuses its hyper-parameters, and a lack of memory pass.
    """
    try:
        yield
    except (InputError, PluginError):
        raise
    except (Exception, SystemExit) as error:
        if lacks_memory(error):
            raise
        raise broken(plugin, where, reason(error)) from error


@contextmanager
def keeping_weights(plugin: type[Named], backbone: Backbone, where: str) -> Iterator[None]:
    """Raise `PluginError` if the weights of `backbone` differ after the context by a single bit."""
    before = _hashes(backbone)
    yield
    after = _hashes(backbone)
    changed = [name for name in before if after.get(name) != before[name]]
    if changed:
        raise broken(
            plugin,
            where,
            f"changed {len(changed)} of the backbone's weights, such as {changed[0]}; "
            "work on a copy, or put them back",
        )


def _hashes(backbone: Backbone) -> dict[str, bytes]:
    """Return the SHA-256 of each weight's dtype, shape and bytes."""
    return {name: _hash(tensor) for name, tensor in backbone.model.state_dict().items()}


def _hash(tensor: Tensor) -> bytes:
    import torch

    content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    found = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
    found.update(content)
    return found.digest()
