"""The text tower of MobileCLIP-S0 (version 1), which open_clip does not have: 'mct', 42.4 M parameters.

A hybrid: one convolutional block over the token axis, four ordinary transformer layers, one more convolutional block;
512 wide, 8 heads, no causal mask, pooled at the first end-of-text token. The token mixer of the convolutional blocks is
written in its re-parameterised form (one depthwise convolution), which is the form that is exported.
"""

import torch
from torch import nn

TOKENS, LENGTH, KERNEL = 49408, 77, 11


class TokenConvBlock(nn.Module):
    """Depthwise mixing along the tokens, then a convolutional feed-forward network on a scaled residual."""

    def __init__(self, width):
        super().__init__()
        over_tokens = {"kernel_size": KERNEL, "padding": KERNEL // 2, "groups": width}
        self.mixer = nn.Conv1d(width, width, **over_tokens)
        self.conv = nn.Conv1d(width, width, bias=False, **over_tokens)
        self.norm = nn.BatchNorm1d(width)
        self.expand = nn.Conv1d(width, 4 * width, 1)
        self.shrink = nn.Conv1d(4 * width, width, 1)
        self.gamma = nn.Parameter(torch.full((width, 1), 1e-5))

    def forward(self, x):  # [batch, tokens, width]
        x = self.mixer(x.transpose(1, 2))
        y = self.shrink(nn.functional.gelu(self.expand(self.norm(self.conv(x)))))
        return (x + self.gamma * y).transpose(1, 2)


class ConvolutionalTextTower(nn.Module):
    """ids [batch, 77] -> raw embedding [batch, dim]."""

    def __init__(self, dim=512, width=512, heads=8, layers=4):
        super().__init__()
        self.token_embedding = nn.Embedding(TOKENS, width)
        self.positional_embedding = nn.Parameter(torch.empty(LENGTH, width).normal_(std=width**-0.5))
        self.blocks = nn.ModuleList([
            TokenConvBlock(width),
            *(
                nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
                for _ in range(layers)
            ),
            TokenConvBlock(width),
        ])
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, dim).normal_(std=width**-0.5))

    def forward(self, ids):
        x = self.token_embedding(ids) + self.positional_embedding
        for block in self.blocks:
            x = block(x)
        x = self.ln_final(x)
        return x[torch.arange(ids.shape[0]), ids.argmax(dim=-1)] @ self.text_projection
