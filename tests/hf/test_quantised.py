"""Real quantised bases: what is trained and deployed is the same around the dequantised weights.

Each case needs its library, which the extra `quantised` installs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_peft import arguments, randomised, tiny_base, tiny_data, trained
from torch import Tensor, nn
from transformers import LlamaForCausalLM, set_seed

from mergebench.errors import InputError
from mergebench.hf import Trap2Trainer, deployed_at
from mergebench.train import TrapOptions
from mergebench.updates import is_quantised

TRAP = TrapOptions(strength=0.3)
SIZE = {"hidden_size": 64, "intermediate_size": 128}  # bitsandbytes quantises blocks of 64


def _of_bitsandbytes(**options: Any) -> Callable[[], Any]:
    def config() -> Any:
        from transformers import BitsAndBytesConfig

        pytest.importorskip("bitsandbytes")
        return BitsAndBytesConfig(**options)

    return config


def _of_torchao() -> Any:
    from transformers import TorchAoConfig

    quantisation = pytest.importorskip("torchao.quantization")
    return TorchAoConfig(quantisation.Int8WeightOnlyConfig())


def _of_quanto() -> Any:
    from transformers import QuantoConfig

    pytest.importorskip("optimum.quanto")
    return QuantoConfig(weights="int8")


FOUR_BITS = {
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    "bnb_4bit_compute_dtype": torch.float32,
}
LIBRARIES: dict[str, Callable[[], Any]] = {
    "bitsandbytes, 4 bits": _of_bitsandbytes(**FOUR_BITS),
    "bitsandbytes, 8 bits": _of_bitsandbytes(load_in_8bit=True),
    "torchao": _of_torchao,
    "optimum-quanto": _of_quanto,
}
# bitsandbytes computes evaluations on the CPU with other weights than trainings: it rounds the
# factors of its blocks to bfloat16, and in 8 bits the activations to integers.
WITHIN = {"bitsandbytes, 4 bits": 0.05, "bitsandbytes, 8 bits": 0.05}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("base")
    tiny_base("llama", **SIZE).save_pretrained(folder)
    return folder


def quantised(folder: Any, library: str) -> nn.Module:
    return LlamaForCausalLM.from_pretrained(
        folder, quantization_config=LIBRARIES[library](), device_map="cpu", dtype=torch.float32
    )


def dequantised(base: nn.Module) -> nn.Module:
    """Return the same model with the rounded weights as they are read, in float32."""
    plain = tiny_base("llama", **SIZE)
    with torch.no_grad():
        for path, module in base.named_modules():
            weight = getattr(module, "weight", None)
            if isinstance(weight, Tensor):
                plain.get_submodule(path).weight.copy_(_read(weight))
    return plain


def _read(weight: Tensor) -> Tensor:
    if not is_quantised(weight):
        return weight
    if hasattr(weight, "quant_state"):
        from bitsandbytes.functional import dequantize_4bit

        return dequantize_4bit(weight.data, weight.quant_state).float()
    if hasattr(weight, "SCB"):
        return weight.data.float() * weight.SCB.view(-1, 1) / 127
    return weight.dequantize()


def adapted(base: nn.Module) -> Any:
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])
    return randomised(get_peft_model(base, config))


def logits(model: nn.Module) -> Tensor:
    rows = tiny_data("llama")
    with torch.no_grad():
        return model(**{key: torch.stack([row[key] for row in rows]) for key in rows[0]}).logits


def steps(folder: Any, model: Any) -> tuple[dict[str, Tensor], list[dict[str, Tensor]], list[str]]:
    """Train two steps; return weights, gradients and the warnings of this project."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = Trap2Trainer(
            model, arguments(folder), train_dataset=tiny_data("llama"), trap=TRAP
        )
    set_seed(0)
    told = [str(one.message) for one in caught if str(one.message).startswith("trap2")]
    return *trained(trainer), told


@pytest.mark.parametrize("library", LIBRARIES)
def test_training_is_that_around_the_dequantised_weights(tmp_path, folder, library):
    base = quantised(folder, library)
    plain, whole = dequantised(base), tiny_base("llama", **SIZE)
    rounding = (
        plain.model.layers[0].self_attn.q_proj.weight
        - whole.model.layers[0].self_attn.q_proj.weight
    ).abs()
    assert float(rounding.detach().max()) > 0
    weights, gradients, told = steps(tmp_path, adapted(base))
    expected, others, silent = steps(tmp_path, adapted(plain))
    assert [line.split(",")[0] for line in told] == ["trap2: the base is quantised"]
    assert silent == []
    assert weights.keys() == expected.keys()
    for own, other in zip(gradients, others, strict=True):
        size = max(float(one.abs().max()) for one in other.values())
        for name, gradient in other.items():
            torch.testing.assert_close(own[name], gradient, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_is_deployed_around_the_dequantised_weights(folder, library):
    base = quantised(folder, library)
    plain = adapted(dequantised(base)).eval()
    model = adapted(base).eval()
    before = logits(model)
    change = float((logits(plain) - zero(plain)).abs().max())
    for scale in (0.0, 0.4, 1.7):
        with deployed_at(model, scale):
            found = logits(model)
        with deployed_at(plain, scale):
            within = WITHIN.get(library, 1e-4) * change
            torch.testing.assert_close(found, logits(plain), rtol=0, atol=within)
    assert torch.equal(logits(model), before)


def zero(model: nn.Module) -> Tensor:
    with deployed_at(model, 0.0):
        return logits(model)


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_adapter_that_was_merged_into_rounded_weights_is_refused(folder, library):
    model = adapted(quantised(folder, library)).eval()
    model.merge_adapter()
    with pytest.raises(InputError, match="is merged into the weights; unmerge it first"):
        deployed_at(model, 0.5).__enter__()


def test_layers_that_were_quantised_by_hand_are_noticed_too(tmp_path):
    """No `from_pretrained` marked the model as quantised."""
    quantisation = pytest.importorskip("torchao.quantization")
    base = tiny_base("llama", **SIZE)
    quantisation.quantize_(base, quantisation.Int8WeightOnlyConfig())
    assert steps(tmp_path, adapted(base))[2]


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_audit_refuses_such_a_model(folder, library):
    from mergebench.auditing.torch_sites import check_whole_weights

    with pytest.raises(InputError, match=r"task\.py: model\(\) is quantised \(model\.layers\.0"):
        check_whole_weights("task.py: model()", quantised(folder, library))
    check_whole_weights("task.py: model()", tiny_base("llama", **SIZE))
