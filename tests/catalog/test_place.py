"""Where a catalog lies: relative paths, `~`, another working directory, forked processes, limits of the system."""

import multiprocessing
import os
import subprocess
import sys

import pytest

import snapfind
from snapfind.core.errors import BadInput, CatalogBusy, SnapfindError
from tests.pictures import save


def test_a_change_of_the_working_directory_does_not_matter(shop, monkeypatch):
    elsewhere = shop.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(shop.folder)
    catalog = snapfind.open("shop.snap", events="sqlite:///events.db")
    monkeypatch.chdir(elsewhere)
    catalog.add(shop.table)
    catalog.update("tea-1", {"brand": "New"})
    catalog.optimize()
    catalog.events.write([])
    assert catalog.picture("tea-1", "a.png")
    catalog.close()
    assert not any(elsewhere.iterdir()) and (shop.folder / "events.db").exists()
    with shop.open() as again:
        assert again.get("tea-1").brand == "New"


@pytest.mark.parametrize("verb", ["open", "add", "snapshot"])
def test_a_tilde_is_the_home_folder(shop, monkeypatch, tmp_path, verb):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    with snapfind.open("~/shop.snap") as catalog:
        if verb == "add":
            save(7, home / "pictures" / "m.png")
            assert catalog.add("~/pictures").added == 1
        if verb == "snapshot":
            assert catalog.snapshot("~/shop.tar") and (home / "shop.tar").exists()
    assert (home / "shop.snap" / "manifest.json").exists() and not (tmp_path / "~").exists()


def test_a_home_folder_that_is_not_known_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="home folder"):
        snapfind.open("~nobody-of-that-name/shop.snap")


def _in_child(catalog, replies):
    for ask in (lambda: catalog.search("tea"), lambda: list(catalog.products()), lambda: catalog.delete(["tea-1"])):
        try:
            replies.put(repr(ask()))
        except SnapfindError as error:
            replies.put(type(error).__name__)
    catalog.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_is_told_to_open_the_catalog_itself(shop):
    with shop.open() as catalog:
        catalog.add(shop.table)
        catalog.search("tea")
        context = multiprocessing.get_context("fork")
        replies = context.Queue()
        child = context.Process(target=_in_child, args=(catalog, replies))
        child.start()
        assert [replies.get(timeout=120) for _ in range(3)] == ["CatalogBusy"] * 3
        child.join(120)
        assert child.exitcode == 0
        assert catalog.search("tea") and len(catalog) == 3  # the parent's is untouched
        with pytest.raises(CatalogBusy, match=str(os.getpid())):
            shop.open()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_an_index_that_a_forked_child_still_holds_is_busy_and_not_broken(shop):
    catalog = shop.open()
    holds, ends = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ends)
        os.read(holds, 1)  # until the parent closes its end
        os._exit(0)
    try:
        catalog.close()
        with pytest.raises(CatalogBusy, match=str(child)):
            shop.open()
    finally:
        os.close(ends)
        os.waitpid(child, 0)
        os.close(holds)
    shop.open().close()


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux counts them")
@pytest.mark.parametrize(
    ("limit", "said"), [("-f 2000", "ulimit -f"), ("-v 400000", "memory"), ("-v 900000", "memory")]
)
def test_a_limit_of_the_system_is_named(shop, limit, said):
    command = f"ulimit {limit}; exec {sys.executable} -m snapfind add {shop.path} {shop.table}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert said in done.stderr and "snapshot" not in done.stderr
