"""Addresses of pictures: a table of ways around, redirects, names that change their address, and the bounds."""

import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import httpx
import pytest
from tests.media.pictures import scene, written

from snapfind.core.config import Settings
from snapfind.core.errors import BadPicture, BadSetting
from snapfind.media.fetch import FetchPolicy, RetryBudget, fetch_url, may_connect

PUBLIC = FetchPolicy(hosts=None)
PICTURE = written(scene(), "JPEG")
NAMES = {
    "shop.example": ["93.184.215.14"],
    "inside.example": ["10.0.0.5"],
    "mixed.example": ["93.184.215.14", "127.0.0.1"],
    "six.example": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "localhost": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "127.0.0.1.nip.io": ["127.0.0.1"],
    "none.example": [],
}
WAYS_AROUND = """
http://127.0.0.1/ http://127.0.0.1:80/a.jpg https://127.0.0.1/ http://127.1/ http://127.0.1/
http://127.255.255.254/ http://0/ http://0.0.0.0/ http://2130706433/ http://0x7f000001/ http://0x7f.0.0.1/
http://0177.0.0.1/ http://017700000001/ http://0x7f.1/ http://127.0.0.01/ http://127.000.000.001/
http://3232235521/ http://192.168.0.1/ http://192.168.257/ http://10.0.0.1/ http://10.1/ http://172.16.0.1/
http://172.31.255.255/ http://100.64.0.1/ http://100.127.255.255/ http://169.254.169.254/latest/meta-data/
http://169.254.0.1/ http://0xa9fea9fe/ http://2852039166/ http://168.63.129.16/ http://100.100.100.200/
http://192.0.0.192/ http://192.0.0.1/ http://192.0.2.1/ http://198.18.0.1/ http://198.51.100.1/ http://203.0.113.1/
http://224.0.0.1/ http://239.255.255.255/ http://240.0.0.1/ http://255.255.255.255/ http://192.88.99.1/
http://[::1]/ http://[::]/ http://[0:0:0:0:0:0:0:1]/ http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/
http://[::127.0.0.1]/ http://[fe80::1]/ http://[fe80::1%25eth0]/ http://[fc00::1]/ http://[fd00:ec2::254]/
http://[fec0::1]/ http://[ff02::1]/ http://[2002:7f00:1::]/ http://[64:ff9b::7f00:1]/ http://[64:ff9b:1::1]/
http://[2001:db8::1]/ http://[2001::1]/ http://[100::1]/ http://localhost/ http://LOCALHOST/ http://localhost./
http://localhost.localdomain/ http://inside.example/a.jpg http://mixed.example/ http://mapped.example/
http://metadata.google.internal/ http://127.0.0.1.nip.io/ http://none.example/ http://user@shop.example/
http://user:word@shop.example/ http://shop.example@127.0.0.1/ http://127.0.0.1#@shop.example/
http://shop.example:22/ http://shop.example:8080/ http://shop.example:0/ http://shop.example:65536/
http://shop.example:x/ ftp://shop.example/a.jpg file:///etc/passwd gopher://127.0.0.1:6379/_x dict://127.0.0.1/
data:image/png;base64,xx jar:http://x/ //shop.example/ shop.example/a.jpg /etc/passwd http:shop.example
http:/shop.example http:///shop.example http:// http://shop.example\\@127.0.0.1/ http://127.0.0.1\\.shop.example/
http://shop.example/\x7f http://①②⑦.0.0.1/ http://ⓛocalhost/ http://shop。example/ http://sh\xadop.example/
HTTP://127.0.0.1/ http://%31%32%37.0.0.1/ http://127.0.0.1%2eshop.example/
"""
BYPASSES = WAYS_AROUND.split()
BYPASSES += [
    "",
    " http://127.0.0.1/",
    "http://127.0.0.1/\r\nHost: x",
    "http://shop.example/" + "a" * 2048,
]


async def names(host, port):
    return NAMES.get(host.lower(), [])


class Web(httpx.AsyncBaseTransport):
    """A public internet of one process: what was asked, and what each address answers."""

    def __init__(self, answers=None):
        self.asked, self.answers = [], answers or {}

    async def handle_async_request(self, request):
        self.asked.append(request)
        answer = self.answers.get(request.url.path, (200, {}, PICTURE))
        return httpx.Response(answer[0], headers=answer[1], stream=httpx.ByteStream(answer[2]))


def refused(url, allowed=PUBLIC, web=None, resolve=names):
    with pytest.raises(BadPicture) as error:
        fetch_url(url, allowed, resolve=resolve, transport=web or Web())
    assert error.value.code == "picture_url"
    return error.value.message


def test_the_table_is_long_enough():
    assert len(set(BYPASSES)) >= 60


@pytest.mark.parametrize("url", BYPASSES)
def test_a_way_around_asks_nobody_and_tells_nothing(url):
    web = Web()
    assert refused(url, web=web) == "the picture at this URL cannot be fetched"
    assert web.asked == []


