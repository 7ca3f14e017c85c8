"""A Qwen2 decoder in miniature: RMSNorm, rotary positions (halves rotated), grouped-query attention with biased q, k, v, SwiGLU.

As FastVLM's language model (Qwen2-0.5B: 896 wide, 24 layers, 14 heads, 2 of keys and values), with other numbers. The
embedding table is also the output projection.
"""
import torch
import torch.nn.functional as F
from torch import nn

HIDDEN = 192
LAYERS = 3
HEADS = 6
KV_HEADS = 2
HEAD_DIM = 32
INTERMEDIATE = 512
ROPE_BASE = 10_000.0
EPSILON = 1e-6
CONTEXT = 512


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * self.weight


def inverse_frequencies():
    return ROPE_BASE ** (-torch.arange(0, HEAD_DIM, 2, dtype=torch.float32) / HEAD_DIM)


def rotary(positions):
    """positions [b,n] -> cosines and sines [b,1,n,HEAD_DIM]."""
    angles = positions[:, None, :, None].float() * inverse_frequencies()
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    low, high = x.chunk(2, -1)
    return x * cos + torch.cat([-high, low], -1) * sin


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = RmsNorm(HIDDEN), RmsNorm(HIDDEN)
        self.q = nn.Linear(HIDDEN, HEADS * HEAD_DIM)
        self.k = nn.Linear(HIDDEN, KV_HEADS * HEAD_DIM)
        self.v = nn.Linear(HIDDEN, KV_HEADS * HEAD_DIM)
        self.o = nn.Linear(HEADS * HEAD_DIM, HIDDEN, bias=False)
        self.gate = nn.Linear(HIDDEN, INTERMEDIATE, bias=False)
        self.up = nn.Linear(HIDDEN, INTERMEDIATE, bias=False)
        self.down = nn.Linear(INTERMEDIATE, HIDDEN, bias=False)

    def attend(self, x, cos, sin, bias, past=None):
        """x [b,n,HIDDEN], bias [b or 1,1,n,past+n] added to the scores, past: keys and values [b,KV_HEADS,past,HEAD_DIM]."""
        b, n, _ = x.shape
        h = self.norm1(x)
        q = rotate(self.q(h).view(b, n, HEADS, HEAD_DIM).transpose(1, 2), cos, sin)
        k = rotate(self.k(h).view(b, n, KV_HEADS, HEAD_DIM).transpose(1, 2), cos, sin)
        v = self.v(h).view(b, n, KV_HEADS, HEAD_DIM).transpose(1, 2)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        # the heads of one group stand behind one another, so that each key meets them all in one product
        scores = q.reshape(b, KV_HEADS, -1, HEAD_DIM) @ k.transpose(2, 3) * HEAD_DIM ** -0.5
        weights = (scores.view(b, HEADS, n, -1) + bias).softmax(-1).view(b, KV_HEADS, -1, k.shape[2])
        mixed = (weights @ v).view(b, HEADS, n, HEAD_DIM).transpose(1, 2).reshape(b, n, -1)
        return x + self.o(mixed), (k, v)

    def feed(self, x):
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Decoder(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.embedding = nn.Embedding(rows, HIDDEN)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.final = RmsNorm(HIDDEN)
        nn.init.normal_(self.embedding.weight, std=0.05)
        for name, p in self.layers.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=p.shape[1] ** -0.5 * (0.4 if name.endswith(("o.weight", "down.weight")) else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, inputs_embeds, positions, bias, past=None, wanted=None):
        """Hidden states [b,n,HIDDEN] before the output projection, and each layer's keys and values. With `wanted`, a mask [b,n],
        the states at these places only, [wanted,HIDDEN]: the last layer's larger half is computed for no others."""
        cos, sin = rotary(positions)
        x, present = inputs_embeds, []
        for i, layer in enumerate(self.layers):
            x, kept = layer.attend(x, cos, sin, bias, past and past[i])
            if wanted is not None and i == len(self.layers) - 1:
                x = x[wanted]
            x = layer.feed(x)
            present.append(kept)
        return self.final(x), present

    def logits(self, hidden):
        return hidden @ self.embedding.weight.T


def causal_bias(n, past=0):
    """[1,1,n,past+n]"""
    ahead = torch.arange(past + n)[None] > torch.arange(past, past + n)[:, None]
    return ahead.float()[None, None] * -1e4
