"""A report: figures with intervals that cover, honest tests of difference, slices, worst mistakes, JSON and back."""

import json

import numpy as np
import pytest
from PIL import Image

from snapfind.core.errors import BadInput
from snapfind.evaluation.bootstrap import bootstrap
from snapfind.evaluation.queries import read_queries
from snapfind.evaluation.report import EvaluatedQuery, Report, compare
from snapfind.evaluation.significance import difference
from snapfind.evaluation.slices import properties_of
from tests.pictures import save


def answered(number, place, score=0.5, **properties):
    ranked = [f"x{other}" for other in range(9)]
    ranked.insert(place, "right")
    return EvaluatedQuery(f"q{number}", frozenset({"right"}), tuple(ranked), score=score, properties=properties)


def test_intervals_cover_the_true_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        low, high = bootstrap(rng.binomial(1, 0.4, 80).tolist(), rounds=400, seed=trial)
        covered += low <= 0.4 <= high
    assert 0.89 <= covered / 200 <= 0.99
    assert bootstrap([0.5]) == (0.5, 0.5) and bootstrap([]) == (0.0, 0.0)


def test_the_test_of_difference_is_even_under_no_difference_and_small_under_a_real_one():
    rng = np.random.default_rng(1)
    ps = [difference(rng.normal(size=30), rng.normal(size=30), rounds=200, seed=trial).p for trial in range(150)]
    assert 0.4 < np.mean(ps) < 0.6 and np.mean(np.array(ps) < 0.05) < 0.12
    found = difference(rng.normal(0.8, 1, 100), rng.normal(0, 1, 100))
    assert found.p < 0.01 and found.low > 0
    same = difference([1.0, 0.0], [1.0, 0.0])
    assert (same.mean, same.p) == (0.0, 1.0)
    with pytest.raises(BadInput, match="same queries"):
        difference([1.0], [1.0, 2.0])


def test_a_report_through_json_is_the_same_report():
    report = Report(tuple(answered(number, number % 3, size="small") for number in range(9)))
    again = Report.parse(json.loads(json.dumps(report.as_dict())))
    assert again == report
    assert report.as_dict()["product"]["precision@1"]["mean"] == pytest.approx(1 / 3)
    assert report.figures("category") == {}
    assert len(report.to_csv().splitlines()) == 10
    with pytest.raises(BadInput, match="not a report"):
        Report.parse({"results": [{"query": 1}]})


def test_slices_and_the_worst_mistakes():
    rows = [answered(0, 0, size="small"), answered(1, 2, 0.9, size="large"), answered(2, 1, 0.3, size="large")]
    report = Report(tuple(rows))
    slices = report.slices()["size"]
    assert (slices["small"].mean, slices["large"].mean, slices["large"].n) == (1, 0, 2)
    assert [one.query for one in report.worst()] == ["q1", "q2"]


def test_runs_over_the_same_queries_are_compared_and_others_refused():
    good = Report(tuple(answered(number, 0) for number in range(40)))
    bad = Report(tuple(answered(number, 1 if number % 2 else 0) for number in reversed(range(40))))
    found = compare(good, bad)["precision@1"]
    assert found.mean == pytest.approx(0.5) and found.p < 0.01
    with pytest.raises(BadInput, match="different queries"):
        compare(good, Report((answered(99, 0),)))


def test_properties_of_photos():
    assert properties_of(Image.new("RGB", (100, 2000))) == {"size": "small", "brightness": "dark"}
    assert properties_of(Image.new("RGB", (1024, 2000), "white")) == {"size": "large", "brightness": "bright"}


def test_a_table_of_queries_lists_rows_that_are_none(tmp_path):
    save(1, tmp_path / "a.png")
    path = tmp_path / "q.csv"
    path.write_text(
        "picture,text,product,category\na.png,,p1|p2,tea\n,red tea,p1,\nb.png,,p1,\na.png,x,p1,\na.png,,,\n"
    )
    found, failed = read_queries(path)
    assert [(one.name, one.products, one.category) for one in found] == [
        ("a.png", frozenset({"p1", "p2"}), "tea"),
        ("red tea", frozenset({"p1"}), ""),
    ]
    assert len(failed) == 3 and "line 4" in failed[0] and "b.png" in failed[0]
    path.write_text("photo,id\n")
    with pytest.raises(BadInput, match="needs the columns"):
        read_queries(path)


@pytest.mark.parametrize("columns", ["picture,category", "picture,category,product"])
def test_a_table_may_name_categories_where_that_is_asked_for(tmp_path, columns):
    save(1, tmp_path / "a.png")
    path = tmp_path / "q.csv"
    path.write_text(f"{columns}\na.png,tea\na.png,\n")
    found, failed = read_queries(path, categories=True)
    assert [(one.products, one.category) for one in found] == [(frozenset(), "tea")]
    assert len(failed) == 1 and "no category" in failed[0]
    if "product" not in columns:
        with pytest.raises(BadInput, match="product and picture"):
            read_queries(path)


def test_queries_that_name_a_category_are_judged_by_it():
    right = EvaluatedQuery("a", frozenset(), ("x",), frozenset({"tea"}), ("tea", "mugs"), 0.9, {"size": "small"})
    wrong = EvaluatedQuery("b", frozenset(), ("y",), frozenset({"tea"}), ("mugs",), 0.8, {"size": "small"})
    report = Report((right, wrong))
    assert not report.figures("product") and report.figures("category")["precision@1"].mean == 0.5
    assert report.worst() == [wrong] and report.slices()["size"]["small"].mean == 0.5
    assert report.to_csv().splitlines()[1].startswith("a,tea,tea,")
    better = Report((right, EvaluatedQuery("b", frozenset(), ("y",), frozenset({"tea"}), ("tea",), 0.8)))
    assert compare(better, report)["precision@1"].mean == 0.5
