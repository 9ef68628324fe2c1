"""What there is: every backbone's architecture, weights, normalisation and sites."""

from __future__ import annotations

from dataclasses import dataclass

from mergebench.backbones.architecture_facts import facts_of
from mergebench.errors import InputError, unknown_name
from mergebench.updates import Base

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_ATTENTION = r"attn\.(q_proj|k_proj|v_proj|out_proj)$"
_MLP = r"mlp\.(c_fc|c_proj|fc1|fc2)$"
_HALF, _QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

EMBEDDED = ("mini_vit", "mini_convnext")
"""The backbones whose weights come with the package."""


@dataclass(frozen=True, kw_only=True)
class BackboneSource:
    """open_clip's names of a backbone, its sites, and the normalisation of images in [0, 1].

    `sites`: pattern of the module paths of the sites (see `Backbone`); `tag` names the published
    weights, `repository` is where the Hugging Face Hub has them and `megabytes` their size; all
    three are empty for the embedded backbones. `huggingface`: where the hub has the same weights in
    the layout of `transformers`, if anywhere; `aliases`: what else the same weights are called.
    """

    architecture: str
    sites: str
    tag: str = ""
    repository: str = ""
    megabytes: int = 0
    huggingface: str = ""
    aliases: tuple[str, ...] = ()
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD

    @property
    def quick_gelu(self) -> bool:
        """Whether the architecture's blocks have QuickGELU rather than GELU."""
        return facts_of(self.architecture).quick_gelu

    @property
    def base(self) -> Base:
        """How adapters' configs call it: names on the hub, and of architectures with weights.

        An architecture alone names no other weights, and is taken for these.
        """
        on_hub = [name for name in (self.huggingface, self.repository) if name]
        others = [self.architecture, *self.aliases]
        tagged = [f"{name}{between}{self.tag}" for name in others for between in "/-_" if self.tag]
        names = [*on_hub, *(name.partition("/")[2] for name in on_hub), *others, *tagged]
        return Base(names=tuple(names), towers_differ=facts_of(self.architecture).towers_differ)


BACKBONES: dict[str, BackboneSource] = {
    "mini_vit": BackboneSource(architecture="mini_vit", sites=_MLP, mean=_HALF, std=_QUARTER),
    "mini_convnext": BackboneSource(
        architecture="mini_convnext", sites=_MLP, mean=_HALF, std=_QUARTER
    ),
    "vit_b32": BackboneSource(
        architecture="ViT-B-32-quickgelu",
        sites=_ATTENTION,
        tag="openai",
        repository="timm/vit_base_patch32_clip_224.openai",
        megabytes=605,
        huggingface="openai/clip-vit-base-patch32",
        aliases=("ViT-B/32", "ViT-B-32"),
    ),
    "vit_l14": BackboneSource(
        architecture="ViT-L-14-quickgelu",
        sites=_ATTENTION,
        tag="openai",
        repository="timm/vit_large_patch14_clip_224.openai",
        megabytes=1711,
        huggingface="openai/clip-vit-large-patch14",
        aliases=("ViT-L/14", "ViT-L-14"),
    ),
    "convnext": BackboneSource(
        architecture="convnext_base_w",
        sites=_MLP,
        tag="laion2b_s13b_b82k",
        repository="laion/CLIP-convnext_base_w-laion2B-s13B-b82K",
        megabytes=718,
        aliases=("timm/convnext_base.clip_laion2b",),
    ),
}
"""Every backbone by its name on the command line.

The sites are the paper's: the four attention projections of a ViT and the two linears of a
ConvNeXt's MLP. `mini_vit` has the MLP's instead: merging updates of its narrow attention gains less
(docs/embedded_suite.md).
"""


def find_source(name: str) -> BackboneSource:
    """Return the source of that backbone; raise InputError that suggests the nearest names."""
    if name in BACKBONES:
        return BACKBONES[name]
    raise InputError(unknown_name("backbone", name, tuple(BACKBONES)))


def base_of(name: str) -> Base:
    """Return what else that backbone is called: nothing, for one that is not among `BACKBONES`."""
    return BACKBONES[name].base if name in BACKBONES else Base()


def resolution_of(architecture: str) -> int:
    """Return the side in pixels of the input of that open_clip architecture."""
    return facts_of(architecture).resolution
