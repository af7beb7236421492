"""Use snapfind as a library: add a table, search by photo and by text, combine them, filter.

python examples/draw_shop.py && python examples/search_library.py
"""

import snapfind

with snapfind.open("shop.snap") as catalog:
    report = catalog.add("products.csv")
    print(f"{report.added} added, {report.unchanged} unchanged, {len(report.failures)} failed")

    print("\nby photo")
    for hit in catalog.search("photo.jpg", limit=3):
        print(f"  {hit.score:4.0%}  {hit.verdict:8}{hit.product.title}")

    print("\nby text, with a filter")
    for hit in catalog.search("something to eat from", filter="price < 20 and in_stock", limit=2):
        print(f"  {hit.product.title}, {hit.product.price:.2f}")

    print("\nlike the mug, but for toys")
    for hit in catalog.search(snapfind.QueryTerm(product="mug"), filter="category = 'toys'"):
        print(f"  {hit.product.title}")

    print("\ncategories:", dict(catalog.facets("category")))
