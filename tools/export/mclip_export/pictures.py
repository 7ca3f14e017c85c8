"""Seeded pictures: very different scenes for the tests, photo-like JPEGs for the benches, crops for calibration.

Nothing here comes from a camera, so everything may be made anew anywhere. Noise of many octaves (each one half the
size and somewhat fainter) gives the spectrum of a photograph, so that resizing and JPEG work as hard as on a real one.
"""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def octaves(rng, width, height, *, fade=0.6, finest=1):
    """Greyscale noise in [0, 1], float32 [height, width]; `finest` is the cell size of the last octave in pixels."""
    total = np.zeros((height, width), np.float32)
    cell, weight = max(width, height) / 2, 1.0
    while cell >= finest:
        grid = rng.random((math.ceil(height / cell) + 1, math.ceil(width / cell) + 1), np.float32)
        total += weight * np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))
        cell, weight = cell / 2, weight * fade
    return (total - total.min()) / max(float(np.ptp(total)), 1e-6)


def ramp(noise, dark, light):
    """Colours a noise field from `dark` to `light`: float32 [height, width, 3] of grey levels."""
    return noise[..., None] * (np.float32(light) - np.float32(dark)) + np.float32(dark)


def to_image(levels):
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8), "RGB")


def landscape(rng, width, height):
    """Sky, sun, hills and a lake, all rough."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    levels = ramp(np.clip(y + 0.4 * octaves(rng, width, height) - 0.2, 0, 1), (40, 95, 190), (250, 215, 170))
    sun = (x - 0.72) ** 2 * (width / height) ** 2 + (y - 0.28) ** 2 < 0.006
    levels[sun] = (255, 244, 190)
    ridge = octaves(rng, width, 1)[0]
    for base, dark, light in ((0.45, (70, 80, 110), (120, 130, 150)), (0.6, (20, 60, 25), (90, 140, 50))):
        hill = y > base + 0.25 * (ridge - 0.5)[None, :]
        levels[hill] = ramp(octaves(rng, width, height, fade=0.75), dark, light)[hill]
        ridge = octaves(rng, width, 1)[0]
    lake = np.broadcast_to(y > 0.82 + 0.02 * np.sin(9 * x), (height, width))
    levels[lake] = ramp(octaves(rng, width, height, fade=0.8), (10, 50, 80), (110, 170, 190))[lake]
    return to_image(levels)


def meadow(rng, width, height):
    """Flowers on grass."""
    image = to_image(ramp(octaves(rng, width, height, fade=0.8), (25, 70, 10), (170, 200, 60)))
    draw = ImageDraw.Draw(image)
    for _ in range(90):
        x, y, r = rng.random() * width, rng.random() * height, (0.01 + 0.03 * rng.random()) * width
        petals = tuple(int(v) for v in rng.integers((150, 0, 60), (256, 90, 200)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=petals)
        draw.ellipse((x - r / 3, y - r / 3, x + r / 3, y + r / 3), fill=(250, 220, 40))
    return image


def tower(rng, width, height):
    """Houses with lit windows at dusk."""
    image = to_image(ramp(octaves(rng, width, height), (60, 30, 80), (220, 120, 90)))
    draw = ImageDraw.Draw(image)
    for left in range(0, width, max(width // 5, 1)):
        top, right = int(height * (0.15 + 0.5 * rng.random())), left + width // 6
        draw.rectangle((left, top, right, height), fill=tuple(int(v) for v in rng.integers(40, 110, 3)))
        for wx in range(left + 5, right - 8, 14):
            for wy in range(top + 6, height - 10, 18):
                draw.rectangle((wx, wy, wx + 7, wy + 9), fill=(250, 230, 120) if rng.random() < 0.5 else (30, 30, 45))
    return image


def icon(rng, width, height):
    """Flat saturated shapes."""
    image = Image.new("RGB", (width, height), (225, 30, 45))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.15, height * 0.15, width * 0.85, height * 0.85), fill=(255, 255, 255))
    draw.polygon([(width * 0.5, height * 0.2), (width * 0.8, height * 0.7), (width * 0.2, height * 0.7)], fill=(20, 60, 200))
    return image


def pixel(rng, width, height):
    """One colour."""
    return Image.new("RGB", (width, height), (240, 140, 20))


def fabric(rng, width, height):
    """A weave finer than the resized grid: shows at once whether a resizer antialiases."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    weave = 0.5 + 0.25 * np.sin(2 * math.pi * x / 3.1) + 0.25 * np.sin(2 * math.pi * (y + x / 3) / 4.7)
    return to_image(ramp(0.8 * weave + 0.2 * octaves(rng, width, height), (20, 20, 90), (240, 225, 190)))