@pytest.mark.parametrize("url", BYPASSES[:40])
def test_the_same_as_a_redirect(url):
    web = Web({"/go": (302, {"location": url}, b"")})
    refused("http://shop.example/go", web=web)
    assert [request.url.path for request in web.asked] == ["/go"]


def test_a_public_picture_is_fetched_from_the_address_that_was_checked():
    web = Web()
    assert fetch_url("https://shop.example/a.jpg?size=2", PUBLIC, resolve=names, transport=web) == PICTURE
    (request,) = web.asked
    assert request.url.host == "93.184.215.14" and request.headers["host"] == "shop.example"
    assert request.extensions["sni_hostname"] == "shop.example"
    assert "cookie" not in request.headers and request.headers["user-agent"].startswith("snapfind/")
    assert fetch_url("http://six.example/", PUBLIC, resolve=names, transport=Web()) == PICTURE


def test_a_name_that_changes_its_address_gains_nothing():
    answers = iter([["93.184.215.14"], ["127.0.0.1"], ["127.0.0.1"]])

    async def rebinding(host, port):
        return next(answers)

    web = Web({"/go": (302, {"location": "/again"}, b"")})
    assert fetch_url("http://rebind.example/a.jpg", PUBLIC, resolve=rebinding, transport=web) == PICTURE
    assert web.asked[0].url.host == "93.184.215.14"
    refused("http://rebind.example/go", web=web, resolve=rebinding)
    assert len(web.asked) == 1


def test_redirects_are_followed_three_times_and_no_more():
    hops = {f"/{step}": (302, {"location": f"/{step + 1}", "set-cookie": "a=b"}, b"") for step in range(9)}
    web = Web(hops)
    refused("http://shop.example/0", web=web)
    assert len(web.asked) == 4 and not any("cookie" in request.headers for request in web.asked)
    assert fetch_url("http://shop.example/6", PUBLIC, resolve=names, transport=Web(hops)) == PICTURE


def test_everything_that_fails_fails_in_the_same_words():
    web = Web({"/404": (404, {}, b""), "/text": (200, {}, b"<html>"), "/empty": (200, {}, b"")})
    said = {refused(f"http://shop.example{path}", web=web) for path in ("/404", "/text", "/empty")}
    said |= {refused("http://127.0.0.1/"), refused("http://none.example/"), refused("gopher://x")}
    assert len(said) == 1


def test_bytes_are_bounded_whatever_is_announced():
    web = Web({"/": (200, {}, PICTURE + b"\0" * (1000 - len(PICTURE) % 1000))})
    size = len(web.answers["/"][2])
    assert fetch_url("http://shop.example/", FetchPolicy(None, max_bytes=size), resolve=names, transport=web)
    refused("http://shop.example/", FetchPolicy(None, max_bytes=size - 1), web)


def test_hosts_and_networks_may_be_allowed_but_never_metadata():
    only = FetchPolicy(hosts=frozenset({"shop.example"}))
    assert fetch_url("http://shop.example/", only, resolve=names, transport=Web()) == PICTURE
    refused("http://six.example/", only)
    lan = FetchPolicy(hosts=None, networks=(ip_network("10.0.0.0/8"), ip_network("169.254.0.0/16")))
    assert fetch_url("http://inside.example/", lan, resolve=names, transport=Web()) == PICTURE
    refused("http://169.254.169.254/", lan)
    assert not may_connect("168.63.129.16", (ip_network("168.63.0.0/16"),))


def test_the_settings_turn_it_on():
    assert FetchPolicy.of(Settings()) is None
    assert FetchPolicy.of(Settings({"fetch": "public"})).hosts is None
    chosen = FetchPolicy.of(Settings({"fetch": "a.example, b.example", "fetch_networks": "10.0.0.0/8"}))
    assert chosen.hosts == {"a.example", "b.example"} and chosen.networks == (ip_network("10.0.0.0/8"),)
    with pytest.raises(BadSetting):
        FetchPolicy.of(Settings({"fetch": "public", "fetch_networks": "ten"}))
    with pytest.raises(BadPicture, match="not fetched by URL here"):
        fetch_url("http://shop.example/", None)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://shop.example/red mug.jpg", b"/red%20mug.jpg"),
        ("http://shop.example/m\u00fcsli.jpg?\u8336=\u7ea2 1", b"/m%C3%BCsli.jpg?%E8%8C%B6=%E7%BA%A2%201"),
        ("HTTP://shop.example/A.jpg", b"/A.jpg"),
        ("http://shop.example/a%20b.jpg", b"/a%20b.jpg"),
        ('http://shop.example/5".jpg', b"/5%22.jpg"),
        ("http://shop.example/a(1),b;c!.jpg", b"/a(1),b;c!.jpg"),
    ],
)
def test_addresses_are_encoded_as_browsers_do(url, path):
    web = Web()
    assert fetch_url(url, PUBLIC, resolve=names, transport=web) == PICTURE
    assert [request.url.raw_path for request in web.asked] == [path]


