"""The vision towers of open_clip, taken apart."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mergebench.backbones.block_paths import AttentionPaths, MlpPaths
from mergebench.backbones.tower_parts import TowerParts


class VitParts(TowerParts):
    """A ViT of open_clip."""

    def stem(self, prepared: Tensor) -> Tensor:
        """Return patch embedding, positions and first norm of normalised `(N, 3, H, W)` images."""
        stream: Tensor = self.tower._embeds(prepared)
        return stream

    def stem_parameters(self) -> Sequence[nn.Parameter]:
        """Return those of the patch embedding, the positions and the first norm."""
        parts = [*self.tower.conv1.parameters(), *self.tower.ln_pre.parameters()]
        return [*parts, self.tower.class_embedding, self.tower.positional_embedding]

    def blocks(self) -> dict[str, nn.Module]:
        """Return the residual blocks."""
        layers = self.tower.transformer.resblocks
        return {f"transformer.resblocks.{index}": layer for index, layer in enumerate(layers)}

    def attentions(self) -> tuple[AttentionPaths, ...]:
        """Return the attention of every residual block."""
        layers = self.tower.transformer.resblocks
        return tuple(
            AttentionPaths(
                query=f"{path}.attn.q_proj",
                key=f"{path}.attn.k_proj",
                value=f"{path}.attn.v_proj",
                output=f"{path}.attn.out_proj",
                heads=layer.attn.heads,
            )
            for path, layer in zip(self.blocks(), layers, strict=True)
        )

    def mlps(self) -> tuple[MlpPaths, ...]:
        """Return the MLP of every residual block."""
        return tuple(
            MlpPaths(first=f"{path}.mlp.c_fc", second=f"{path}.mlp.c_proj")
            for path in self.blocks()
        )

    def suffix(self, stream: Tensor) -> Tensor:
        """Return what the last norm, pooling and projection make of it."""
        pooled: Tensor = self.tower._pool(stream)[0]
        return pooled if self.tower.proj is None else pooled @ self.tower.proj


class ConvNextParts(TowerParts):
    """A ConvNeXt of timm inside a CLIP of open_clip."""

    def stem(self, prepared: Tensor) -> Tensor:
        """Return the first feature maps of normalised `(N, 3, H, W)` images."""
        stream: Tensor = self.tower.trunk.stem(prepared)
        return stream

    def stem_parameters(self) -> Sequence[nn.Parameter]:
        """Return those of the first convolution and its norm."""
        return [*self.tower.trunk.stem.parameters()]

    def blocks(self) -> dict[str, nn.Module]:
        """Return the residual blocks and, between the stages, the downsampling layers."""
        found: dict[str, nn.Module] = {}
        for number, stage in enumerate(self.tower.trunk.stages):
            path = f"trunk.stages.{number}"
            if not isinstance(stage.downsample, nn.Identity):
                found[f"{path}.downsample"] = stage.downsample
            found |= {f"{path}.blocks.{index}": block for index, block in enumerate(stage.blocks)}
        return found

    def mlps(self) -> tuple[MlpPaths, ...]:
        """Return the MLP of every residual block."""
        return tuple(
            MlpPaths(first=f"{path}.mlp.fc1", second=f"{path}.mlp.fc2")
            for path in self.blocks()
            if not path.endswith(".downsample")
        )

    def suffix(self, stream: Tensor) -> Tensor:
        """Return what the last norm, pooling and projection make of it."""
        trunk = self.tower.trunk
        embeddings: Tensor = self.tower.head(trunk.forward_head(trunk.norm_pre(stream)))
        return embeddings


def parts_of(tower: nn.Module) -> TowerParts:
    """Return the parts; raises TypeError unless `tower` is open_clip's ViT or a ConvNeXt."""
    from open_clip.timm_model import TimmModel
    from open_clip.transformer import VisionTransformer

    if isinstance(tower, VisionTransformer):
        return VitParts(tower)
    if isinstance(tower, TimmModel) and hasattr(tower.trunk, "stages"):
        return ConvNextParts(tower)
    raise TypeError(f"{type(tower).__name__} is neither a ViT of open_clip nor a ConvNeXt")
