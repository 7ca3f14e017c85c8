"""The whole model: vision encoder and decoder."""
import torch
from torch import nn

from data import CACHE
from vlm.decoder import Decoder
from vlm.vision import VlmVision, clip_trunk

CHECKPOINT = CACHE / "vlm/nano-vlm.pt"


class NanoVlm(nn.Module):
    def __init__(self, rows, trunk=None):
        super().__init__()
        self.vision = VlmVision(trunk or clip_trunk())
        self.decoder = Decoder(rows)


def load_vlm(path=CHECKPOINT):
    weights = torch.load(path, weights_only=True)["model"]
    model = NanoVlm(len(weights["decoder.embedding.weight"]))
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)
