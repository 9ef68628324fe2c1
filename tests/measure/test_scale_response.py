"""How models answer as the scale of an update changes, and what is made of the scores."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from few_updates import noisy_task, random_update
from small_encoder import tiny_encoder, token_tasks
from torch.nn import functional
from training import assert_unchanged, tiny_backbone, weights_of

from mergebench.backbones import Backbone, text_head
from mergebench.errors import InputError
from mergebench.measure import (
    SCALES,
    Interval,
    ScaleResponse,
    Scored,
    deployed,
    respond,
    roc,
    rocs,
)
from mergebench.suites import Split
from mergebench.updates import Update


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone("mini_vit")


def response(backbone: Backbone, update: Update, *tasks) -> ScaleResponse:
    return respond(backbone, update, tasks or (noisy_task("task", 0),), precision="fp32")


def test_it_is_what_the_deployed_models_say(backbone):
    update, task, before = random_update(backbone, 0), noisy_task("task", 0), weights_of(backbone)
    found = response(backbone, update, task)
    head = text_head(backbone, task.classes, task.templates)
    embeddings = {}
    for scale in (0.6, 1.0):
        with deployed(backbone, update, scale), torch.no_grad():
            features = backbone.tower(backbone.prepare(task.splits["val"].inputs))
        embeddings[scale] = functional.normalize(features.float(), dim=-1)
    guesses = {
        s: (backbone.logit_scale * one @ head.T).softmax(-1) for s, one in embeddings.items()
    }
    place = SCALES.index(0.6)
    cosine = (embeddings[0.6] * embeddings[1.0]).sum(-1).mean()
    assert found.similarity[place] == pytest.approx(float(cosine), abs=1e-5)
    same = guesses[0.6].argmax(1) == guesses[1.0].argmax(1)
    assert found.agreement[place] == float(same.double().mean())
    sure = float(guesses[0.6].max(1).values.mean())
    assert found.confidence[place] == pytest.approx(sure, abs=1e-4)
    assert_unchanged(backbone, before)


def test_an_update_that_changes_nothing_turns_nowhere(backbone):
    found = response(backbone, random_update(backbone, 0).scaled(0.0))
    assert found.similarity == pytest.approx([1.0] * len(SCALES), abs=1e-6)
    assert set(found.agreement) == {1.0}
    assert found.score == pytest.approx(0, abs=1e-4)


def test_the_score_is_the_curvature_at_nominal_scale(backbone):
    """Of a parabola exactly its second derivative; a narrow valley of similarity scores high."""
    flat = (1.0,) * len(SCALES)

    def curve(width: float) -> ScaleResponse:
        similarity = tuple(1 - ((scale - 1) / width) ** 2 for scale in SCALES)
        return ScaleResponse(similarity=similarity, agreement=flat, confidence=flat)

    assert curve(2.0).score == pytest.approx(2 / 2**2)
    assert curve(0.5).score == pytest.approx(2 / 0.5**2)
    update = random_update(backbone, 0)
    assert response(backbone, update.scaled(2)).score > response(backbone, update).score > 0


def test_labels_and_other_splits_are_not_read(backbone):
    update, task = random_update(backbone, 0), noisy_task("task", 0)
    hidden = Split(inputs=task.splits["val"].inputs, labels=torch.full((10,), -1))
    other = noisy_task("task", 5)
    splits = {"train": other.splits["train"], "val": hidden, "test": other.splits["test"]}
    found = response(backbone, update, replace(task, splits=splits))
    assert found == response(backbone, update, task)


def test_tasks_count_alike_and_texts_work_too(backbone):
    encoder = tiny_encoder()
    first, second = token_tasks(2)
    update = random_update(encoder, 0)
    alone = [response(encoder, update, task) for task in (first, second)]
    both = response(encoder, update, first, second)
    assert both.score == pytest.approx((alone[0].score + alone[1].score) / 2)
    with pytest.raises(ValueError, match="needs a task"):
        respond(encoder, update, [], precision="fp32")


def test_a_full_update_has_a_response_too(backbone):
    """Its stem changes with the scale."""
    found = response(backbone, random_update(backbone, 0, full=True))
    assert found.similarity[0] < 1 == round(found.similarity[SCALES.index(1.0)], 6)
    unknown = Update(
        sites={"nowhere": random_update(backbone, 0).sites[next(iter(backbone.sites))]}
    )
    with pytest.raises(InputError, match="has no site nowhere"):
        response(backbone, unknown)


def test_the_area_counts_ties_half():
    found = roc("trap2", [3.0, 2.0, 2.0], [2.0, 1.0])
    assert found.area == Fraction(2 + 1 + 0.5 + 1 + 0.5) / 6
    assert [point.threshold for point in found.points] == [3.0, 2.0, 1.0]
    assert [point.protected for point in found.points] == [Fraction(1, 3), 1, 1]
    assert [point.unprotected for point in found.points] == [0, Fraction(1, 2), 1]
    draws = torch.Generator().manual_seed(0)
    yes, no = (torch.randint(0, 6, (9,), generator=draws).tolist() for _ in range(2))
    area = roc("trap2", yes, no).area
    assert area + roc("trap2", no, yes).area == 1
    points = [(Fraction(0), Fraction(0))]
    points += [(point.unprotected, point.protected) for point in roc("trap2", yes, no).points]
    pairs = pairwise(points)
    assert area == sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairs)  # trapezoids
    with pytest.raises(ValueError, match="scores of both kinds"):
        roc("trap2", [], [1.0])


def scored(protection: str, low: float) -> Scored:
    """Return an update whose similarity is `low` at all scales but 1."""
    similarity = tuple(low if scale != 1 else 1.0 for scale in SCALES)
    flat = (1.0,) * len(SCALES)
    made = ScaleResponse(similarity=similarity, agreement=flat, confidence=flat)
    return Scored(label="", response=made, protection=protection)


def test_every_protection_is_held_against_the_unprotected():
    found = [scored("none", 0.9), scored("mild", 0.95), scored("trap2", 0.5), scored("none", 0.8)]
    assert [(one.protection, one.area) for one in rocs(found)] == [("mild", 0), ("trap2", 1)]
    assert [one.sizes for one in rocs(found)] == [(1, 2), (1, 2)]
    assert rocs(found[1:3]) == ()
    assert rocs([scored("", 0.5)]) == ()


def of_task(protection: str, task: str, low: float) -> Scored:
    return replace(scored(protection, low), task=task)


def test_the_interval_of_the_area_draws_tasks() -> None:
    """Of two tasks a draw has the first alone, the second alone, or both: areas 1, 0 and 1/2."""
    plain = [of_task("none", "a", 0.9), of_task("none", "b", 0.1)]
    trapped = [of_task("trap2", "a", 0.5), of_task("trap2", "b", 0.5)]
    (found,) = rocs([*plain, *trapped])
    assert (found.area, found.pairs) == (Fraction(1, 2), 4)
    assert found.interval == Interval(low=0.0, high=1.0)
    again = [replace(one, seed=1) for one in (*plain, *trapped)]
    (twice,) = rocs([*plain, *trapped, *again])
    assert (twice.area, twice.interval, twice.pairs) == (found.area, found.interval, 16)
    apart = [replace(one, response=scored("", 0.0).response) for one in trapped]
    (sure,) = rocs([*plain, *apart])
    assert sure.interval == Interval(low=1.0, high=1.0)
    (alone,) = rocs([plain[0], trapped[0]])
    assert alone.interval is None


def test_numbers_of_a_response_make_it_again() -> None:
    response = scored("trap2", 0.5).response
    assert ScaleResponse.of(response.numbers) == response
    assert len(response.numbers) == 3 * len(SCALES)


def test_embeddings_that_are_not_finite_are_refused(backbone):
    update = random_update(backbone, 0).scaled(1e30)
    with pytest.raises(InputError, match="embeddings of task task are not finite"):
        response(backbone, update)
