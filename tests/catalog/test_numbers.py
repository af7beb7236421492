"""Prices and numbers are read as shops write them; what could be read in two ways is refused, not guessed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind.catalog.ingest.numbers import Numbers
from snapfind.catalog.ingest.sources import open_source


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.50", 12.5),
        ("$12.50", 12.5),
        ("US$ 1,299.00", 1299),
        ("12,50", 12.5),
        ("1.299,00 €", 1299),
        ("€ 7", 7),
        ("1 299,50 kr", 1299.5),
        ("1\u202f299,50\u00a0€", 1299.5),
        ("CHF 1'299.50", 1299.5),
        ("Rs. 1,25,000", 125_000),
        ("12,-", 12),
        ("1.250.000 ₫", 1_250_000),
        ("¥1,250,000", 1_250_000),
        ("99元", 99),
        ("0,125", 0.125),
        ("1.299", 1.299),
        ("1,299", None),
        ("$.99", None),
        ("10k", None),
        ("12 %", None),
        ("2 for 5", None),
        ("n/a", None),
        ("-", None),
        ("1.2.3", None),
    ],
)
def test_a_price_alone(text, value):
    numbers = Numbers()
    numbers.look(text)
    if value is None:
        with pytest.raises(ValueError, match=r"write it like"):
            numbers.read(text)
    else:
        assert numbers.read(text) == value


@pytest.mark.parametrize(("others", "value"), [(["12,50"], 1299), (["12.50"], 1.299), (["1.250.000"], 1299)])
def test_the_rest_of_the_column_tells_which_mark_it_is(others, value):
    numbers = Numbers()
    for text in [*others, "1.299"]:
        numbers.look(text)
    assert numbers.read("1.299") == value


def test_a_column_of_two_currencies_is_refused():
    numbers = Numbers()
    for text in ("€ 7", "$7"):
        numbers.look(text)
    with pytest.raises(ValueError, match=r"\$, €"):
        numbers.read("€ 7")


@given(st.lists(st.decimals(0, 10**7, places=2), min_size=1), st.sampled_from([("{:,.2f}", False), ("{:,.2f}", True)]))
def test_what_a_spreadsheet_writes_is_read_back(values, style):
    form, turned = style
    texts = [form.format(value) for value in values]
    if turned:
        texts = [text.translate(str.maketrans(",.", ".,")) for text in texts]
    numbers = Numbers()
    for text in texts:
        numbers.look(text)
    assert [numbers.read(text) for text in texts] == [float(value) for value in values]


def test_a_table_of_excel_in_german(tmp_path):
    path = tmp_path / "preise.csv"
    path.write_bytes(
        "\ufeffid;title;price;weight;ean;image\r\n1;Tasse;12,50;0,5;00123;a.jpg\r\n"
        "2;Topf;1.299,00;1.250,5;00124;b.jpg\r\n3;Teller;7;12;00125;c.jpg\r\n".encode()
    )
    source = open_source(path, {})
    assert source.schema == {"weight": "number", "ean": "text"}
    assert [(item.product.price, item.product.attributes["weight"]) for item in source] == [
        (12.5, 0.5),
        (1299, 1250.5),
        (7, 12),
    ]
    again = open_source(path, {"weight": "number", "ean": "text"})
    assert [item.product for item in again] == [item.product for item in source]


def test_two_sizes_between_commas_are_no_number(tmp_path):
    path = tmp_path / "shoes.csv"
    path.write_text('id,sizes,price,image\n1,"38,39",5,a.jpg\n2,"40,41","1,299",b.jpg\n')
    source = open_source(path, {})
    shoe, other = source
    assert shoe.product.attributes == {"sizes": "38,39"}
    assert other.product.price is None and "1299 or 1.299" in source.notes[0]


@pytest.mark.parametrize("cell", ["1" + "-" * 50_000 + "1", "1 " * 50_000, "9" * 50_000, "1.,'" * 20_000, "-" * 50_000])
def test_a_long_cell_is_no_number_and_is_read_at_once(cell):
    begin = time.process_time()
    numbers = Numbers()
    numbers.look(cell)
    with pytest.raises(ValueError, match="write it like"):
        numbers.read(cell)
    assert time.process_time() - begin < 1
