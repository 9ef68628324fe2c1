"""The encoder in parts: their sum is the tower, and padding is nothing to any of them."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from small_encoder import token_ids, widened
from torch import Tensor
from torch.nn import functional

from mergebench.backbones import Body, StemOutputs, autocast, joined
from mergebench.backbones.bert.parts import BertParts

BOUNDS = {"fp64": 1e-12, "fp32": 1e-6, "bf16": 5e-3}
"""How far unit embeddings of one text may be apart, entry by entry. Measured over 20 draws: 4e-16
and 2e-7, rounding; in bf16 2e-3, half the rounding of a number of 8 bits near one: padding, of
weight zero, changes the order in which attention sums."""


@pytest.fixture(scope="module", params=BOUNDS)
def precision(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def parts(encoder, precision) -> BertParts:
    tower = copy.deepcopy(encoder.tower)
    return BertParts(tower.double() if precision == "fp64" else tower)


def embedded(parts: BertParts, precision: str, prepared: Tensor) -> Tensor:
    """Return unit embeddings in float64."""
    arithmetic = autocast(torch.device("cpu"), "bf16" if precision == "bf16" else "fp32")
    with torch.inference_mode(), arithmetic:
        return functional.normalize(parts.tower(prepared).double(), dim=-1)


def test_the_parts_one_after_the_other_are_the_tower(parts, precision, encoder):
    prepared = token_ids(20).long()
    with torch.inference_mode():
        stream = parts.stem(prepared)
        for path, block in parts.blocks().items():
            assert parts.tower.get_submodule(path) is block
            stream = parts.run(block, stream)
        whole = parts.tower(prepared)
        assert torch.equal(parts.suffix(stream), whole)
        assert torch.equal(Body(parts)(parts.stem(prepared)), whole)


def test_padding_is_zero_behind_every_part(parts):
    prepared = widened(token_ids(30), 4).long()
    padding = prepared.eq(0)
    with torch.inference_mode():
        stream = parts.stem(prepared)
        for block in (None, *parts.blocks().values()):
            stream = stream if block is None else parts.run(block, stream)
            assert not stream[padding].any()
            assert stream[~padding].ne(0).any(-1).all()
            assert torch.equal(parts.counted(stream), ~padding)


def test_who_shares_a_batch_does_not_matter(parts, precision):
    prepared = token_ids(48).long()
    alone = torch.cat([embedded(parts, precision, row[row.ne(0)][None]) for row in prepared])
    together = embedded(parts, precision, prepared)
    assert (alone - together).abs().max() < BOUNDS[precision]
    order = torch.randperm(48, generator=torch.Generator().manual_seed(1))
    for rows in order.split(7):
        found = embedded(parts, precision, prepared[rows])
        assert (found - together[rows]).abs().max() < BOUNDS[precision]


@pytest.mark.parametrize("columns", [1, 5, 28])
def test_the_width_of_padding_does_not_matter(parts, precision, columns):
    prepared = token_ids(48).long()
    narrow = embedded(parts, precision, prepared)
    wide = embedded(parts, precision, widened(prepared, columns))
    assert (narrow - wide).abs().max() < BOUNDS[precision]


def test_the_gradient_does_not_see_padding(encoder):
    """Of the weights in float64, with random directions of the embeddings."""
    towers = [copy.deepcopy(encoder.tower).double().requires_grad_(True) for _ in range(2)]
    prepared = token_ids(16).long()
    for tower, ids in zip(towers, (prepared, widened(prepared, 9)), strict=True):
        directions = torch.randn(16, 16, generator=torch.Generator().manual_seed(2))
        (tower(ids) * directions).sum().backward()
    for one, other in zip(*(tower.parameters() for tower in towers), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=0, atol=1e-12)
        assert one.grad.isfinite().all()


def test_no_text_at_all_is_no_embedding(encoder):
    assert encoder.features(token_ids(4)[:0]).shape == (0, 16)


def test_every_site_is_in_a_block(encoder):
    blocks = encoder.parts.blocks()
    assert Counter(type(block).__name__ for block in blocks.values()) == {"BertLayer": 2}
    assert all(any(site.startswith(f"{path}.") for path in blocks) for site in encoder.sites)
    stem = {id(parameter) for parameter in encoder.parts.stem_parameters()}
    inside = {id(parameter) for block in blocks.values() for parameter in block.parameters()}
    assert not stem & inside
    assert len(stem) + len(inside) == len([*encoder.tower.parameters()])


def test_stem_outputs_are_computed_and_not_kept(encoder):
    ids = token_ids(10)
    outputs = StemOutputs(encoder, ids, precision="fp32")
    rows = torch.tensor([7, 2, 4])
    narrow = encoder.prepare(ids[rows])
    assert torch.equal(outputs.of(rows), encoder.parts.stem(narrow))
    assert outputs.of(rows).shape[1] == narrow.shape[1]
    assert torch.equal(outputs.lengths(rows), ids[rows].ne(0).sum(1))
    assert outputs._kept is None


def test_streams_of_different_lengths_are_joined_with_zeros_behind():
    streams = [torch.ones(2, 3, 4), torch.ones(1, 5, 4), torch.ones(3, 1, 4)]
    whole = joined(streams)
    assert whole.shape == (6, 5, 4)
    assert whole.sum() == 2 * 3 * 4 + 5 * 4 + 3 * 4
    assert whole[:2, :3].all()
    assert not whole[:2, 3:].any()
    assert not whole[3:, 1:].any()
    assert torch.equal(joined([torch.ones(2, 3)] * 2), torch.ones(4, 3))


def test_joined_batches_embed_as_one_batch(encoder):
    """As attacks join what was computed in batches, in the arithmetic of float64."""
    parts = BertParts(copy.deepcopy(encoder.tower).double())
    ids = token_ids(20)
    with torch.inference_mode():
        batches = [parts.stem(encoder.prepare(rows)) for rows in ids.split(6)]
        found = Body(parts)(joined(batches))
        assert torch.allclose(found, parts.tower(ids.long()), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(2, 3, dtype=torch.int64),
        torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
        torch.zeros(3, dtype=torch.int32),
    ],
)
def test_what_is_no_token_ids_is_refused(encoder, wrong):
    with pytest.raises(
        ValueError, match=r"tiny_bert takes token ids, int32 of shape \(N, L\), not"
    ):
        encoder.prepare(wrong)


def test_columns_of_padding_are_left_out(encoder):
    ids = token_ids(8)
    longest = int(encoder.lengths(ids).max())
    prepared = encoder.prepare(widened(ids, 20))
    assert prepared.dtype == torch.int64
    assert torch.equal(prepared, ids[:, :longest].long())
