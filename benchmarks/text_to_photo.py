"""Can a plain noun find photos that have no text at all, by ConSE? Prints a Markdown table of average precision.

    SNAPFIND_DATA=... python benchmarks/text_to_photo.py                  # val
    SNAPFIND_DATA=... python benchmarks/text_to_photo.py --split train    # every fourth photo: for choosing

Photos: `grocery`, taken by phone. "In ImageNet": eleven products that have a class there; "not": ten that have none,
whose names must find them by likeness alone. Average precision by chance is the share of a product's photos, .014.
"""

import argparse
import csv
import os
from pathlib import Path

import numpy as np

from snapfind.core.config import Settings
from snapfind.encoders.arrays import unit
from snapfind.encoders.crossmodal.conse import Conse, class_names
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.text.e5 import TextEncoder
from snapfind.evaluation.metrics import average_precision
from snapfind.media.image.decode import Limits, load

LANGUAGES = ("en", "sv", "zh")
IN_IMAGENET = {
    "Granny-Smith": ("green apple", "grönt äpple", "青苹果"),
    "Lemon": ("lemon", "citron", "柠檬"),
    "Orange": ("orange fruit", "apelsin", "橙子"),
    "Banana": ("bananas", "bananer", "香蕉"),
    "Pineapple": ("pineapple", "ananas", "菠萝"),
    "Pomegranate": ("pomegranate", "granatäpple", "石榴"),
    "Cucumber": ("cucumber", "gurka", "黄瓜"),
    "Zucchini": ("courgette", "squash", "西葫芦"),
    "Brown-Cap-Mushroom": ("mushrooms", "svamp", "蘑菇"),
    "Cabbage": ("cabbage", "vitkål", "卷心菜"),
    "Red-Bell-Pepper": ("paprika", "röd paprika", "红椒"),
}
NOT = {
    "Avocado": ("avocado", "avokado", "牛油果"),
    "Mango": ("mango", "mango", "芒果"),
    "Carrots": ("carrots", "morötter", "胡萝卜"),
    "Garlic": ("garlic", "vitlök", "大蒜"),
    "Ginger": ("ginger", "ingefära", "生姜"),
    "Kiwi": ("kiwi", "kiwi", "猕猴桃"),
    "Watermelon": ("watermelon", "vattenmelon", "西瓜"),
    "Leek": ("leek", "purjolök", "韭葱"),
    "Aubergine": ("aubergine", "aubergine", "茄子"),
    "Oatly-Oat-Milk": ("oat milk", "havredryck", "燕麦奶"),
}


def seen(split: str, encoder: str) -> tuple[np.ndarray, np.ndarray]:
    """(n,) product names and (n, 1000) class probabilities of the photos."""
    folder = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    with (folder / "classes.csv").open() as table:
        names = [row[0] for row in csv.reader(table)][1:]
    lines = [line.split(", ") for line in (folder / f"{split}.txt").read_text().splitlines()]
    lines = lines[:: 4 if split == "train" else 1]
    photos = [load(folder / path, Limits.of(Settings())) for path, _, _ in lines]
    return np.array([names[int(fine)] for _, fine, _ in lines]), Builtin.load(encoder).extract_features(
        photos
    ).posterior


def precisions(similar: np.ndarray, products: np.ndarray, wanted: list[str]) -> str:
    """Mean average precision over those wanted products that the split has; `similar` is (queries, photos)."""
    found = [
        average_precision(np.argsort(-row, kind="stable").tolist(), set(np.flatnonzero(products == name).tolist()))
        for row, name in zip(similar, wanted)
        if (products == name).any()
    ]
    return f"{np.mean(found):.3f} (n={len(found)})"


def main() -> None:
    """Reads, ranks, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=("val", "train"), default="val")
    parser.add_argument("--encoder", default="lite0", help="or the folder of an artifact, such as one in 8 bits")
    given = parser.parse_args()
    products, posterior = seen(given.split, given.encoder)
    text = TextEncoder()
    names = text.texts(class_names(), role="document")
    print(f"| bridge | products | {' | '.join(LANGUAGES)} |\n|---|---|---|---|---|")
    for top in (1, 3, 10, 50):
        conse = Conse(text, top)
        weights = np.where(posterior >= np.sort(posterior, axis=1)[:, -top][:, None], posterior, 0)
        for title, wanted in (("in ImageNet", IN_IMAGENET), ("not", NOT)):
            asked = [[told[i] for told in wanted.values()] for i in range(3)]
            plain = [text.texts(words, "query") @ unit(weights @ names).T for words in asked]
            ours = [conse.texts(words, "query") @ conse.encode_features(posterior).T for words in asked]
            for how, rows in (("as they are", plain), ("centered", ours)):
                cells = [precisions(row, products, list(wanted)) for row in rows]
                print(f"| top {top}, {how} | {title} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
