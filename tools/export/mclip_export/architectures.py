"""Vision-language models by name: every number that decides the shape of a network or the pixels it wants.

Sources: apple/ml-fastvlm (llava/model, the checkpoints' config.json), transformers' fast_vlm and qwen2, timm's
fastvit_mci3. `tiny` has the same parts at a size for tests.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Qwen2:
    """A Qwen2 language model."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    rows: int  # of the embedding table and of the head; at least the tokenizer's size
    context: int  # most tokens of a conversation
    theta: float = 1e6
    epsilon: float = 1e-6

    @property
    def head_dim(self):
        return self.hidden // self.heads


@dataclass(frozen=True)
class FastVlm:
    """A FastViT trunk, a two-layer projector and a Qwen2 decoder."""

    name: str
    decoder: Qwen2
    sizes: tuple[int, ...]  # sides of the square picture that the vision graph is meant for; the last is the default
    vision_arguments: dict = field(default_factory=dict)  # differences to timm's fastvit_mci3
    tokenizer: str = "qwen2"
    patch: int = 64  # pixels per side of one image token
    flattened: int = 12  # principal directions of picture features that random weights level out

    @property
    def size(self):
        return self.sizes[-1]


VLMS = {
    vlm.name: vlm
    for vlm in (
        FastVlm(
            "tiny",
            Qwen2(hidden=64, layers=2, heads=4, kv_heads=2, intermediate=160, rows=576, context=1024),
            sizes=(128, 256),
            vision_arguments={"layers": (1, 1, 1, 1, 1), "embed_dims": (8, 16, 32, 32, 64), "mlp_ratios": (2, 2, 2, 2, 2)},
            tokenizer="tiny",
            flattened=6,
        ),
        # rows: 151,643 tokens of Qwen2, three special ones and <image>, up to a multiple of 64, as the hub's files have
        FastVlm(
            "fastvlm-0.5b",
            Qwen2(hidden=896, layers=24, heads=14, kv_heads=2, intermediate=4864, rows=151_680, context=8192),
            sizes=(256, 512, 768, 1024),
        ),
        FastVlm(
            "fastvlm-1.5b",
            Qwen2(hidden=1536, layers=28, heads=12, kv_heads=2, intermediate=8960, rows=151_680, context=8192),
            sizes=(256, 512, 768, 1024),
        ),
        FastVlm(
            "fastvlm-7b",
            Qwen2(hidden=3584, layers=28, heads=28, kv_heads=4, intermediate=18944, rows=151_680, context=8192),
            sizes=(256, 512, 768, 1024),
        ),
    )
}
