"""The facade of Alibaba Cloud Image Search, driven by its real SDK over HTTP on this machine."""

import base64
import io
import time

import pytest

pytest.importorskip("alibabacloud_imagesearch20201214")

from alibabacloud_imagesearch20201214 import models
from alibabacloud_imagesearch20201214.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from alibabacloud_tea_util.models import RuntimeOptions

from snapfind.core.errors import KeyMissing
from snapfind.server import build
from snapfind.server.compat.alibaba_signature import Signatures
from snapfind.server.keys import KeyStore
from tests.catalog.conftest import Shop
from tests.server.conftest import photo, photo64
from tests.server.test_client import listening

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NAME = {"instance_name": "shop"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    catalog = shop.open()
    catalog.add(shop.table)
    store = KeyStore(shop.path)
    pairs = {scope: store.create(scope, [scope], signing=True) for scope in ("search", "write")}
    with listening(build(catalog, needs_key=True, compat="imagesearch")) as url:
        yield url.removeprefix("http://"), {scope: (key.id, secret) for scope, (key, secret) in pairs.items()}


def client(place, scope="write", secret=""):
    url, pairs = place
    id, own = pairs[scope]
    return Client(
        Config(access_key_id=id, access_key_secret=secret or own, endpoint=url, protocol="http", region_id="local")
    )


@pytest.fixture
def sdk(place):
    return client(place)


def add(sdk, product, name, number, **fields):
    request = models.AddImageRequest(**NAME, product_id=product, pic_name=name, pic_content=photo64(number), **fields)
    return sdk.add_image_with_options(request, RuntimeOptions()).body


def by_pic(sdk, number, **fields):
    given = {"crop": False, "pic_content": photo64(number), **fields}
    request = models.SearchImageByPicRequest(**NAME, **given)
    return sdk.search_image_by_pic_with_options(request, RuntimeOptions()).body


def test_add_search_update_delete(sdk):
    added = add(sdk, "cup-1", "front", 40, int_attr=5, str_attr="red", custom_content="a cup", category_id=7)
    assert added.success and added.code == 0 and added.pic_info.region.count(",") == 3
    add(sdk, "cup-1", "back", 41, int_attr=5, str_attr="red", category_id=7)
    add(sdk, "cup-2", "front", 42, int_attr=9, str_attr="blue", category_id=8)

    found = by_pic(sdk, 40, num=3)
    assert found.success and found.request_id and found.head.docs_return == len(found.auctions) == 3
    best = found.auctions[0]
    assert (best.product_id, best.pic_name, best.int_attr, best.str_attr) == ("cup-1", "front", 5, "red")
    assert 0 <= best.score <= 1 and len({auction.product_id for auction in found.auctions}) == 3
    assert {category.name for category in found.pic_info.all_categories} >= {"7", "8", "tea"}

    filtered = by_pic(sdk, 40, filter='int_attr > 6 AND str_attr = "blue"')
    assert [auction.product_id for auction in filtered.auctions] == ["cup-2"]
    assert by_pic(sdk, 40, score_threshold="1.00").auctions in ([], None)
    second = by_pic(sdk, 40, start=1, num=1)
    assert second.auctions[0].product_id == found.auctions[1].product_id

    update = models.UpdateImageRequest(**NAME, product_id="cup-1", pic_name="front", int_attr=6, str_attr="green")
    assert sdk.update_image_with_options(update, RuntimeOptions()).body.success
    assert by_pic(sdk, 40, num=1).auctions[0].str_attr == "green"

    one = models.DeleteImageRequest(**NAME, product_id="cup-1", pic_name="front")
    assert sdk.delete_image_with_options(one, RuntimeOptions()).body.data.pic_names == ["front"]
    exists = models.CheckImageExistsRequest(**NAME, product_id="cup-1", pic_name="front")
    assert not sdk.check_image_exists_with_options(exists, RuntimeOptions()).body.exists
    exists = models.CheckImageExistsRequest(**NAME, product_id="cup-1", pic_name="back")
    assert sdk.check_image_exists_with_options(exists, RuntimeOptions()).body.exists
    by_filter = models.DeleteImageRequest(**NAME, is_delete_by_filter=True, filter="int_attr > 6")
    assert sdk.delete_image_with_options(by_filter, RuntimeOptions()).body.success
    whole = models.DeleteImageRequest(**NAME, product_id="cup-1")
    assert sdk.delete_image_with_options(whole, RuntimeOptions()).body.data.pic_names == ["back"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_every_format_of_that_service_is_taken(sdk, kind):
    content = base64.b64encode(photo(40, kind)).decode()
    request = models.AddImageRequest(**NAME, product_id="f", pic_name=kind, pic_content=content)
    assert sdk.add_image_with_options(request, RuntimeOptions()).body.success
    found = by_pic(sdk, 40, pic_content=content)
    assert found.auctions[0].product_id == "f"
    sdk.delete_image_with_options(models.DeleteImageRequest(**NAME, product_id="f"), RuntimeOptions())


def test_search_by_name_text_and_filter(sdk):
    request = models.SearchImageByNameRequest(**NAME, product_id="mug-1", pic_name="c.png", num=2)
    assert sdk.search_image_by_name_with_options(request, RuntimeOptions()).body.auctions[0].product_id == "mug-1"
    request = models.SearchImageByTextRequest(**NAME, text="green tea", num=2)
    assert sdk.search_image_by_text_with_options(request, RuntimeOptions()).body.auctions[0].product_id == "tea-2"
    request = models.SearchImageByFilterRequest(**NAME, filter='category = "tea"')
    listed = sdk.search_image_by_filter_with_options(request, RuntimeOptions()).body.auctions
    assert {auction.product_id for auction in listed} == {"tea-1", "tea-2"}


def test_region_wins_and_crop_may_be_off(sdk):
    assert by_pic(sdk, 3, region="0,48,0,48").pic_info.region == "0,48,0,48"
    assert by_pic(sdk, 3).pic_info.region == "0,96,0,96"
    assert by_pic(sdk, 3, crop=True).pic_info.region.count(",") == 3


def test_the_streams_of_the_sdk_and_compare_and_detail(sdk):
    request = models.CompareSimilarByImageRequest(
        **NAME, primary_pic_content=photo64(3), secondary_pic_content=photo64(3)
    )
    same = float(sdk.compare_similar_by_image_with_options(request, RuntimeOptions()).body.score)
    request.secondary_pic_content = photo64(1)
    assert same > float(sdk.compare_similar_by_image_with_options(request, RuntimeOptions()).body.score)
    detail = sdk.detail_with_options(models.DetailRequest(**NAME), RuntimeOptions()).body.instance
    assert detail.total_count >= 4
    assert io.BytesIO(photo(1)).read(4) == b"\x89PNG"


def refused(call):
    with pytest.raises(AlibabaCloudException) as error:
        call()
    return error.value.status_code, error.value.code


def test_what_is_refused(place, sdk):
    assert refused(lambda: by_pic(client(place, secret="wrong"), 1)) == (401, "key_unknown")
    assert refused(lambda: add(client(place, "search"), "x", "y", 1)) == (403, "scope_missing")
    assert by_pic(client(place, "search"), 1).success
    assert refused(lambda: by_pic(sdk, 1, num=101))[0] == 400
    assert refused(lambda: by_pic(sdk, 1, filter="nothing = 1")) == (400, "filter_bad")
    assert refused(lambda: by_pic(sdk, 1, region="1,2,3")) == (400, "bad_input")
    request = models.DeleteImageRequest(**NAME, product_id="nobody")
    assert refused(lambda: sdk.delete_image_with_options(request, RuntimeOptions())) == (404, "not_found")
    request = models.DumpMetaRequest(**NAME)
    assert refused(lambda: sdk.dump_meta_with_options(request, RuntimeOptions()))[1] == "request_bad"


def test_a_signature_is_bound_to_body_time_and_one_use(tmp_path):
    import hashlib

    from alibabacloud_tea_openapi.utils import Utils
    from darabonba.request import DaraRequest

    store = KeyStore(tmp_path)
    key, secret = store.create("x", ["search"], signing=True)
    now = time.time()

    def signed(body, nonce, when):
        request = DaraRequest()
        request.method, request.pathname, request.query = "POST", "/", {"ScoreThreshold": "0.5"}
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
        payload = hashlib.sha256(body).hexdigest()
        request.headers = {"host": "shop", "x-acs-action": "Detail", "x-acs-version": "2020-12-14"}
        request.headers |= {"x-acs-date": stamp, "x-acs-content-sha256": payload, "x-acs-signature-nonce": nonce}
        told = Utils.get_authorization(request, "ACS3-HMAC-SHA256", payload, key.id, secret)
        return request.headers | {"authorization": told}

    signatures, query = Signatures(clock=lambda: now), [("ScoreThreshold", "0.5")]
    headers = signed(b"a=1", "n1", now)
    assert signatures.check("POST", query, headers, b"a=1", store.keys()) == key
    for changed in (
        ("POST", query, headers, b"a=1"),  # again
        ("POST", query, signed(b"a=1", "n2", now), b"a=2"),
        ("POST", [("ScoreThreshold", "0.1")], signed(b"a=1", "n3", now), b"a=1"),
        ("GET", query, signed(b"a=1", "n4", now), b"a=1"),
        ("POST", query, signed(b"a=1", "n5", now - 901), b"a=1"),
        ("POST", query, signed(b"a=1", "n6", now) | {"x-acs-action": "AddImage"}, b"a=1"),
        ("POST", query, {}, b"a=1"),
    ):
        with pytest.raises(KeyMissing):
            signatures.check(*changed, store.keys())
