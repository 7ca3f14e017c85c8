"""The two towers of nano-clip and the raw-embedding functions the exporter calls.

Vision: 3x64x64 in [0,1] -> stride-4 stem -> dense residual stages of 48, 96, 192 channels -> mean -> 127, and one constant.
Text: ids [b,n] -> factorised embedding 49408x64 -> 192 wide, 3 non-causal layers -> state at the first EOT -> 128.
Positions after EOT are masked inside the graph, so a batch may be cut to its longest text without changing anything.

The last of the 128 dimensions is the null class: every picture has the same component there (`NanoClip.null`), names have
none, and neutral prompts ("a photo") point along it. So their cosine is the same for every picture: the least that a
name must reach to be believed.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

DIM = 128
IMAGE_SIZE = 64
CONTEXT = 77
VOCAB = 49408


class Block(nn.Module):
    """conv-bn-relu-conv-bn plus the input."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(x + self.bn2(self.conv2(y)), inplace=True)


def mix_style(x, share=0.5, alpha=0.2):
    """MixStyle (Zhou et al. 2021): channel means and deviations of some pictures drawn towards another picture's, so that
    a vendor's palette and line weight say less about what is drawn."""
    n = x.shape[0]
    mean = x.mean((2, 3), keepdim=True).detach()
    deviation = (x.var((2, 3), keepdim=True) + 1e-5).sqrt().detach()
    other = torch.randperm(n)
    keep = torch.distributions.Beta(alpha, alpha).sample((n, 1, 1, 1))
    keep = torch.where(torch.rand(n, 1, 1, 1) < share, keep, torch.ones(()))
    return (x - mean) / deviation * torch.lerp(deviation[other], deviation, keep) + torch.lerp(mean[other], mean, keep)


class Vision(nn.Module):
    STYLED = (2, 3)    # after the stem and the first stage

    def __init__(self, widths=(48, 96, 192), depths=(1, 2, 2)):
        super().__init__()
        layers = [nn.Conv2d(3, widths[0], 8, 4, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
        previous = widths[0]
        for width, depth in zip(widths, depths):
            if width != previous:
                layers += [nn.Conv2d(previous, width, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            layers += [Block(width) for _ in range(depth)]
            previous = width
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(previous, DIM - 1)

    def forward(self, pixel_values):
        x = pixel_values * 2 - 1
        for i, module in enumerate(self.trunk):
            x = module(x)
            if self.training and i in self.STYLED:
                x = mix_style(x)
        return self.head(x.mean((2, 3)))


class Layer(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x, bias):
        b, n, w = x.shape
        q, k, v = self.qkv(self.ln1(x)).reshape(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q @ k.transpose(-1, -2) * (w // self.heads) ** -0.5 + bias).softmax(-1)
        x = x + self.out((attention @ v).transpose(1, 2).reshape(b, n, w))
        return x + self.down(F.gelu(self.up(self.ln2(x)), approximate="tanh"))


class Text(nn.Module):
    def __init__(self, width=192, layers=3, heads=4, hidden=384, factor=64):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, factor)
        self.widen = nn.Linear(factor, width, bias=False)
        self.position = nn.Parameter(torch.randn(CONTEXT, width) * 0.05)
        self.layers = nn.ModuleList(Layer(width, heads, hidden) for _ in range(layers))
        self.final = nn.LayerNorm(width)
        self.head = nn.Linear(width, DIM, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.05)
        nn.init.normal_(self.widen.weight, std=factor ** -0.5 * 4)

    def forward(self, input_ids):
        b, n = input_ids.shape
        x = self.widen(self.embedding(input_ids)) + self.position[:n]
        eot = input_ids.argmax(-1)
        after = torch.arange(n, device=input_ids.device)[None, :] > eot[:, None]
        bias = after.to(x.dtype)[:, None, None, :] * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        return self.head(self.final(x.gather(1, eot[:, None, None].expand(b, 1, x.shape[-1])).squeeze(1)))


class NanoClip(nn.Module):
    """Both towers, the learned log scale, and one prototype per concept (training only)."""

    def __init__(self, concepts):
        super().__init__()
        self.vision, self.text = Vision(), Text()
        self.prototypes = nn.Parameter(torch.randn(concepts, DIM - 1) * 0.1)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(20)))

    def image(self, pixels, null=0.0):
        """Unit vectors whose last component is `null`; 0 while training, when every picture has a name."""
        semantic = F.normalize(self.vision(pixels), dim=-1) * (1 - null * null) ** 0.5
        return F.pad(semantic, (0, 1), value=null)

    def targets(self):
        """Where texts belong: one unit vector per concept, and the null class last. [concepts + 1, DIM]"""
        names = F.pad(F.normalize(self.prototypes, dim=-1), (0, 1))
        return torch.cat([names, F.one_hot(torch.tensor([DIM - 1]), DIM).to(names.dtype)])

    def words(self, ids):
        return F.normalize(self.text(ids), dim=-1)


def fold_batch_norms(vision):
    """A copy of the vision tower with every BatchNorm2d folded into the convolution before it."""
    import copy
    vision = copy.deepcopy(vision).eval()
    def fold(conv, bn):
        return torch.nn.utils.fuse_conv_bn_eval(conv, bn)
    trunk = list(vision.trunk)
    for i, module in enumerate(trunk):
        if isinstance(module, nn.BatchNorm2d):
            trunk[i - 1], trunk[i] = fold(trunk[i - 1], module), nn.Identity()
        elif isinstance(module, Block):
            module.conv1, module.bn1 = fold(module.conv1, module.bn1), nn.Identity()
            module.conv2, module.bn2 = fold(module.conv2, module.bn2), nn.Identity()
    vision.trunk = nn.Sequential(*(m for m in trunk if not isinstance(m, nn.Identity)))
    return vision
