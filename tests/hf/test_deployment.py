"""An adapter, or a full fine-tuning, at any scale; and exactly as before afterwards."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_peft import KINDS, tiny_base, tiny_data, tiny_model
from torch.func import functional_call

from mergebench.errors import InputError
from mergebench.hf import deployed_at, deployed_from, start_of


def batch(kind: str) -> dict[str, torch.Tensor]:
    rows = tiny_data(kind)
    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


def logits(model: torch.nn.Module, kind: str) -> torch.Tensor:
    return model(**batch(kind)).logits


def bits(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def scalings(model: torch.nn.Module) -> list[dict[str, float]]:
    return [dict(layer.scaling) for layer in model.modules() if hasattr(layer, "lora_A")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rslora", [False, True])
def test_the_model_at_scale_s_is_the_base_plus_s_times_the_change(kind, rslora):
    model = tiny_model(kind, use_rslora=rslora).eval()
    plain = tiny_base(kind).eval()
    layers = {
        name.removeprefix("base_model.model."): layer
        for name, layer in model.named_modules()
        if hasattr(layer, "lora_A")
    }
    assert layers
    for scale in (0.0, 0.4, 1.0, 1.7):
        weights = {
            f"{name}.weight": layer.base_layer.weight + scale * layer.get_delta_weight("default")
            for name, layer in layers.items()
        }
        expected = functional_call(plain, weights, kwargs=batch(kind)).logits
        with deployed_at(model, scale):
            found = logits(model, kind)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_scales_multiply_and_everything_is_as_before_after_an_exception():
    model = tiny_model("llama").eval()
    weights, before, output = bits(model), scalings(model), logits(model, "llama")
    with deployed_at(model, 0.25):
        quarter = logits(model, "llama")
    with deployed_at(model, 0.5), deployed_at(model, 0.5):
        assert torch.equal(logits(model, "llama"), quarter)
    with pytest.raises(KeyError), deployed_at(model, 0.5), deployed_at(model, 0.5):
        raise KeyError
    assert scalings(model) == before
    assert torch.equal(logits(model, "llama"), output)
    assert all(torch.equal(weights[name], tensor) for name, tensor in bits(model).items())


def test_only_the_named_adapter_is_scaled():
    model = tiny_model("llama").eval()
    model.add_adapter("other", LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    model.base_model.set_adapter(["default", "other"])
    with pytest.raises(InputError, match="active adapters are default, other; name one of them"):
        deployed_at(model, 0.5).__enter__()
    with deployed_at(model, 0.0, "default"):
        found = logits(model, "llama")
    model.base_model.set_adapter(["other"])
    torch.testing.assert_close(found, logits(model, "llama"))


def test_heads_stay_and_other_modules_saved_whole_move_from_the_base():
    model = tiny_model("bert", modules_to_save=["classifier", "LayerNorm"]).eval()
    wrapped = model.base_model.model.bert.embeddings.LayerNorm
    head = model.base_model.model.classifier.modules_to_save["default"]
    norm, original = wrapped.modules_to_save["default"], wrapped.original_module
    with torch.no_grad():
        norm.weight.add_(1.0)
        head.weight.add_(1.0)
    parameter = norm.weight
    with deployed_at(model, 0.25):
        torch.testing.assert_close(norm.weight, original.weight + 0.25)
        assert head.weight is model.base_model.model.classifier.weight
        logits(model, "bert").sum().backward()
    assert norm.weight is parameter
    scaled = parameter.grad.clone()
    assert float(scaled.abs().max()) > 0
    with torch.no_grad():
        norm.weight.sub_(0.75)
    parameter.grad = None
    others = [w for w in model.modules() if hasattr(w, "modules_to_save") and w is not wrapped]
    assert len(others) > 1
    for factor in (w for name, w in model.named_parameters() if "lora_B" in name):
        factor.data.mul_(0.25)
    logits(model, "bert").sum().backward()
    torch.testing.assert_close(scaled, 0.25 * parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("tied", [False, True])
def test_a_full_fine_tuning_at_scale_s_is_between_the_base_and_itself(tied):
    model = tiny_base("llama", tie_word_embeddings=tied).eval()
    base = start_of(model)
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=draws))
    before, output = bits(model), logits(model, "llama")
    between = copy.deepcopy(model)
    with torch.no_grad():
        for name, weight in between.named_parameters():
            weight.copy_(base[name] + 0.3 * (weight - base[name]))
    with deployed_from(model, base, 0.3):
        found = logits(model, "llama")
        found.sum().backward()
    expected = logits(between, "llama")
    expected.sum().backward()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for (name, weight), other in zip(model.named_parameters(), between.parameters(), strict=True):
        size = float(other.grad.abs().max())
        torch.testing.assert_close(weight.grad, 0.3 * other.grad, rtol=1e-3, atol=1e-5 * size)
        assert torch.equal(weight, before[name])
    assert torch.equal(logits(model, "llama"), output)
    with pytest.raises(KeyError), deployed_from(model, base, 0.3):
        raise KeyError
    assert all(torch.equal(before[name], tensor) for name, tensor in bits(model).items())


def test_a_base_that_is_not_the_models_is_refused():
    model = tiny_base("llama")
    base = start_of(model)
    short = {name: weight for name, weight in base.items() if "embed" not in name}
    with pytest.raises(
        InputError, match=r"embed_tokens\.weight is trained and has no weight there"
    ):
        deployed_from(model, short, 0.3).__enter__()
    other = base | {"model.norm.weight": torch.zeros(3)}
    with pytest.raises(InputError, match=r"model\.norm\.weight is 3, the model has 16"):
        deployed_from(model, other, 0.3).__enter__()


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"use_dora": True}, "uses DoRA, whose weights are no linear function of the scale"),
        ({"bias": "all"}, "trains biases in place"),
        ({"init_lora_weights": "pissa"}, "starts by pissa, which changes the base weights"),
        ({"trainable_token_indices": [1, 2]}, "trains rows of an embedding"),
    ],
)
def test_an_adapter_that_is_not_linear_in_the_scale_is_refused(lora, message):
    with pytest.raises(InputError, match=message) as error:
        deployed_at(tiny_model("llama", **lora), 0.5).__enter__()
    assert "\n" not in str(error.value)


def test_orthogonal_factors_start_from_the_base_itself():
    config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights="orthogonal")
    model, base = get_peft_model(tiny_base("llama"), config).eval(), tiny_base("llama").eval()
    assert all(weight.any() for name, weight in model.named_parameters() if "lora_" in name)
    with deployed_at(model, 0.5):
        torch.testing.assert_close(logits(model, "llama"), logits(base, "llama"))


@pytest.mark.parametrize(
    ("lora", "message"),
    [({"bias": "all"}, "trains biases in place"), ({"init_lora_weights": "pissa"}, "pissa")],
)
def test_each_of_two_models_within_one_is_looked_at(lora, message):
    models = torch.nn.ModuleList([tiny_model("llama"), tiny_model("llama", **lora)])
    with pytest.raises(InputError, match=message):
        deployed_at(models, 0.5).__enter__()


def test_what_cannot_be_deployed_is_refused():
    from peft import IA3Config

    config = IA3Config(target_modules=["v_proj"], feedforward_modules=[])
    with pytest.raises(InputError, match=r"is no LoRA but of peft\.tuners\.ia3"):
        deployed_at(get_peft_model(tiny_base("llama"), config), 0.5).__enter__()
    with pytest.raises(InputError, match="has no adapter of PEFT in it"):
        deployed_at(tiny_base("llama"), 0.5).__enter__()
    model = tiny_model("llama")
    with pytest.raises(InputError, match="unknown adapter 'defualt'; did you mean default"):
        deployed_at(model, 0.5, "defualt").__enter__()
    with pytest.raises(InputError, match="scale is nan; give a finite number"):
        deployed_at(model, float("nan")).__enter__()
    model.merge_adapter()
    with pytest.raises(InputError, match="is merged into the weights; unmerge it first"):
        deployed_at(model, 0.5).__enter__()
    model.unmerge_adapter()
    with (
        model.disable_adapter(),
        pytest.raises(InputError, match="is switched off; switch adapters on first"),
    ):
        deployed_at(model, 0.5).__enter__()
