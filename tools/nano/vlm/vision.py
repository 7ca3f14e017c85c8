"""nano-clip's vision trunk and a projector: 64 x 64 pixels -> its final 4 x 4 map -> sixteen image tokens.

The projector is FastVLM's (linear, GELU, linear) on each place, plus a linear map of the mean over all places, the
vector in which nano-clip recognises things.
"""
import torch
import torch.nn.functional as F
from torch import nn

from model import Vision, fold_batch_norms, mix_style
from vlm.decoder import HIDDEN

PLACES = 16
CHANNELS = 192
STYLED = (1, 2)    # modules of the folded trunk after which training mixes styles: the stem, the first stage


class VlmVision(nn.Module):
    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk                                  # batch norms folded
        self.up, self.down = nn.Linear(CHANNELS, 2 * HIDDEN), nn.Linear(2 * HIDDEN, HIDDEN)
        self.overall = nn.Linear(CHANNELS, HIDDEN, bias=False)
        for layer, std in ((self.up, 1), (self.down, 0.3), (self.overall, 0.3)):
            nn.init.normal_(layer.weight, std=std * layer.in_features ** -0.5)

    def map(self, pixel_values, styled=False):
        """[b,3,64,64] in [0,1] -> [b,16,192]"""
        x = pixel_values * 2 - 1
        for i, module in enumerate(self.trunk):
            x = module(x)
            if styled and i in STYLED:
                x = mix_style(x)
        return x.flatten(2).transpose(1, 2)

    def project(self, places):
        """[b,16,192] -> [b,16,HIDDEN]"""
        return self.down(F.gelu(self.up(places), approximate="tanh")) + self.overall(places.mean(1, keepdim=True))

    def forward(self, pixel_values):
        return self.project(self.map(pixel_values))


def clip_trunk(checkpoint=None):
    """The folded trunk, with the weights of a nano-clip checkpoint of any head; untrained without one (to load others into)."""
    vision = Vision()
    if checkpoint is not None:
        saved = torch.load(checkpoint, weights_only=True)
        weights = saved.get("training", saved["model"])
        vision.trunk.load_state_dict({name.removeprefix("vision.trunk."): w for name, w in weights.items() if name.startswith("vision.trunk.")})
    return fold_batch_norms(vision).trunk.requires_grad_(True)