@pytest.mark.parametrize("location", ["/red mug.jpg", "HTTP://shop.example/red mug.jpg", "/m\u00fcsli.jpg"])
def test_redirects_are_encoded_too(location):
    web = Web({"/go": (302, {"location": location.encode()}, b"")})
    assert fetch_url("http://shop.example/go", PUBLIC, resolve=names, transport=web) == PICTURE
    assert [request.url.path for request in web.asked] == ["/go", location.removeprefix("HTTP://shop.example")]


@pytest.mark.parametrize("url", ["http://127.0.0.1/a b", "http://inside.example/m\u00fc", "http://shop.example:22/a b"])
def test_encoding_opens_no_way_around(url):
    web = Web()
    refused(url, web=web)
    assert web.asked == []


def test_ports_may_be_allowed_by_setting():
    chosen = FetchPolicy.of(Settings({"fetch": "public", "fetch_ports": "80, 9000"}))
    web = Web()
    assert fetch_url("http://shop.example:9000/a.jpg", chosen, resolve=names, transport=web) == PICTURE
    assert web.asked[0].headers["host"] == "shop.example:9000"
    refused("https://shop.example/a.jpg", chosen)
    refused("http://127.0.0.1:9000/", chosen)
    for wrong in ("", "http", "0", "65536", "80;443"):
        with pytest.raises(BadSetting, match="write ports like"):
            FetchPolicy.of(Settings({"fetch": "public", "fetch_ports": wrong}))


class Busy(Web):
    """Asks to come back some times before it answers."""

    def __init__(self, times, status, headers):
        super().__init__()
        self.times, self.status, self.headers = times, status, headers

    async def handle_async_request(self, request):
        if len(self.asked) < self.times:
            self.asked.append(request)
            return httpx.Response(self.status, headers=self.headers)
        return await super().handle_async_request(request)


@pytest.mark.parametrize("status", [429, 503])
def test_a_run_asks_again_where_a_server_asks_to_come_back(status):
    patient = FetchPolicy.of(Settings({"fetch": "public"}), patient=True)
    web = Busy(2, status, {"retry-after": "0"})
    assert fetch_url("http://shop.example/a.jpg", patient, resolve=names, transport=web) == PICTURE
    assert len(web.asked) == 3
    past, late = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 GMT"
    dated = Busy(1, status, {"retry-after": past})
    assert fetch_url("http://shop.example/a.jpg", patient, resolve=names, transport=dated) == PICTURE
    waits = (PUBLIC, "0"), (patient, "86400"), (patient, late)
    for allowed, headers in ((allowed, {"retry-after": wait}) for allowed, wait in waits):
        web = Busy(2, status, headers)
        refused("http://shop.example/a.jpg", allowed, web)
        assert len(web.asked) == 1
    web = Busy(99, status, {"retry-after": "0"})
    refused("http://shop.example/a.jpg", patient, web)
    assert len(web.asked) == 4


def test_each_try_checks_the_address_anew():
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])

    async def rebinding(host, port):
        return next(answers)

    web = Busy(9, 503, {"retry-after": "0"})
    refused("http://rebind.example/", FetchPolicy(None, patience=RetryBudget(60)), web, rebinding)
    assert len(web.asked) == 1


def test_all_pictures_of_a_run_wait_together_no_longer_than_it_may():
    patience = RetryBudget(10)
    assert [patience.take(seconds) for seconds in (6, 6, 4, 1, -1)] == [True, False, True, False, False]


def test_a_picture_is_fetched_while_an_event_loop_runs():
    async def cell():
        return fetch_url("http://shop.example/a.jpg", PUBLIC, resolve=names, transport=Web())

    assert asyncio.run(cell()) == PICTURE


class Slow(BaseHTTPRequestHandler):
    """Answers one byte at a time, for ever."""

    def do_GET(self):
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
            while True:
                self.wfile.write(b"a")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *told):
        pass


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_wall_clock_is_bounded_not_the_pause_between_two_bytes():
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        own = FetchPolicy(None, (ip_network("127.0.0.0/8"),), ports=frozenset({server.server_port}), seconds=0.5)
        with pytest.raises(BadPicture):  # of an answer without an end
            fetch_url(f"http://127.0.0.1:{server.server_port}/", own)
        server.shutdown()
        thread.join()


def test_no_connection_is_made_to_a_refused_address(monkeypatch):
    connected = []
    monkeypatch.setattr(asyncio.BaseEventLoop, "sock_connect", lambda *given: connected.append(given), raising=False)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", lambda *given, **_: connected.append(given))
    with pytest.raises(BadPicture):
        fetch_url("http://10.0.0.1/", PUBLIC)
    assert connected == []
