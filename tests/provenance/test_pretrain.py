"""Pretraining: corpus, augmentation, loss, resuming and the checkpoint it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mergebench.backbones import load_backbone, text_head
from mergebench.backbones.clip.architectures import EMBEDDED
from mergebench.backbones.clip.checkpoint import EMBEDDED_FOLDER
from mergebench.errors import InputError
from mergebench.provenance.pretraining import COMMITTED_OPTIONS, PretrainOptions, pretrain
from mergebench.provenance.pretraining.augment import augment
from mergebench.provenance.pretraining.corpus import BORDER, read_corpus
from mergebench.provenance.pretraining.loss import unified_contrastive_loss
from mergebench.provenance.pretraining.run import Pretraining
from mergebench.seeding import generator


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    """Write a corpus of six general pairs and a task of two classes with ten images each."""
    images = torch.randint(256, (26, 4, 40, 40), dtype=torch.uint8, generator=generator("corpus"))
    images[6:, 3] = 255
    save_file({"images": images}, tmp_path / "pretraining.safetensors")
    captions = ["a tree", "a house", "a red tree", "sun", "moon", "moon"] + ["zero", "one"] * 10
    prompts = {"classes": ["zero", "one"], "templates": ["the digit {}", "a {}"]}
    described = {
        "captions": captions,
        "source": ["general"] * 6 + ["digits"] * 20,
        "tasks": {"digits": prompts},
    }
    (tmp_path / "pretraining.json").write_text(json.dumps(described))
    return tmp_path


def _options(corpus: Path, out: Path, **changes: object) -> PretrainOptions:
    values = {"backbone": "mini_vit", "steps": 2, "batch": 6, "warmup": 1, "captions_per_task": 12}
    return PretrainOptions(corpus=corpus, out=out, **{**values, **changes})


def test_corpus_holds_out_a_tenth_and_keeps_at_most_the_asked_number(corpus_folder: Path) -> None:
    corpus = read_corpus(corpus_folder, 12, seed=0)
    (task,) = corpus.tasks
    assert (len(corpus.images), len(corpus.captions)) == (6, 6)
    assert (len(task.held_out), len(task.images)) == (2, 12)
    assert task.held_out.shape[1:] == (3, 32, 32)
    inner = task.images[:, :3, BORDER:-BORDER, BORDER:-BORDER]
    for image in task.held_out:
        assert not (inner == image).flatten(1).all(1).any()
    assert len(read_corpus(corpus_folder, 100, seed=0).tasks[0].images) == 18


def test_corpus_keeps_at_most_the_asked_number_of_stickers(corpus_folder: Path) -> None:
    file = corpus_folder / "pretraining.json"
    described = json.loads(file.read_text())
    described["source"][1:6] = ["sticker"] * 5  # "a house", "a red tree", "sun", "moon", "moon"
    file.write_text(json.dumps(described))
    captions = {most: read_corpus(corpus_folder, 12, 0, most).captions for most in (None, 1, 0)}
    assert captions[None] == ("a tree", "a house", "a red tree", "sun", "moon", "moon")
    assert captions[1] == ("a tree", "a house", "a red tree", "sun", "moon")
    assert captions[0] == ("a tree",)


def test_missing_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pretraining corpus in"):
        read_corpus(tmp_path, 1, seed=0)


def test_augmentation_of_strength_zero_is_the_centre_of_an_opaque_image() -> None:
    images = torch.randint(256, (3, 4, 40, 40), dtype=torch.uint8, generator=generator("views"))
    images[:, 3] = 255
    views = augment(images, torch.full((3,), 32.0), torch.zeros(3), 32, generator("augment"))
    centre = images[:, :3, BORDER:-BORDER, BORDER:-BORDER].float() / 255
    torch.testing.assert_close(views, centre, rtol=0, atol=1e-4)


def test_augmented_views_are_images_and_depend_on_the_generator_only() -> None:
    images = torch.randint(256, (8, 4, 40, 40), dtype=torch.uint8, generator=generator("views"))
    extent, strength = torch.full((8,), 44.0), torch.ones(8)
    views = [augment(images, extent, strength, 32, generator("augment", i)) for i in (0, 0, 1)]
    assert views[0].shape == (8, 3, 32, 32)
    assert 0 <= views[0].min() <= views[0].max() <= 1
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])


def test_loss_with_distinct_concepts_is_the_contrastive_loss() -> None:
    images = torch.randn(5, 7, generator=generator("images"))
    texts = torch.randn(5, 7, generator=generator("texts"))
    scale = torch.tensor(3.0)
    found = unified_contrastive_loss(images, texts, torch.arange(5), scale)
    cosines = torch.nn.functional.cosine_similarity(images[:, None], texts[None], dim=-1)
    target = torch.arange(5)
    both = [torch.nn.functional.cross_entropy(x, target) for x in (3 * cosines, 3 * cosines.T)]
    torch.testing.assert_close(found, (both[0] + both[1]) / 2)


def test_loss_does_not_push_apart_pairs_of_one_concept() -> None:
    same = torch.ones(2, 4)
    loss = unified_contrastive_loss(same, same, torch.zeros(2), torch.tensor(50.0))
    torch.testing.assert_close(loss, torch.tensor(2.0).log())  # the entropy of two equal positives


def test_resumed_run_equals_uninterrupted_run(corpus_folder: Path, tmp_path: Path) -> None:
    options = _options(corpus_folder, tmp_path / "out")
    corpus = read_corpus(corpus_folder, options.captions_per_task, options.seed)
    straight = Pretraining(options, corpus)
    losses = [straight.advance(), straight.advance()]
    first = Pretraining(options, corpus)
    assert first.advance() == losses[0]
    options.out.mkdir()
    first.save(options.out / "mini_vit.state.pt")
    resumed = Pretraining(options, corpus)
    resumed.restore(options.out / "mini_vit.state.pt")
    assert resumed.advance() == losses[1]
    for name, value in straight.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    pretrain(options)  # goes on from the state that `first` saved
    backbone = load_backbone("mini_vit", weights=options.out)
    for name, value in straight.model.state_dict().items():
        assert torch.equal(value.half().float(), backbone.model.state_dict()[name]), name
    assert text_head(backbone, ["zero"], ["the digit {}"]).shape == (1, 128)


def test_state_of_other_options_is_refused(corpus_folder: Path, tmp_path: Path) -> None:
    corpus = read_corpus(corpus_folder, 12, seed=0)
    file = tmp_path / "state.pt"
    Pretraining(_options(corpus_folder, tmp_path), corpus).save(file)
    other = Pretraining(_options(corpus_folder, tmp_path, batch=4), corpus)
    with pytest.raises(InputError, match=r"state\.pt has other options or another corpus"):
        other.restore(file)


def test_only_embedded_backbones_can_be_pretrained(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="unknown embedded backbone 'vit_b32'; choose from: mini_vit"
    ):
        _options(tmp_path, tmp_path, backbone="vit_b32")
    with pytest.raises(InputError, match="steps must be at least 1, got 0"):
        _options(tmp_path, tmp_path, steps=0)


@pytest.mark.parametrize("backbone", EMBEDDED)
def test_pretraining_has_the_options_of_the_committed_checkpoint(
    backbone: str, tmp_path: Path
) -> None:
    record = json.loads((EMBEDDED_FOLDER / f"{backbone}.json").read_text())["training"]
    record.pop("zero_shot_on_held_out_captioned")
    options = PretrainOptions(
        backbone=backbone, corpus=tmp_path, out=tmp_path, **COMMITTED_OPTIONS[backbone]
    )
    assert options.influential() == record


def test_learning_rate_warms_up_and_decays_to_zero(tmp_path: Path) -> None:
    options = _options(tmp_path, tmp_path, steps=110, warmup=10, learning_rate=1.0)
    rates = [options.learning_rate_at(step) for step in (0, 9, 10, 60, 110)]
    assert rates == pytest.approx([0.1, 1, 1, 0.5, 0])
