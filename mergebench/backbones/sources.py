"""What there is: every backbone's architecture, weights and sites."""

from __future__ import annotations

from dataclasses import dataclass

from mergebench.backbones.architecture_facts import facts_of
from mergebench.errors import InputError, unknown_name
from mergebench.updates import Base

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_ATTENTION = r"attn\.(q_proj|k_proj|v_proj|out_proj)$"
_CLIP_UNTRAINED = r"^(proj$|head\.)"
_MLP = r"mlp\.(c_fc|c_proj|fc1|fc2)$"
_HALF, _QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

EMBEDDED = ("mini_vit", "mini_convnext")
"""The backbones whose weights come with the package."""

RANDOM = "random"
"""The value of `weights` that asks for an untrained backbone."""


@dataclass(frozen=True, kw_only=True)
class BackboneSource:
    """The architecture of a backbone, its sites, and where its weights are published.

    `sites`, `untrained`: patterns of module paths and of parameters (see `Backbone`); `trainable`:
    what the latter leave to full fine-tuning, in words for a caption. `repository` is where the
    Hugging Face Hub has the weights, `revision` which of them, and `megabytes` their size; all
    three are empty for the embedded backbones. `huggingface`: where the hub has the same weights in
    the layout of `transformers`, if anywhere; `aliases`: what else they are called.
    """

    architecture: str
    sites: str
    untrained: str
    trainable: str
    repository: str = ""
    revision: str = ""
    megabytes: int = 0
    huggingface: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def base(self) -> Base:
        """How adapters' configs call it: names on the hub, and of architectures with weights.

        An architecture alone names no other weights, and is taken for these.
        """
        on_hub = [name for name in dict.fromkeys((self.huggingface, self.repository)) if name]
        names = [*on_hub, *(name.partition("/")[2] for name in on_hub), *self._others]
        return Base(names=tuple(names), towers_differ=facts_of(self.architecture).towers_differ)

    @property
    def _others(self) -> tuple[str, ...]:
        return (self.architecture, *self.aliases)


@dataclass(frozen=True, kw_only=True)
class ClipSource(BackboneSource):
    """open_clip's names of a backbone, and the normalisation of images in [0, 1].

    `tag` names the published weights.
    """

    untrained: str = _CLIP_UNTRAINED
    trainable: str = "every weight of the vision tower but its projection"
    tag: str = ""
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD

    @property
    def quick_gelu(self) -> bool:
        """Whether the architecture's blocks have QuickGELU rather than GELU."""
        return facts_of(self.architecture).quick_gelu

    @property
    def _others(self) -> tuple[str, ...]:
        others = super()._others
        tagged = [f"{name}{between}{self.tag}" for name in others for between in "/-_" if self.tag]
        return (*others, *tagged)


@dataclass(frozen=True, kw_only=True)
class BertSource(BackboneSource):
    """The shape of a BERT that embeds sentences, and what its embeddings are used with.

    `layers`, `width`, `heads`, `inner_width` (of the MLP), `positions` and `vocabulary` as in its
    configuration; `vocabulary_sha256`: of the `vocab.txt` that it was published with;
    `logit_scale`: what it was trained with; `context`: tokens per text that are read, the two
    special ones included.
    """

    untrained: str = r"^embeddings\."
    trainable: str = "every weight of the tower but its embeddings"
    layers: int
    width: int
    heads: int
    inner_width: int
    positions: int
    vocabulary: int
    vocabulary_sha256: str
    logit_scale: float
    context: int


BACKBONES: dict[str, BackboneSource] = {
    "mini_vit": ClipSource(architecture="mini_vit", sites=_MLP, mean=_HALF, std=_QUARTER),
    "mini_convnext": ClipSource(architecture="mini_convnext", sites=_MLP, mean=_HALF, std=_QUARTER),
    "vit_b32": ClipSource(
        architecture="ViT-B-32-quickgelu",
        sites=_ATTENTION,
        tag="openai",
        repository="timm/vit_base_patch32_clip_224.openai",
        megabytes=605,
        huggingface="openai/clip-vit-base-patch32",
        aliases=("ViT-B/32", "ViT-B-32"),
    ),
    "vit_l14": ClipSource(
        architecture="ViT-L-14-quickgelu",
        sites=_ATTENTION,
        tag="openai",
        repository="timm/vit_large_patch14_clip_224.openai",
        megabytes=1711,
        huggingface="openai/clip-vit-large-patch14",
        aliases=("ViT-L/14", "ViT-L-14"),
    ),
    "convnext": ClipSource(
        architecture="convnext_base_w",
        sites=_MLP,
        tag="laion2b_s13b_b82k",
        repository="laion/CLIP-convnext_base_w-laion2B-s13B-b82K",
        megabytes=718,
        aliases=("timm/convnext_base.clip_laion2b",),
    ),
    "minilm": BertSource(
        architecture="all-MiniLM-L6-v2",
        sites=r"attention\.(self\.(query|key|value)|output\.dense)$",
        repository="sentence-transformers/all-MiniLM-L6-v2",
        huggingface="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        megabytes=91,
        layers=6,
        width=384,
        heads=12,
        inner_width=1536,
        positions=512,
        vocabulary=30_522,
        vocabulary_sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        logit_scale=20.0,
        context=32,
    ),
}
"""Every backbone by its name on the command line.

The sites are the paper's: the four attention projections of a ViT, and of BERT likewise, and the
two linears of a ConvNeXt's MLP. `mini_vit` has the MLP's instead: merging updates of its narrow
attention gains less (docs/embedded_suite.md).
"""


def find_source(name: str) -> BackboneSource:
    """Return the source of that backbone; raise InputError that suggests the nearest names."""
    if name in BACKBONES:
        return BACKBONES[name]
    raise InputError(unknown_name("backbone", name, tuple(BACKBONES)))


def base_of(name: str) -> Base:
    """Return what else that backbone is called: nothing, for one that is not among `BACKBONES`."""
    return BACKBONES[name].base if name in BACKBONES else Base()


def resolution_of(source: BackboneSource) -> int | None:
    """Return the side in pixels of the images that the backbone takes; None if it takes texts."""
    return facts_of(source.architecture).resolution
