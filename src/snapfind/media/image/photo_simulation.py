"""Synthetic photos of products: a studio picture is pasted into scenes of a shop, in random light.

They replace photos of shoppers that a shop does not have. Adapters are fitted on them. The four scenes (a heap, rows of
copies, a product in a hand, a close-up) do not imitate a particular data set.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from snapfind.media.image.background import cut_out_product
from snapfind.media.image.camera_noise import add_camera_effects, warp_perspective

__all__ = ["simulate_photo"]

_SIDE = 256  # pixels of the photo
_SCENES = (0.5, 0.05, 0.35, 0.1)  # probabilities of a heap, rows, a hand, a close-up
_SCENES_OF_BOXES = (0.0, 0.35, 0.55, 0.1)  # cartons are not on heaps


def simulate_photo(image: Image.Image, rng: Generator, backgrounds: Sequence[Image.Image] = ()) -> Image.Image:
    """Create a synthetic photo of a product.

    Args:
        image: Studio picture, or its RGBA cut-out.
        rng: Random generator. The same state gives the same photo.
        backgrounds: Pictures or cut-outs of other products, for the background.

    Returns:
        RGB photo of 256 by 256 pixels.

    Example:
        >>> simulate_photo(studio, np.random.default_rng(0)).size
        (256, 256)
    """
    product = image if image.mode == "RGBA" else cut_out_product(image)
    others = [other if other.mode == "RGBA" else cut_out_product(other) for other in _some(backgrounds, rng)]
    scene = _aisle(others, rng) if others and rng.random() < 0.7 else _plain(rng)
    place = (_heap, _rows, _in_hand, _close_up)[int(rng.choice(4, p=_SCENES_OF_BOXES if _is_box(product) else _SCENES))]
    place(scene, product, rng)
    return add_camera_effects(warp_perspective(scene, rng, 0.0, 0.12), rng)


def _some(backgrounds: Sequence[Image.Image], rng: Generator) -> list[Image.Image]:
    return [backgrounds[int(place)] for place in rng.integers(len(backgrounds), size=3)] if backgrounds else []


def _is_box(product: Image.Image) -> bool:
    """Tell whether a product fills its frame, like a carton or a book."""
    return float(np.asarray(product.getchannel("A")).mean()) > 0.85 * 255


def _heap(scene: Image.Image, product: Image.Image, rng: Generator) -> None:
    """Paste a heap: randomly rotated copies in two layers, the lower one darker."""
    copies = [_resize(product, rng.uniform(0.2, 0.55) * _SIDE)]
    copies += [_resize(product, max(copies[0].size) * factor) for factor in rng.uniform(0.88, 1.12, 3)]
    rotated = [copy.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR, expand=True) for copy in copies]
    step = rng.uniform(0.6, 0.85) * float(np.sqrt(copies[0].width * copies[0].height)) / _SIDE
    top = 0.0 if rng.random() < 0.6 else rng.uniform(0.1, 0.5)  # above it is the background
    for least, most in ((0.3, 0.6), (0.7, 1.05)):
        places = np.stack(np.meshgrid(np.arange(0, 1 + step, step), np.arange(top, 1 + step, step)), -1).reshape(-1, 2)
        for x, y in rng.permutation(places + rng.normal(0, step / 4, places.shape)):
            copy = rotated[int(rng.integers(len(rotated)))]
            _paste(scene, ImageEnhance.Brightness(copy).enhance(rng.uniform(least, most)), x, y)


def _rows(scene: Image.Image, product: Image.Image, rng: Generator) -> None:
    """Paste upright copies side by side."""
    copy = _resize(product, rng.uniform(0.35, 0.95) * _SIDE)
    copy = copy.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR, expand=True)
    _row(scene, copy, rng.uniform(0.3, 0.7), rng)


def _row(scene: Image.Image, copy: Image.Image, y: float, rng: Generator) -> None:
    """Paste a row of copies from the left border to the right."""
    across = copy.width * rng.uniform(0.85, 1.1) / _SIDE
    for x in np.arange(rng.uniform(-across, 0), 1 + across, across):
        _paste(scene, copy, x, y + rng.normal(0, 0.01))


def _in_hand(scene: Image.Image, product: Image.Image, rng: Generator) -> None:
    """Paste one large copy, rotated and in perspective, with fingers over its edge."""
    copy = warp_perspective(_resize(product, rng.uniform(0.5, 1.05) * _SIDE), rng, -0.15, 0.0)
    copy = copy.rotate(rng.normal(0, 25), Image.Resampling.BILINEAR, expand=True)
    x, y = rng.uniform(0.35, 0.65, 2)
    _paste(scene, copy, x, y)
    if rng.random() < 0.75:
        _fingers(scene, rng, x, y, copy.size)


def _close_up(scene: Image.Image, product: Image.Image, rng: Generator) -> None:
    """Paste one copy that is larger than the photo."""
    copy = _resize(product, rng.uniform(1.1, 1.9) * _SIDE)
    copy = copy.rotate(rng.uniform(0, 360) if rng.random() < 0.4 else rng.normal(0, 15), expand=True)
    _paste(scene, copy, *rng.uniform(0.3, 0.7, 2))


def _plain(rng: Generator) -> Image.Image:
    """Return a blurred, grainy background of a few dull colors."""
    colors = rng.integers(20, 235, (int(rng.integers(2, 6)), int(rng.integers(2, 6)), 3)).astype(np.float64)
    colors += rng.uniform(0.3, 0.9) * (colors.mean(axis=2, keepdims=True) - colors)
    filters = (Image.Resampling.BICUBIC, Image.Resampling.NEAREST)
    scene = Image.fromarray(colors.astype(np.uint8)).resize((_SIDE, _SIDE), filters[int(rng.random() < 0.3)])
    grain = 128 + rng.normal(0, rng.uniform(0, 25), (_SIDE // 4, _SIDE // 4))
    coarse = Image.fromarray(grain.clip(0, 255).astype(np.uint8)).resize(scene.size)
    return Image.blend(scene, Image.merge("RGB", [coarse] * 3), 0.3).filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))


def _aisle(others: Sequence[Image.Image], rng: Generator) -> Image.Image:
    """Return a blurred background: rows of other products, one above the other, with price labels."""
    scene = ImageEnhance.Brightness(_plain(rng)).enhance(0.6)
    draw = ImageDraw.Draw(scene)
    pitch = rng.uniform(0.25, 0.6)
    for number, y in enumerate(np.arange(rng.uniform(0, pitch), 1 + pitch, pitch)):
        copy = _resize(others[number % len(others)], pitch * rng.uniform(0.7, 0.95) * _SIDE)
        _row(scene, ImageEnhance.Brightness(copy).enhance(rng.uniform(0.5, 1)), y - pitch / 2 - 0.03, rng)
        edge, gray = y * _SIDE, int(rng.integers(60, 230))
        draw.rectangle([0, edge - 8, _SIDE, edge + 6], (gray, gray, gray))
        for left in np.arange(rng.uniform(0, 60), _SIDE, rng.uniform(40, 120)):
            draw.rectangle([left, edge - 7, left + 26, edge + 5], (250, 240, int(rng.choice([90, 240]))))
            draw.line([left + 4, edge - 1, left + 18, edge - 1], (30, 30, 30), 3)
    rotated = scene.rotate(float(rng.normal(0, 10)), Image.Resampling.BILINEAR)
    zoomed = warp_perspective(rotated, rng, 0.08, 0.25)
    return zoomed.filter(ImageFilter.GaussianBlur(float(rng.exponential(1.0))))


def _fingers(scene: Image.Image, rng: Generator, x: float, y: float, size: tuple[int, int]) -> None:
    """Draw skin-colored fingers that reach in from one side of the product."""
    skin = tuple(int(level) for level in np.array([224, 172, 140]) * rng.uniform(0.45, 1.05))
    hand = Image.new("RGBA", scene.size)
    draw = ImageDraw.Draw(hand)
    side = rng.choice([-1, 1])
    edge = x * _SIDE + side * size[0] * rng.uniform(0.15, 0.4)
    thick = int(rng.uniform(0.08, 0.14) * _SIDE)
    top = y * _SIDE + rng.uniform(-0.2, 0.3) * size[1]
    for finger in range(int(rng.integers(1, 5))):
        height = top + finger * thick * 1.05
        reach = edge - side * rng.uniform(0, 0.08) * _SIDE
        draw.line([(reach, height), (x * _SIDE + side * _SIDE, height + rng.uniform(-30, 60))], (*skin, 255), thick)
        draw.ellipse([reach - thick / 2, height - thick / 2, reach + thick / 2, height + thick / 2], (*skin, 255))
    scene.paste(hand.filter(ImageFilter.GaussianBlur(1.5)), (0, 0), hand.getchannel("A"))


def _resize(product: Image.Image, side: float) -> Image.Image:
    """Resize a product so that its longer side has that many pixels."""
    scale = side / max(product.size)
    return product.resize((max(2, round(product.width * scale)), max(2, round(product.height * scale))))


def _paste(scene: Image.Image, copy: Image.Image, x: float, y: float) -> None:
    """Paste a copy with a dark rim. Its center is given as fractions of the scene."""
    corner = (round(x * _SIDE - copy.width / 2), round(y * _SIDE - copy.height / 2))
    shadow = copy.getchannel("A").point(lambda level: level // 3)
    scene.paste((0, 0, 0), (corner[0] + 2, corner[1] + 3), shadow)
    scene.paste(copy, corner, copy)