def night(rng, width, height):
    """Lamps in the dark."""
    levels = ramp(octaves(rng, width, height, finest=8), (0, 0, 6), (14, 16, 40))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(25):
        cx, cy, r = rng.random() * width, rng.random() * height, 2 + rng.random() * height / 30
        levels += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * r * r))[..., None] * np.float32(rng.integers(60, 256, 3))
    return to_image(levels)


def board(rng, width, height):
    """A chequered board with odd sides, and pieces."""
    y, x = np.mgrid[0:height, 0:width]
    image = to_image(ramp(((x // 17 + y // 17) % 2).astype(np.float32), (15, 90, 60), (245, 245, 230)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        cx, cy = int(rng.integers(0, width)), int(rng.integers(0, height))
        draw.ellipse((cx - 9, cy - 9, cx + 9, cy + 9), fill=(120, 0, 140) if rng.random() < 0.5 else (0, 200, 230))
    return image


def static(rng, width, height):
    """White noise in colour."""
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8), "RGB")


SCENES = [
    ("landscape", landscape, (451, 300)),
    ("meadow", meadow, (1600, 1200)),
    ("tower", tower, (333, 512)),
    ("icon", icon, (64, 64)),
    ("pixel", pixel, (1, 1)),
    ("fabric", fabric, (300, 900)),
    ("night", night, (640, 360)),
    ("board", board, (257, 255)),
]

PHOTOS = [  # width, height, about how many bytes the JPEG should have
    (451, 300, 100_000),
    (1600, 1200, 600_000),
    (4032, 3024, 4_000_000),
]


def jpeg_bytes(levels):
    buffer = io.BytesIO()
    to_image(levels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def photo(rng, width, height, target):
    """JPEG of a landscape, quality 90, with as much grain as brings it near `target` bytes."""
    scene = np.asarray(landscape(rng, width, height), np.float32)
    grain = rng.standard_normal((height, width, 1), np.float32)
    low, high = 0.0, 64.0
    for _ in range(7):
        middle = (low + high) / 2
        encoded = jpeg_bytes(scene + middle * grain)
        low, high = (middle, high) if len(encoded) < target else (low, middle)
    return encoded


def calibration_crops(size, count=16, seed=1):
    """Pictures that the batch norms are calibrated on (never the test pictures): uint8 [count, size, size, 3]."""
    kinds = [landscape, meadow, tower, icon, fabric, night, board, static]
    crops = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        image = kinds[index % len(kinds)](rng, size, size)
        tint = rng.permutation(3)  # channels shuffled, so that no colour is at home anywhere
        crops.append(np.asarray(image)[..., tint])
    return np.stack(crops)


def enlarged_pictures(size, count=16, seed=1):
    """Small pictures on black squares, enlarged: smooth where crops are rough, as a large input of a small picture is.

    uint8 [count, size, size, 3]
    """
    kinds = [static, board, landscape, fabric, static, tower, meadow, icon]
    pictures = []
    for index in range(count):
        rng = np.random.default_rng([seed, 1000 + index])
        width, height = (int(side) for side in rng.integers(40, 300, 2))
        pixels = np.asarray(kinds[index % len(kinds)](rng, width, height))[..., rng.permutation(3)]
        if index % 4 == 0:  # black and white only
            pixels = (pixels > 127).astype(np.uint8) * 255
        canvas = Image.new("RGB", (max(width, height),) * 2)
        canvas.paste(Image.fromarray(pixels, "RGB"), ((canvas.width - width) // 2, (canvas.height - height) // 2))
        pictures.append(np.asarray(canvas.resize((size, size), Image.Resampling.BICUBIC)))
    return np.stack(pictures)


def canary_pixels(size):
    """Pattern 1: the fixed picture of the manifest's canary, uint8 [size, size, 3], fed as it is."""
    y, x, c = np.ogrid[0:size, 0:size, 0:3]
    return (((x * x * (c + 1) + y * y * (3 - c) + x * y * 2) >> 3) & 255).astype(np.uint8)


def write_pictures(folder: Path, seed=0):
    """Writes the PNG scenes and JPEG photos; returns their descriptions."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for index, (name, scene, (width, height)) in enumerate(SCENES):
        file = f"{name}-{width}x{height}.png"
        scene(np.random.default_rng([seed, index]), width, height).save(folder / file)
        pictures.append({"name": name, "file": file, "width": width, "height": height})
    for index, (width, height, target) in enumerate(PHOTOS):
        file = f"photo-{width}x{height}.jpg"
        (folder / file).write_bytes(photo(np.random.default_rng([seed, 100 + index]), width, height, target))
        pictures.append({"name": f"photo-{width}x{height}", "file": file, "width": width, "height": height})
    return pictures
