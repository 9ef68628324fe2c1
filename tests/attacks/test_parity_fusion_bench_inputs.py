"""AdaMerging and Fisher merging, which look at inputs, against fusion-bench (extra `parity`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from public_conventions import fusion
from small_tower import full_updates, parameters, small_backbone, tasks_of
from synthetic import distance
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import TensorDataset

from attacks.adamerging import AdaMerging
from attacks.fisher import Fisher
from mergebench.backbones import text_head
from mergebench.contracts import MergeData
from mergebench.updates import Update

COUNT, INPUTS = 3, 12


def told_apart(texts: Sequence[str]) -> Tensor:
    """Tell "even" from "odd", which the small backbone's own tokens do not."""
    return torch.tensor([[1, len(text), 2, 7] for text in texts])


def given() -> MergeData:
    """Return updates of all parameters but the projection."""
    backbone = replace(small_backbone(), tokenize=told_apart)
    tasks = tasks_of(COUNT, images=INPUTS)
    return MergeData(backbone=backbone, updates=tuple(full_updates(COUNT)), tasks=tasks, seed=0)


def name_of(site: str, names: Sequence[str]) -> str:
    return f"{site}.weight" if f"{site}.weight" in names else site


def tower(data: MergeData, update: Update | None = None) -> nn.Module:
    """Return W0, or W0 and an update, as a model of its own; what is not updated is frozen."""
    model = deepcopy(data.backbone.tower)
    for name, weight in model.named_parameters():
        weight.requires_grad_(name != "proj")
    known = dict(model.named_parameters())
    for site, change in (update.sites if update else {}).items():
        known[name_of(site, [*known])].data += change.dense()
    return model


def logits(data: MergeData, model: nn.Module, images: Tensor, task: str) -> Tensor:
    place = [each.name for each in data.tasks].index(task)
    head = text_head(data.backbone, data.tasks[place].classes, data.tasks[place].templates)
    units = functional.normalize(model(images), dim=-1)
    return data.backbone.logit_scale * units @ head.T


def apart(found: Update, theirs: dict[str, Tensor], data: MergeData) -> float:
    """Return the largest distance between changes.

    A key's bias changes no attention: what is learnt of it is rounding.
    """
    base = parameters(data.backbone)
    pairs = {site: name_of(site, [*base]) for site in found.sites}
    return max(
        distance(found.sites[site].dense(), theirs[name].double() - torch.tensor(base[name]))
        for site, name in pairs.items()
        if not name.endswith("k_proj.bias")
    )


# Fisher


def their_fisher(
    data: MergeData, attack: Fisher, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Tensor]:
    """Return the merged weights by name."""
    clip = fusion("fisher_merging.clip_fisher_merging")
    merge = fusion("fisher_merging.fisher_merging").merging_with_fisher_weights
    monkeypatch.setattr(clip, "CLIPDataset", lambda dataset, _: dataset)
    self = SimpleNamespace(
        clip_processor=None,
        fabric=None,
        dataloader_kwargs={"batch_size": attack.batch_size},
        config=SimpleNamespace(num_fisher_examples=INPUTS),
        compute_logits=lambda model, batch, task: logits(data, model, batch[0], task),
    )
    weights: dict[str, list[Tensor]] = {}
    found = []
    for update, task in zip(data.updates, data.tasks, strict=True):
        model = tower(data, update)
        names = [name for name, weight in model.named_parameters() if weight.requires_grad]
        images = data.backbone.prepare(task.splits["train"].inputs)
        dataset = TensorDataset(images, task.splits["train"].labels)
        found.append(
            clip.FisherMergingForCLIPVisionModel.get_fisher_weights(
                self, task.name, model, dataset, names
            )
        )
        for name, weight in model.state_dict().items():
            if name in names:
                weights.setdefault(name, []).append(weight)
    merged: dict[str, Tensor] = merge(weights, found, torch.ones(COUNT) / COUNT, True, attack.floor)
    return merged


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 5, "floor": 1e-3}, {}])
def test_fusion_bench_fisher(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    data, attack = given(), Fisher(**options)
    theirs = their_fisher(data, attack, monkeypatch)
    assert apart(attack.merge(data), theirs, data) < 1e-4


# AdaMerging


def their_adamerging(data: MergeData, attack: AdaMerging) -> dict[str, Tensor]:
    """Return the merged weights by name; theirs see the batches that ours draw."""
    config = pytest.importorskip("omegaconf").DictConfig(
        {"optimizer": "adam", "lr": attack.learning_rate, "max_steps": attack.steps}
    )
    layerwise = attack.granularity == "layer"
    batches = {task.name: attack._batches(data, place) for place, task in enumerate(data.tasks)}

    def loader(task: str) -> Iterator[Any]:
        images = data.backbone.prepare(next(batches[task]))
        yield (images,) if layerwise else images

    fabric = SimpleNamespace(
        setup=lambda *both: both,
        backward=lambda loss, **options: loss.backward(**options),
        log_dict=lambda *_, **__: None,
    )
    self = SimpleNamespace(
        config=config,
        fabric=fabric,
        _fabric=fabric,
        modelpool=SimpleNamespace(model_names=[*batches]),
        compute_logits=lambda model, images, task: logits(data, model, images, task),
        get_shuffled_test_loader_iter=loader,
        is_debug_mode=False,
        on_test_time_adaptation_start=lambda: None,
        print_profile_summary=lambda: None,
        profile=lambda _: nullcontext(),
    )
    rule, merged = their_model(data, attack)
    return rule.test_time_adaptation(self, merged).merge_and_unload().state_dict()


def their_model(data: MergeData, attack: AdaMerging) -> tuple[Any, Any]:
    """Return the algorithm and the model with its coefficients."""
    base, experts = tower(data), [tower(data, update) for update in data.updates]
    options = {"clamp_weights": False, "tie_weights": False, "strict": True}
    if attack.granularity == "layer":
        module = fusion("adamerging.layer_wise_adamerging")
        layers = sum(weight.requires_grad for weight in base.parameters())
        values = module.get_layer_wise_weights(COUNT, layers, attack.initial)
        model = module.LayerWiseMergedModel(values, base, experts, **options)
        return module.LayerWiseAdaMergingAlgorithm, model
    module = fusion("adamerging.task_wise_adamerging")
    values = module.get_task_wise_weights(COUNT, attack.initial)
    model = module.TaskWiseMergedModel(values, base, experts, **options)
    return module.TaskWiseAdaMergingAlgorithm, model


@pytest.mark.parametrize("granularity", ["layer", "task"])
def test_fusion_bench_adamerging(granularity: Any) -> None:
    data = given()
    attack = AdaMerging(granularity=granularity, steps=8, batch_size=4, learning_rate=0.02)
    found = attack.merge(data)
    assert apart(found, their_adamerging(data, attack), data) < 1e-3
