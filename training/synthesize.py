"""Makes up dermoscopic images with exact masks, to try everything without a download.

    python -m training.synthesize DATA --images 60

An image is coloured the way skin is: melanin and blood absorb light (Beer-Lambert), and a lesion is
more of either inside an irregular outline. Veil, hair, gel, ruler, lamp and camera come on top and
leave the mask as it is. A score on made-up images shows that the code works, nothing more.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import tyro

from inference.cli import run, track
from inference.errors import InputError
from inference.images.folders import list_images
from inference.images.write import write_image

IMAGES = "ISIC2018_Task1-2_Training_Input"
MASKS = "ISIC2018_Task1_Training_GroundTruth"

# Red, green and blue: absorbed by one unit of (melanin, blood); of tissue without either; of
# pigment that lies deep in the skin.
ABSORPTION = np.array([[0.48, 0.12], [0.98, 0.72], [1.40, 0.62]], np.float32)
TISSUE = np.array([0.94, 0.92, 0.92], np.float32)
VEIL = np.array([0.43, 0.45, 0.50], np.float32)

Shape = tuple[int, int]


def make_lesion(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Paints one lesion on skin; `rng` in the same state gives the same bytes.

    Returns:
        image: (height, width, 3) uint8 RGB.
        mask: (height, width) uint8, 255 in the lesion, else 0; one region without holes.
    """
    mask = draw_outline(rng, (height, width))
    melanin, blood = paint_skin(rng, (height, width))
    more_melanin, more_blood, veil = paint_lesion(rng, mask)
    pigment = cv2.merge([melanin + more_melanin, blood + more_blood])
    absorption = ABSORPTION * rng.normal(1, 0.07, (3, 2)).astype(np.float32)
    image = TISSUE * cv2.exp(-cv2.transform(pigment, absorption))
    image = blend(image, veil, VEIL)
    for draw in (draw_hair, draw_bubbles, draw_ruler):
        image = draw(rng, image)
    return take_photo(rng, light(rng, image, mask)), mask


def noise(rng: np.random.Generator, shape: Shape, cell: float, octaves: int = 1) -> np.ndarray:
    """Smooth random field, about N(0, 1), with blobs of `cell` pixels: (H, W) float32."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        step = max(cell / 2**octave, 1.0)
        grid = rng.standard_normal((int(height / step) + 2, int(width / step) + 2), np.float32)
        total += 0.5**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def furrows(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    """Noise drawn out along a random direction: (H, W) float32."""
    height, width = shape
    side = int(math.hypot(height, width)) + 1
    grid = rng.standard_normal((int(side / cell) + 2, int(side / cell / 9) + 2), np.float32)
    field = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(0, 180), 1.0)
    return cv2.getRectSubPix(
        cv2.warpAffine(field, turn, (side, side)), (width, height), (side / 2, side / 2)
    )


def cells(rng: np.random.Generator, shape: Shape, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Scatters points and divides the frame among them (Voronoi).

    Returns:
        distance: to the nearest point, in units of their mean spacing; (H, W) float32.
        mesh: about 1 on the borders between neighbours, 0 away from them; (H, W) float32.
    """
    height, width = shape
    grid = np.mgrid[0 : height / spacing, 0 : width / spacing].reshape(2, -1)
    rows, columns = ((grid + rng.uniform(0, 1, grid.shape)) * spacing).astype(int)
    free = np.ones(shape, np.uint8)
    free[rows.clip(0, height - 1), columns.clip(0, width - 1)] = 0
    distance, owner = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5)
    border = np.zeros(shape, np.float32)
    border[1:, 1:] = (owner[1:, 1:] != owner[:-1, 1:]) | (owner[1:, 1:] != owner[1:, :-1])
    softness = max(0.8, 0.1 * spacing)
    return distance / spacing, cv2.GaussianBlur(border, (0, 0), softness) * (2 * softness)


