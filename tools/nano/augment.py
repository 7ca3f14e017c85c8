"""Training pictures: RGBA rasters -> RGB batches in changing places, colours and styles."""
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def pyramid(pictures, side):
    """uint8 [n,4,side,side], premultiplied, antialiased from the cached rasters."""
    out = np.empty((len(pictures), 4, side, side), np.uint8)
    for i, picture in enumerate(pictures):
        alpha = picture[..., 3:].astype(np.float32) / 255
        flat = np.concatenate([picture[..., :3] * alpha, picture[..., 3:]], -1).round().astype(np.uint8)
        planes = [np.asarray(Image.fromarray(np.ascontiguousarray(flat[..., c])).resize((side, side), Image.BILINEAR)) for c in range(4)]
        out[i] = np.stack(planes)
    return torch.from_numpy(out)


def place(x, size, flip, g, strength):
    """Random rotation, scale, shear, shift, mirror and a smooth warp; resampled to size."""
    n = len(x)
    def uniform(low, high):
        return torch.rand(n, generator=g) * (high - low) + low
    def normal():
        return torch.randn(n, generator=g)
    angle = normal() * 9 * strength * math.pi / 180
    scale = torch.exp(uniform(math.log(0.72), math.log(1.12)))
    aspect = torch.exp(normal() * 0.08 * strength)
    shear = normal() * 0.07 * strength
    mirror = torch.where((torch.rand(n, generator=g) < 0.5) & flip, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = cos * mirror / (scale * aspect), (-sin + shear) / scale
    theta[:, 1, 0], theta[:, 1, 1] = sin * mirror / scale, cos * aspect / scale
    theta[:, :, 2] = torch.stack([uniform(-1, 1), uniform(-1, 1)], 1) * 0.12
    grid = F.affine_grid(theta, (n, 4, size, size), align_corners=False)
    warp = torch.randn(n, 2, 4, 4, generator=g) * (0.06 * strength * torch.rand(n, 1, 1, 1, generator=g))
    grid = grid + F.interpolate(warp, (size, size), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def hue_matrix(n, g, strength):
    """Colour matrices [n,3,3]: rotation about grey, saturation, contrast, channel gains."""
    big = torch.rand(n, generator=g) < 0.1
    angle = torch.randn(n, generator=g) * torch.where(big, 1.2, 0.15) * strength
    saturation = torch.exp(torch.randn(n, generator=g) * 0.3 * strength)
    saturation = torch.where(torch.rand(n, generator=g) < 0.08, torch.zeros(n), saturation)
    grey = torch.full((3, 3), 1 / 3)
    k = torch.tensor([[0., -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    eye = torch.eye(3)
    rotation = torch.cos(angle)[:, None, None] * (eye - grey) + torch.sin(angle)[:, None, None] * k
    gains = torch.exp(torch.randn(n, 3, generator=g) * 0.1 * strength)
    return (grey + saturation[:, None, None] * rotation) * gains[:, :, None]


def blur(x, sigma):
    """3x3 binomial-like blur mixed in by sigma in [0,1] per picture."""
    kernel = torch.tensor([1., 2, 1])
    kernel = (kernel[:, None] * kernel[None] / 16).expand(x.shape[1], 1, 3, 3)
    return x + sigma[:, None, None, None] * (F.conv2d(x, kernel, padding=1, groups=x.shape[1]) - x)


def background(n, size, g):
    """White for most; else a flat colour, a gradient, or soft noise."""
    kind = torch.rand(n, 1, 1, 1, generator=g)
    flat = torch.rand(n, 3, 1, 1, generator=g).expand(n, 3, size, size)
    corners = F.interpolate(torch.rand(n, 3, 2, 2, generator=g), (size, size), mode="bilinear", align_corners=True)
    noise = F.interpolate(torch.rand(n, 3, 6, 6, generator=g), (size, size), mode="bilinear")
    light = 1 - 0.15 * torch.rand(n, 3, 1, 1, generator=g).expand(n, 3, size, size)
    out = torch.where(kind < 0.55, torch.ones_like(flat), light)
    out = torch.where(kind > 0.65, flat, out)
    out = torch.where(kind > 0.78, corners, out)
    return torch.where(kind > 0.9, noise, out)


def augment(premultiplied, size, flip, g, strength=1.0):
    """uint8 [n,4,s,s] -> float [n,3,size,size] in [0,1]."""
    n = len(premultiplied)
    x = place(premultiplied.float() / 255, size, flip, g, strength)
    alpha = x[:, 3:].clamp(0, 1)
    rgb = x[:, :3] / alpha.clamp(min=1e-3)
    def chance(p):
        return (torch.rand(n, generator=g) < p).float()[:, None, None, None]
    # flattened (posterised) colours
    levels = (2 + 5 * torch.rand(n, 1, 1, 1, generator=g))
    rgb = torch.lerp(rgb, (rgb * levels).round() / levels, chance(0.12))
    # colour, contrast, brightness, gamma
    rgb = torch.einsum("nij,njhw->nihw", hue_matrix(n, g, strength), rgb)
    contrast = torch.exp(torch.randn(n, 1, 1, 1, generator=g) * 0.25 * strength)
    rgb = (rgb - 0.5) * contrast + 0.5 + torch.randn(n, 1, 1, 1, generator=g) * 0.1 * strength
    rgb = rgb.clamp(0, 1)
    rgb = rgb ** torch.exp(torch.randn(n, 1, 1, 1, generator=g) * 0.25 * strength)
    # inner edges darkened, a vendor that draws lines
    grey = rgb.mean(1, keepdim=True) * alpha
    edge = (F.max_pool2d(grey, 3, 1, 1) + F.max_pool2d(-grey, 3, 1, 1)).clamp(0, 1)
    rgb = rgb * (1 - chance(0.12) * edge * torch.rand(n, 1, 1, 1, generator=g) * 1.2).clamp(0, 1)
    # an outline around the figure
    wide = F.max_pool2d(alpha, 3, 1, 1)
    outline = chance(0.15)
    line = torch.where(torch.rand(n, 1, 1, 1, generator=g) < 0.6, 0.15 * torch.rand(n, 3, 1, 1, generator=g), torch.ones(n, 3, 1, 1))
    under = torch.lerp(torch.zeros_like(alpha), wide, outline)
    back = background(n, size, g)
    out = back * (1 - under) + line * under
    out = out * (1 - alpha) + rgb * alpha
    # softness: blur, or a coarse copy
    out = blur(out, chance(0.3)[:, 0, 0, 0] * torch.rand(n, generator=g))
    coarse = F.interpolate(F.interpolate(out, scale_factor=0.6, mode="bilinear", antialias=True), (size, size), mode="bilinear")
    out = torch.lerp(out, coarse, chance(0.1))
    out = out + chance(0.15) * 0.04 * torch.randn(out.shape, generator=g)
    return out.clamp(0, 1)


def boxes(n, size, low, high, g):
    """One random box per picture as a mask [n,1,size,size]; sides between low and high of the picture's."""
    at = torch.arange(size)
    def span():
        length = (torch.rand(n, 1, generator=g) * (high - low) + low) * size
        start = torch.rand(n, 1, generator=g) * (size - length)
        return ((at >= start) & (at < start + length)).float()
    return span()[:, None, :, None] * span()[:, None, None, :]


def swap_parts(x, g, share=0.3, blend=0.1):
    """x holds two pictures of each concept, in two halves. Some get a box from the other picture of theirs, or a veil of it:
    still the same concept, in two hands."""
    n = len(x)
    other = x.roll(n // 2, 0)
    draw = torch.rand(n, 1, 1, 1, generator=g)
    mask = torch.where(draw < share, boxes(n, x.shape[-1], 0.3, 0.8, g), torch.zeros(()))
    veil = torch.where((draw >= share) & (draw < share + blend), 0.6 * torch.rand(n, 1, 1, 1, generator=g), torch.zeros(()))
    return torch.lerp(x, other, mask + veil)


def erase(x, g, share=0.35):
    """A box of one colour over some pictures."""
    n = len(x)
    mask = boxes(n, x.shape[-1], 0.15, 0.45, g) * (torch.rand(n, 1, 1, 1, generator=g) < share)
    return torch.lerp(x, torch.rand(n, 3, 1, 1, generator=g).expand_as(x), mask)


def training_levels(pictures, cache):
    """The training pictures at three sizes, one and a quarter of the size they are trained at; kept on disk, shared by processes."""
    levels = {}
    for size in (32, 48, 64):
        path = cache / f"training-{size}.npy"
        if not path.exists():
            np.save(path, pyramid(pictures(), size * 5 // 4).numpy())
        levels[size] = np.load(path, mmap_mode="r")
    return levels
