"""Draw a small shop to try snapfind with: products.csv, a picture of each product, and photo.jpg, a shopper's photo.

python examples/draw_shop.py
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

__all__ = ["draw_shop"]

PRODUCTS = [
    ("mug", "Red enamel mug", 12.5, "kitchen", "firebrick"),
    ("plate", "Blue plate", 9.0, "kitchen", "royalblue"),
    ("box", "Green storage box", 24.0, "storage", "seagreen"),
    ("kite", "Yellow kite", 19.0, "toys", "gold"),
    ("vase", "Purple vase", 32.0, "home", "purple"),
    ("ring", "Swim ring", 15.0, "toys", "darkorange"),
]


def draw_shop(folder: Path) -> None:
    """Write the table, the pictures and the photo into a folder."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    lines = ["id,title,price,category,in_stock,picture"]
    for name, title, price, category, color in PRODUCTS:
        draw_product(name, color).save(folder / "pictures" / f"{name}.png")
        lines.append(f"{name},{title},{price},{category},{str(name != 'vase').lower()},pictures/{name}.png")
    (folder / "products.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    photo(draw_product("mug", "firebrick")).save(folder / "photo.jpg", quality=90)


def draw_product(name: str, color: str) -> Image.Image:
    """Draw a product on white, as shops photograph them."""
    picture = Image.new("RGB", (480, 480), "white")
    draw = ImageDraw.Draw(picture)
    match name:
        case "mug":
            draw.arc((280, 170, 400, 330), -100, 100, fill=color, width=28)
            draw.rounded_rectangle((120, 110, 320, 380), 30, fill=color)
            draw.ellipse((120, 90, 320, 140), fill="mistyrose")
        case "plate":
            draw.ellipse((60, 60, 420, 420), fill=color)
            draw.ellipse((130, 130, 350, 350), fill="aliceblue")
        case "box":
            draw.rectangle((90, 170, 390, 390), fill=color)
            draw.polygon([(60, 170), (420, 170), (380, 110), (100, 110)], fill="darkgreen")
        case "kite":
            draw.polygon([(240, 40), (380, 200), (240, 360), (100, 200)], fill=color)
            draw.line([(240, 360), (270, 400), (220, 430), (260, 460)], fill="black", width=6)
        case "vase":
            draw.polygon([(190, 60), (290, 60), (270, 160), (340, 320), (290, 430), (190, 430), (140, 320), (210, 160)],
                         fill=color)  # fmt: skip
        case _:
            draw.ellipse((70, 70, 410, 410), fill=color)
            draw.ellipse((170, 170, 310, 310), fill="white")
    return picture


def photo(picture: Image.Image) -> Image.Image:
    """Photograph a picture: smaller, turned, on a table, a little out of focus."""
    table = Image.new("RGB", (640, 480), "burlywood")
    small = picture.resize((360, 360)).rotate(9, expand=True, fillcolor="white")
    mask = small.convert("L").point(lambda level: 255 if level < 250 else 0)
    table.paste(small, (130, 50), mask)
    return table.filter(ImageFilter.GaussianBlur(1))


if __name__ == "__main__":
    draw_shop(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
