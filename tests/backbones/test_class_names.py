"""Classes that a text tower cannot tell apart, or knows nothing of, are refused by name."""

from __future__ import annotations

from dataclasses import replace

import open_clip
import pytest
import torch

from mergebench.backbones import Backbone, load_backbone, text_head
from mergebench.backbones.class_names import check_classes
from mergebench.backbones.clip.words import content_words
from mergebench.errors import InputError
from mergebench.suites import load_suite

TEMPLATES = ("a photo of a {}", "the {}.")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("mini_vit")


def refused(backbone: Backbone, *classes: str) -> str:
    with pytest.raises(InputError) as caught:
        text_head(backbone, classes, TEMPLATES)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_content_words_leave_out_what_says_nothing() -> None:
    assert content_words("The king of (a) chess-board!") == ["king", "chess", "board"]
    assert content_words("a") == ["a"]
    assert content_words("?") == ["?"]
    assert content_words(" _ ") == []


def test_classes_of_unknown_words_are_refused(backbone: Backbone) -> None:
    assert refused(backbone, "bread", "xylophon", "qwertz") == (
        "mini_vit knows no word of class 'xylophon' ('xylophon'): name it in other words "
        "(--names), or choose another --backbone"
    )
    assert "knows no word of class 'the Qwertz of xylophon' ('qwertz', 'xylophon')" in refused(
        backbone, "bread", "the Qwertz of xylophon"
    )
    assert "class ' ' has no word" in refused(backbone, "bread", " ")


def test_classes_that_differ_in_unknown_words_only_are_both_named(backbone: Backbone) -> None:
    assert refused(backbone, "red bread", "red xylophon", "red qwertz") == (
        "classes 'red xylophon' and 'red qwertz' are the same to mini_vit, which does not know "
        "'xylophon', 'qwertz': name them in other words (--names)"
    )


def test_classes_with_equal_tokens_are_both_named(backbone: Backbone) -> None:
    long = "red bread " * 8
    for classes in (("Bread", "bread"), ("bread", "bread"), (f"{long} king", f"{long} queen")):
        line = refused(backbone, *classes)
        assert "are the same to mini_vit, which reads them alike" in line


def test_classes_that_one_template_cuts_are_told_apart_by_another(backbone: Backbone) -> None:
    long = "a photo of the " * 4 + "{}"
    head = text_head(backbone, ("king", "queen"), (long, "{}"))
    assert not torch.equal(head[0], head[1])
    with pytest.raises(InputError, match="'king' and 'queen' are the same"):
        text_head(backbone, ("king", "queen"), (long,))


def test_a_class_is_what_its_known_words_say(backbone: Backbone) -> None:
    head = text_head(backbone, ("xylophon bread", "qwertz king"), TEMPLATES)
    assert float(head[0] @ head[1]) < 0.99


def test_every_word_is_known_where_tokens_are_parts_of_words(backbone: Backbone) -> None:
    parts = replace(backbone, tokenize=open_clip.get_tokenizer("ViT-B-32-quickgelu"))
    check_classes(parts, ("xylophon", "qwertz", "zzz"), TEMPLATES)
    with pytest.raises(InputError, match="which reads them alike"):
        check_classes(parts, ("xylophon", "Xylophon "), TEMPLATES)


@pytest.mark.parametrize("name", ["mini_vit", "mini_convnext"])
def test_the_embedded_tasks_are_told_apart(name: str) -> None:
    random = load_backbone(name, weights="random")
    assert random.tokenize.vocabulary == load_backbone(name).tokenize.vocabulary
    for task in load_suite("mini8").tasks:
        check_classes(random, task.classes, task.templates)
