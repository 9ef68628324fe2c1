"""The Python that loads a published adapter, and the base model that its card names."""

from __future__ import annotations

import pytest

from mergebench.protecting.loading_code import naming_of


@pytest.mark.parametrize(
    ("backbone", "base", "layout", "loaded"),
    [
        ("mini_convnext", "mini_convnext", "open_clip", "load_backbone('mini_convnext')"),
        ("minilm", "sentence-transformers/all-MiniLM-L6-v2", "huggingface", "AutoModel"),
        ("vit_b32", "openai/clip-vit-base-patch32", "huggingface", "CLIPModel"),
        ("convnext", "convnext", "open_clip", "load_backbone('convnext')"),
    ],
)
def test_adapters_are_for_transformers_where_it_has_the_model(backbone, base, layout, loaded):
    naming = naming_of(backbone, "trap2")
    assert (naming.base_model, naming.layout) == (base, layout)
    assert loaded in naming.code
    compile(naming.code, "card", "exec")
