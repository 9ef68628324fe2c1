"""Released updates as folders: a PEFT adapter, or the change of every weight in one file."""

from __future__ import annotations

from pathlib import Path

from mergebench.backbones import Backbone, base_of
from mergebench.updates import DENSE_NAME, Dense, Update, load_update, save_adapter, save_dense


def save_release(update: Update, folder: Path, backbone: Backbone) -> None:
    """Write an update of `backbone` into `folder`; `load_release` returns it bit for bit.

    A low-rank update becomes a PEFT adapter; else `W - W0` is kept in `update.safetensors`, one
    float32 tensor per changed parameter under its name in `Backbone.tensors`. Raises `InputError`
    when the folder cannot be written.
    """
    if any(isinstance(change, Dense) for change in update.sites.values()):
        save_dense(update, folder / DENSE_NAME, {"backbone": backbone.name})
    else:
        save_adapter(update, folder, base_model=backbone.name)


def load_release(folder: Path, backbone: Backbone) -> Update:
    """Load the update in `folder`, which may be one that others released.

    Raises `InputError` for anything that is not exactly an update of `backbone`.
    """
    return load_update(
        folder,
        {name: (site.out_features, site.in_features) for name, site in backbone.sites.items()},
        backbone.name,
        dense_shapes={name: tuple(one.shape) for name, one in backbone.tensors.items()},
        base=base_of(backbone.name),
    )