def ramp(field: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rises smoothly from 0 where `field` is at most `low` to 1 where it is at least `high`."""
    rise = np.clip((field - low) / (high - low), 0, 1)
    return rise * rise * (3 - 2 * rise)


def blend(image: np.ndarray, cover: np.ndarray, colour: np.ndarray | float) -> np.ndarray:
    """Lays `colour` over an image (H, W, 3) as far as `cover` (H, W), 0 to 1, says."""
    return image + cover[..., None] * (colour - image) if cover.any() else image


def draw_outline(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Chooses a lesion's region, of one to three lobes: (H, W) uint8, 0 or 255."""
    radius = min(shape) * 10 ** rng.uniform(-1.15, -0.26)
    middle = [n / 2 + rng.uniform(-0.6, 0.6) * max(0.05 * n, n / 2 - 1.3 * radius) for n in shape]
    rows, columns = np.indices(shape, np.float32)
    field = np.full(shape, -np.inf, np.float32)
    for lobe in range(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])):
        reach = radius * (rng.uniform(0.4, 0.8) if lobe else 1)
        y, x = (n + (rng.uniform(-0.75, 0.75) * radius if lobe else 0) for n in middle)
        angle, stretch = rng.uniform(0, math.pi), math.sqrt(rng.uniform(1, 1.8))
        along = (columns - x) * math.cos(angle) + (rows - y) * math.sin(angle)
        across = (rows - y) * math.cos(angle) - (columns - x) * math.sin(angle)
        field = np.maximum(field, 1 - cv2.magnitude(along / stretch, across * stretch) / reach)
    field += rng.uniform(0.03, 0.14) * noise(rng, shape, 0.8 * radius)
    field += 0.08 * rng.beta(1, 1.5) * noise(rng, shape, 0.3 * radius, octaves=3)
    region = cv2.medianBlur((field > 0).astype(np.uint8), 5)
    _, owner, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=4)
    largest = (owner == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(largest, contours, -1, 255, cv2.FILLED)


def paint_skin(rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Melanin and blood of healthy skin, light to dark: (H, W) float32 each."""
    scale = min(shape) / 384
    texture = noise(rng, shape, 6 * scale, octaves=2)
    for _ in range(2):
        texture += rng.uniform(0, 0.7) * furrows(rng, shape, rng.uniform(2.5, 5) * scale)
    tone = 0.05 + 0.9 * rng.beta(0.7, 1.8)
    melanin = tone * (1 + 0.07 * noise(rng, shape, 60 * scale, octaves=3))
    melanin += rng.uniform(0.004, 0.02) * texture
    blood = 0.35 * rng.beta(1, 2) + rng.uniform(0.02, 0.06) * noise(rng, shape, 80 * scale, 4)
    if rng.random() < 0.25:  # freckles and pores
        distance, _ = cells(rng, shape, rng.uniform(25, 45) * scale)
        spots = ramp(0.08 * noise(rng, shape, 15 * scale) - distance, -0.2, 0)
        melanin += rng.uniform(0.1, 0.3) * spots * ramp(noise(rng, shape, 50 * scale), -0.5, 1.5)
    if rng.random() < 0.4:  # fine vessels, along the zero level of a noise
        vessels = np.exp(-((noise(rng, shape, 40 * scale, octaves=3) / 0.12) ** 2))
        blood += rng.uniform(0.05, 0.2) * vessels * ramp(noise(rng, shape, 90 * scale), 0, 1)
    return melanin, blood


def paint_lesion(
    rng: np.random.Generator, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Melanin and blood that a lesion adds, and its veil (0 to 1): (H, W) float32 each."""
    shape = mask.shape
    size = math.sqrt(np.count_nonzero(mask))
    inside, outside = (cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (mask, 255 - mask))
    fade = 10 ** rng.uniform(-1.5, -0.7) * size * np.exp(0.4 * noise(rng, shape, 0.5 * size))
    depth = (inside - outside) / fade + 0.17 * noise(rng, shape, 0.1 * size, octaves=3)
    body = ramp(depth, -0.2, 0.9)  # mostly inside: readers outline a lesion at its faint edge
    red = rng.random() < 0.15
    melanin = rng.uniform(0.1, 0.3) if red else 10 ** rng.uniform(-0.4, 0.25)
    blood = rng.uniform(0.5, 1.0) if red else 0.25 * rng.beta(1, 2)
    pigment = body * vary_tones(rng, shape, size, red)
    veil = np.zeros_like(body)
    if not red and rng.random() < 0.2:
        patch = ramp(noise(rng, shape, 0.4 * size, octaves=4), -0.3, 2)
        veil = rng.uniform(0.35, 0.75) * patch * ramp(depth, 0, 2)
    return melanin * pigment, blood * pigment, veil


def vary_tones(rng: np.random.Generator, shape: Shape, size: float, red: bool) -> np.ndarray:
    """Relative pigment of a lesion of `size` pixels across: patches, and dots or a network.

    Returns:
        (H, W) float32, 0.4 to 3, about 1.
    """
    tones = 1 + rng.uniform(0.1, 0.3) * noise(rng, shape, 0.3 * size, octaves=4)
    tones += 0.08 * noise(rng, shape, 4, octaves=2)
    tones += rng.uniform(0, 1.2) * ramp(noise(rng, shape, 0.4 * size, octaves=3), 0, 1.5)
    tones -= rng.uniform(0, 0.5) * ramp(noise(rng, shape, 0.4 * size, octaves=3), 0.5, 2)
    distance, mesh = cells(rng, shape, max(5.0, min(shape) / 384 * rng.uniform(6, 13)))
    where = ramp(noise(rng, shape, 0.3 * size, octaves=4), -1, 0.7)
    structure = rng.choice(["dots", "network", "none"], p=[0.35, 0.45, 0.2])
    if structure == "dots":
        varied = distance + 0.15 * noise(rng, shape, 0.1 * size)
        tones += rng.uniform(0.4, 1.0) * where * ramp(-varied, -0.4, -0.1)
    elif structure == "network" and not red:
        tones += rng.uniform(0.5, 1.4) * where * (mesh - 0.4)
    return np.clip(tones, 0.4, 3)


def draw_hair(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Lays no, some or many curved, tapering hairs over an image (H, W, 3), 0 to 1."""
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    along = np.linspace(0, 1, 24)
    direction, thickness = rng.uniform(0, 2 * math.pi), min(height, width) / 384
    for _ in range(rng.integers(0, rng.choice([1, 8, 40], p=[0.5, 0.3, 0.2]))):
        bend = rng.normal(0, 1.0) * along + rng.normal(0, 1.2) * along**2
        angle = direction + rng.normal(0, 0.6) + bend
        ahead = np.stack([np.cos(angle), np.sin(angle)], 1)
        spine = rng.uniform(-0.1, 1.1, 2) * (width, height)
        spine = spine + rng.uniform(0.2, 0.9) * width / along.size * np.cumsum(ahead, 0)
        side = ahead[:, ::-1] * (-1, 1) * np.sqrt(1 - along)[:, None]
        side *= thickness * rng.uniform(0.4, 1.1)
        edge = np.concatenate([spine + side, (spine - side)[::-1]])
        cv2.fillPoly(layer, [(edge * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    darkness = float(rng.choice([0.8, 1.8, 2.6], p=[0.2, 0.3, 0.5]))
    colour = TISSUE * np.exp(-darkness * ABSORPTION[:, 0])
    return blend(image, layer * np.float32(rng.uniform(0.5, 0.9) / 255), colour)


def draw_bubbles(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Lays, in a third of cases, bubbles of gel over an image (H, W, 3), 0 to 1."""
    height, width = image.shape[:2]
    dark, bright = np.zeros((2, height, width), np.uint8)
    for _ in range(rng.integers(2, 14) if rng.random() < 0.35 else 0):
        x, y = int(rng.uniform(0, 16) * width), int(rng.uniform(0, 16) * height)
        radius = int(0.1 * min(height, width) * 12 ** rng.uniform(0, 1) ** 3)
        glint = x - radius // 3, y - radius // 3
        cv2.circle(dark, (x, y), radius, 255, 1, cv2.LINE_AA, shift=4)
        cv2.circle(bright, (x, y), max(radius - 20, 8), 255, 1, cv2.LINE_AA, shift=4)
        cv2.circle(bright, glint, radius // 5, 255, cv2.FILLED, cv2.LINE_AA, shift=4)
    strength = np.float32(rng.uniform(0.15, 0.4) / 255)
    return blend(blend(image, dark * strength, 0.0), bright * (1.5 * strength), 1.0)


def draw_ruler(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Lays, in a quarter of cases, a scale near the border of an image (H, W, 3), 0 to 1."""
    if rng.random() > 0.25:
        return image
    height, width = image.shape[:2]
    angle = rng.integers(4) * math.pi / 2 + rng.normal(0, 0.15)
    along = np.array([math.cos(angle), math.sin(angle)])
    inward = np.array([math.sin(angle), -math.cos(angle)])
    origin = (0.5 - rng.uniform(0.38, 0.46) * inward) * (width, height)
    tick = rng.uniform(0.02, 0.05) * min(height, width)
    place = np.arange(-10, 11)[:, None]
    feet = origin + place * tick * along
    tips = feet + np.where(place % 5, 0.4, 0.8) * tick * inward
    lines = np.concatenate([np.stack([feet, tips], 1), feet[None, [0, -1]]])
    layer = np.zeros((height, width), np.uint8)
    cv2.polylines(layer, list((lines * 16).astype(np.int32)), False, 255, 1, cv2.LINE_AA, shift=4)
    return blend(image, layer * np.float32(rng.uniform(0.5, 0.9) / 255), rng.uniform(0, 0.25))


def light(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lights an image (H, W, 3) unevenly; in a third of cases a round field has dark corners."""
    height, width = mask.shape
    rows, columns = np.indices(mask.shape, np.float32)
    rows -= height * rng.uniform(0.47, 0.53)
    columns -= width * rng.uniform(0.47, 0.53)
    distance = cv2.magnitude(rows, columns) * (2 / math.hypot(height, width))
    lamp = 1 - rng.uniform(0, 0.25) * distance**2
    lamp += rng.uniform(0, 0.06) * noise(rng, mask.shape, min(mask.shape))
    if rng.random() < 0.35:  # the rim stays clear of the lesion, which the mask holds whole
        rim = max(rng.uniform(0.7, 0.95), float(distance[mask > 0].max()) + 0.03)
        lamp *= 1 - rng.uniform(0.7, 1.0) * ramp(distance, rim, rim + rng.uniform(0.03, 0.25))
    return image * lamp[..., None]


def take_photo(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Gives an image (H, W, 3), about 0 to 1, exposure, tint, grain and softness: uint8."""
    gain = rng.uniform(0.78, 1.1) * rng.normal(1, 0.03, 3)
    grain = rng.uniform(0.005, 0.03) * rng.standard_normal(image.shape[:2], np.float32)
    image = image * gain.astype(np.float32) + grain[..., None]
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.0))
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)


def synthesize(
    folder: tyro.conf.Positional[Path],
    images: int = 60,
    seed: int = 0,
    height: int = 384,
    width: int = 512,
) -> None:
    """Writes made-up images and masks into a folder, laid out as the ISIC 2018 challenge, Task 1.

    Args:
        folder: one of their own; the same made-up files in it are written anew.
        images: how many; 60 images are the first 60 of 100.
        seed: another seed, other images.
        height: of each image, in pixels; at least 64.
        width: of each image, in pixels; at least 64.

    Raises:
        InputError: a number is too small, or `folder` holds other images.
    """
    if images < 1:
        raise InputError(f"--images {images}: at least one is needed; give 1 or more")
    if seed < 0:
        raise InputError(f"--seed {seed}: a seed is not negative; give 0 or more")
    if min(height, width) < 64:
        raise InputError(f"--height {height} --width {width}: too small; give 64 or more for each")
    names = [f"SYNTH_{number:07}" for number in range(images)]
    image_paths = [folder / IMAGES / f"{name}.jpg" for name in names]
    mask_paths = [folder / MASKS / f"{name}_segmentation.png" for name in names]
    there = list_images(folder) if folder.is_dir() else []
    others = sorted(set(there).difference(image_paths, mask_paths))
    if others:
        raise InputError(
            f"{folder}: already holds {len(others)} image(s) that are not of this set, such as "
            f"{others[0]}; made-up images are kept apart from all others; give a new folder"
        )
    for number in track(range(images), "painting", images):
        image, mask = make_lesion(np.random.default_rng([seed, number]), height, width)
        write_image(image_paths[number], image)
        write_image(mask_paths[number], mask)


if __name__ == "__main__":
    run(synthesize)
