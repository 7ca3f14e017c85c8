"""Seeded weights that make a CLIP's embeddings depend on its input; see random_weights.py for why."""

import open_clip
import torch
from torch import nn

from .clip_models import ClipModel
from .clip_network import empty_network, reparameterized
from .pictures import calibration_crops
from .random_weights import flattening

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
STRONG = 6  # principal directions that are flattened
TEXTS = [
    *(f"a photo of a {noun}." for noun in ["river", "bottle", "parrot", "engine", "violin", "glacier", "spider", "castle"]),
    "mushroom", "laptop and helicopter", "Où est la gare ?", "three old sandwiches, seen from above: blurred, 1987!",
    "🚀", "雪の山", "the quick brown fox jumps over the lazy dog and runs away through the dark wet forest", "x",
]  # fmt: skip


def draw_weights(network):
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            nn.init.normal_(module.weight, std=1.2 * module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.MultiheadAttention):
            nn.init.normal_(module.in_proj_weight, std=1.2 * module.embed_dim**-0.5)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
        elif isinstance(module, NORMS):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.normal_(module.bias, std=0.2)
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.uniform_(parameter, 0.1, 0.5)
        elif name.endswith("positional_embedding"):
            nn.init.normal_(parameter, std=0.3)


def outputs_of(module, run):
    seen = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    run()
    hook.remove()
    return seen[0]


def last_layers(visual):
    """The layer that gives the embedding (a matrix [width, dim] in open_clip's own ViT), and the norm before it."""
    if hasattr(visual, "attnpool"):  # open_clip's ResNet
        return visual.attnpool.c_proj, None
    if not hasattr(visual, "trunk"):
        return visual.proj, visual.ln_post
    if isinstance(visual.trunk.get_classifier(), nn.Linear):
        return visual.trunk.get_classifier(), None
    head = [module for module in visual.head.modules() if isinstance(module, nn.Linear)][-1]
    return head, [module for module in visual.trunk.modules() if isinstance(module, nn.LayerNorm)][-1]


def spread(visual, features):
    """Sets the last layers so that the `features` [n, dim] that they gave spread around 0."""
    level, mean = flattening(features, STRONG), features.mean(0)
    head, norm = last_layers(visual)
    weight = head.weight if isinstance(head, nn.Linear) else head.T
    if getattr(head, "bias", None) is not None:
        head.bias.copy_(level @ (head.bias - mean))
    else:
        norm.bias -= torch.linalg.pinv(weight) @ mean
    weight.copy_(level @ weight)


def calibrate(network, pixels, ids):
    """Train-mode pass for the batch norms; then both last layers are set so that calibration inputs spread around 0."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    network.eval()
    for norm in norms:
        norm.momentum = None  # the running statistics become those of this very pass
        norm.train()
    network.visual(pixels)
    network.encode_text(ids)
    network.eval()
    spread(network.visual, network.visual(pixels))

    text = getattr(network, "text", network)  # open_clip's plain CLIP has its text tower's parts itself
    features = outputs_of(text.ln_final, lambda: network.encode_text(ids))[torch.arange(len(ids)), ids.argmax(-1)]
    text.ln_final.bias -= features.mean(0)
    text.text_projection.copy_(flattening(features, STRONG) @ text.text_projection)


@torch.no_grad()
def unmerged_random_clip(model: ClipModel, seed: int):
    """With all branches, as checkpoints are published."""
    torch.manual_seed(seed)
    network = empty_network(model)
    draw_weights(network)
    config = model.preprocessing()
    crops = torch.from_numpy(calibration_crops(config["size"])).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    calibrate(network, (crops - mean) / std, open_clip.get_tokenizer(model.architecture)(TEXTS))
    return network


def random_clip(model: ClipModel, seed: int):
    return reparameterized(unmerged_random_clip(model, seed))
