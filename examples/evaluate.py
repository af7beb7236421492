"""Measure search quality on labeled photos, change the model, and compare the two on the same photos.

python examples/draw_shop.py && python examples/evaluate.py
"""

from pathlib import Path

from draw_shop import PRODUCTS, draw_product, photo

import snapfind
from snapfind.evaluation.queries import read_queries
from snapfind.evaluation.report import Report, compare
from snapfind.evaluation.run import evaluate

Path("photos").mkdir(exist_ok=True)
lines = ["picture,product"]
for name, _, _, _, color in PRODUCTS:
    photo(draw_product(name, color)).save(f"photos/{name}.jpg")
    lines.append(f"photos/{name}.jpg,{name}")
Path("queries.csv").write_text("\n".join(lines) + "\n")

with snapfind.open("shop.snap") as catalog:
    catalog.add("products.csv")
    queries, failures = read_queries(Path("queries.csv"))
    before, _ = evaluate(catalog, queries)
    name = catalog.models.fit_beside()  # a second model beside the active one, which keeps answering
    after, _ = evaluate(catalog, queries, model=name)

old, new = Report(tuple(before)), Report(tuple(after))
for metric in ("precision@1", "mrr"):
    values = [report.figures("product")[metric].mean for report in (old, new)]
    print(f"{metric}: {values[0]:.2f} -> {values[1]:.2f}, p {compare(new, old)[metric].p:.2f}")
