"""Names of the main colours of a picture, computed from its pixels.

Every visible pixel is given one of twelve names by its hue, saturation and value; the most frequent name is the main
colour, and a second one is named when it covers enough of the figure. The background does not count.
"""
import torch

NAMES = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray", "beige"]
SECOND_SHARE = 0.28    # of the visible pixels


def classify(rgb):
    """float [..., 3] in [0, 1] -> index into NAMES, int64 [...]."""
    red, green, blue = rgb.unbind(-1)
    value, low = rgb.max(-1).values, rgb.min(-1).values
    chroma = value - low
    saturation = chroma / value.clamp(min=1e-6)
    safe = chroma.clamp(min=1e-6)
    hue = torch.where(value == red, (green - blue) / safe % 6, torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4)) * 60
    out = torch.full(hue.shape, NAMES.index("red"))

    def name(colour, where):
        out[where] = NAMES.index(colour)
    name("orange", (hue >= 14) & (hue < 40))
    name("yellow", (hue >= 40) & (hue < 68))
    name("green", (hue >= 68) & (hue < 165))
    name("blue", (hue >= 165) & (hue < 255))
    name("purple", (hue >= 255) & (hue < 335))
    name("pink", (hue >= 295) & (hue < 335) & (value > 0.55))
    name("pink", ((hue >= 335) | (hue < 14)) & (saturation < 0.58) & (value > 0.78))
    name("brown", (hue >= 5) & (hue < 50) & (value < 0.62))
    name("brown", (hue >= 5) & (hue < 30) & (saturation < 0.66) & (value < 0.9))
    name("beige", (hue >= 10) & (hue < 47) & (saturation < 0.36) & (value >= 0.78))
    name("gray", (saturation < 0.12) | ((saturation < 0.22) & (value < 0.85)))
    name("white", (saturation < 0.12) & (value >= 0.9))
    name("black", (value < 0.2) | ((value < 0.28) & (saturation < 0.35)))
    return out


def main_colours(rgb, alpha):
    """float [n,3,h,w] and visibility [n,1,h,w] -> for each picture one or two colour names, the more frequent first."""
    names = classify(rgb[:, :, ::2, ::2].permute(0, 2, 3, 1)).flatten(1)          # every second pixel is enough
    visible = (alpha[:, 0, ::2, ::2] > 0.5).float().flatten(1)
    counts = torch.zeros(len(rgb), len(NAMES)).scatter_add_(1, names, visible)
    share, order = (counts / counts.sum(1, keepdim=True).clamp(min=1)).sort(1, descending=True)
    return [[NAMES[i] for i, s in zip(row[:2].tolist(), part[:2].tolist()) if s >= SECOND_SHARE] or [NAMES[row[0]]]
            for row, part in zip(order, share)]
