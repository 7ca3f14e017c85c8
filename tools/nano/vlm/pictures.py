"""Training pictures for nano-vlm: nano-clip's places and styles with milder colours, and the colours that came out.

What a question says about colours must be true of the picture as it is shown, so colours are named after the augmentation.
"""
import torch
import torch.nn.functional as F

from augment import background, blur, boxes, hue_matrix, place
from vlm.colours import main_colours

SIZE = 64


def augment(premultiplied, flip, g, strength=0.5):
    """uint8 [n,4,80,80] -> RGB and visibility [n,4,64,64], colours in [0,1]."""
    n = len(premultiplied)

    def chance(p):
        return (torch.rand(n, 1, 1, 1, generator=g) < p).float()

    def normal(scale):
        return torch.randn(n, 1, 1, 1, generator=g) * scale * strength
    x = place(premultiplied.float() / 255, SIZE, flip, g, strength)
    alpha = x[:, 3:].clamp(0, 1)
    rgb = x[:, :3] / alpha.clamp(min=1e-3)
    changed = torch.einsum("nij,njhw->nihw", hue_matrix(n, g, strength), rgb)
    changed = ((changed - 0.5) * torch.exp(normal(0.25)) + 0.5 + normal(0.1)).clamp(0, 1) ** torch.exp(normal(0.25))
    rgb = torch.lerp(rgb.clamp(0, 1), changed, chance(0.8))
    # inner edges darkened, an outline around the figure
    grey = rgb.mean(1, keepdim=True) * alpha
    edge = (F.max_pool2d(grey, 3, 1, 1) + F.max_pool2d(-grey, 3, 1, 1)).clamp(0, 1)
    rgb = rgb * (1 - chance(0.12) * edge * torch.rand(n, 1, 1, 1, generator=g) * 1.2).clamp(0, 1)
    under = torch.lerp(torch.zeros_like(alpha), F.max_pool2d(alpha, 3, 1, 1), chance(0.15))
    line = torch.lerp(torch.ones(n, 3, 1, 1), 0.15 * torch.rand(n, 3, 1, 1, generator=g), chance(0.6))
    out = torch.lerp(background(n, SIZE, g), torch.ones(()), chance(0.2)) * (1 - under) + line * under
    out = out * (1 - alpha) + rgb * alpha
    out = blur(out, chance(0.3)[:, 0, 0, 0] * torch.rand(n, generator=g))
    coarse = F.interpolate(F.interpolate(out, scale_factor=0.6, mode="bilinear", antialias=True), (SIZE, SIZE), mode="bilinear")
    out = torch.lerp(out, coarse, chance(0.1)) + chance(0.15) * 0.04 * torch.randn(out.shape, generator=g)
    return torch.cat([out.clamp(0, 1), alpha], 1)


def letterbox(x, g, share=0.06):
    """Black bars above and below or beside some pictures, as the SDK's padding leaves them; not part of the figure."""
    n = len(x)
    at = torch.arange(SIZE)
    bar = (torch.rand(n, 1, generator=g) * 0.2 * SIZE) * (torch.rand(n, 1, generator=g) < share)
    free = ((at >= bar) & (at < SIZE - bar)).float()
    upright = torch.rand(n, 1, 1, 1, generator=g) < 0.5
    return x * torch.where(upright, free[:, None, :, None], free[:, None, None, :])


def erase(x, g, share=0.2):
    """A box of one colour over some pictures; not part of the figure."""
    n = len(x)
    mask = boxes(n, SIZE, 0.15, 0.4, g) * (torch.rand(n, 1, 1, 1, generator=g) < share)
    colour = torch.cat([torch.rand(n, 3, 1, 1, generator=g), torch.zeros(n, 1, 1, 1)], 1)
    return torch.lerp(x, colour.expand_as(x), mask)


def training_batch(premultiplied, flip, g, strength):
    """pixel_values [n,3,64,64] and each picture's colour names."""
    x = letterbox(erase(augment(premultiplied, flip, g, strength), g), g)
    return x[:, :3].contiguous(), main_colours(x[:, :3], x[:, 3:])


def prepared(picture):
    """An RGBA uint8 picture as the SDK prepares it: on white, padded to a square with black, Pillow bicubic to 64. uint8 [64,64,3]"""
    import numpy as np
    from PIL import Image
    image = Image.fromarray(picture)
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    side = max(image.size)
    square = Image.new("RGB", (side, side), "black")
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return np.asarray(square.resize((SIZE, SIZE), Image.BICUBIC))
