"""Every setting in one table: command line flags, SNAPFIND_* variables and docs/reference/settings.md come from it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from snapfind.core.errors import BadSetting

__all__ = ["SETTINGS", "Setting", "Settings"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: a default whose type is the setting's type, its unit, the least and greatest value, and its help."""

    name: str
    default: int | float | str
    unit: str
    help: str
    least: float | None = None
    most: float | None = None

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return "SNAPFIND_" + self.name.upper()

    def parse(self, text: str) -> int | float | str:
        """The value written in `text`. Raises BadSetting when it is not of the type or out of range."""
        try:
            value = type(self.default)(text)
        except ValueError:
            raise BadSetting(f"{self.variable}={text!r} is not {_article(self.default)}", field=self.name) from None
        if not isinstance(value, str):
            if self.least is not None and value < self.least:
                raise BadSetting(f"{self.variable}={text}: the least is {self.least:g} {self.unit}", field=self.name)
            if self.most is not None and value > self.most:
                raise BadSetting(f"{self.variable}={text}: the most is {self.most:g} {self.unit}", field=self.name)
        return value


def _article(default: object) -> str:
    return {int: "a whole number", float: "a number", str: "a text"}[type(default)]


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "encoder", "lite0", "name", "Image encoder of a new catalogue: lite0, lite2, or the folder of an artifact."
    ),
    Setting("threads", 0, "threads", "Threads for encoding; 0 takes one for each core.", 0, 256),
    Setting("batch", 16, "pictures", "Pictures that go through the encoder at a time while adding.", 1, 1024),
    Setting("limit", 10, "products", "Hits of a search when nothing else is asked for.", 1, 1000),
    Setting("max_limit", 1000, "products", "The most hits that one search may ask for.", 1, 100_000),
    Setting("max_bytes", 32 * 2**20, "bytes", "Largest picture file that is read.", 1024),
    Setting("max_pixels", 50_000_000, "pixels", "Largest picture that is decoded, checked before decoding.", 1024),
    Setting("max_side", 16_384, "pixels", "Longest side of a picture that is decoded.", 32),
    Setting("keep_side", 384, "pixels", "Longest side of the copy that the catalogue keeps of a picture.", 64, 4096),
    Setting("max_filter", 4096, "characters", "Longest filter that is parsed.", 16),
    Setting("max_text", 2048, "characters", "Longest text of a query.", 16),
    Setting("max_depth", 10_000, "products", "Server: how far a search may be paged.", 1),
    Setting("max_json", 4 * 2**20, "bytes", "Server: largest body where no picture is taken.", 1024),
    Setting("connections", 256, "requests", "Server: requests that are read, run or answered; the next gets 429.", 1),
    Setting("max_body", 48 * 2**20, "bytes", "Server: largest body of a request, imports excepted.", 1024),
    Setting(
        "max_import", 2 * 2**30, "bytes", "Server: largest body of an import, and what its archive unpacks to.", 1024
    ),
    Setting("max_likes", 16, "likes", "Server: photos, texts and products of one search.", 1, 1000),
    Setting("max_products", 100, "products", "Server: products of one write.", 1, 10_000),
    Setting("max_pictures", 32, "pictures", "Server: pictures of one product in one write.", 1, 1000),
    Setting("max_events", 1000, "events", "Server: events of one write.", 1, 100_000),
    Setting("workers", 0, "threads", "Server: searches that run at a time; 0 takes two for each core.", 0, 256),
    Setting("queue", 64, "requests", "Server: requests that wait for a worker; the next one gets 429.", 0, 100_000),
    Setting("timeout", 30.0, "seconds", "Server: longest time from taking a request to its answer.", 0.001, 3600),
    Setting("grace", 30.0, "seconds", "Server: time that running requests get when it is stopped.", 0, 3600),
    Setting("rate", 6000, "requests/min", "Server: requests of one key in any minute; 0 sets no limit.", 0),
    Setting("concurrency", 64, "requests", "Server: requests of one key at a time; 0 sets no limit.", 0),
    Setting("decoders", 2, "processes", "Server: processes that decode pictures, apart from everything else.", 1, 64),
    Setting("decode_memory", 1536, "MB", "Server: memory of a decoding process.", 256),
    Setting("decode_seconds", 10.0, "seconds", "Server: longest time for decoding a picture.", 0.1, 600),
    Setting(
        "fetch", "off", "hosts", "Server: pictures by address: off, public, or the names of hosts parted by commas."
    ),
    Setting(
        "fetch_networks", "", "networks", "Server: private networks that may be fetched from, such as 10.1.0.0/16."
    ),
    Setting("fetch_ports", "80,443", "ports", "Ports that pictures may be fetched from, such as 80,443,9000."),
    Setting("fetch_seconds", 10.0, "seconds", "Server: longest time for fetching one picture.", 0.1, 600),
    Setting("slow_query", 1000.0, "ms", "Server: requests that take longer are logged.", 0),
    Setting(
        "hosts", "", "names", "Server: names under which it may be asked, parted by commas; empty takes any with a key."
    ),
    Setting("root_path", "", "path", "Server: path below which a proxy offers it, such as /find; links begin with it."),
    Setting("models", "", "folder", "Server: where artifacts of models lie that an admin may use by name; empty none."),
    Setting("events", "", "URL", "Database of the events; empty takes a file of SQLite in the catalogue's folder."),
    Setting("event_days", 365.0, "days", "Events older than this are deleted.", 1, 36_500),
    Setting("salt_days", 30.0, "days", "How long sessions are hashed with one salt.", 1, 36_500),
    Setting("log_searches", 1, "0 or 1", "Server: keep an event of each search (never its photo).", 0, 1),
    Setting("keep_photos", 0.0, "0 to 1", "Server: part of the searches whose photo is kept, to learn from.", 0, 1),
)


class Settings:
    """Values by name: what was given, else the environment, else the default.

    >>> Settings({"limit": 20}).whole("limit")
    20
    """

    def __init__(self, given: Mapping[str, int | float | str] | None = None) -> None:
        given = dict(given or {})
        unknown = given.keys() - {setting.name for setting in SETTINGS}
        if unknown:
            raise BadSetting(f"unknown setting {', '.join(sorted(unknown))}; see docs/reference/settings.md")
        self._values = {
            setting.name: setting.parse(
                str(given[setting.name]) if setting.name in given else os.environ[setting.variable]
            )
            if setting.name in given or setting.variable in os.environ
            else setting.default
            for setting in SETTINGS
        }

    def whole(self, name: str) -> int:
        """The value of a whole-number setting."""
        return int(self._values[name])

    def number(self, name: str) -> float:
        """The value of a setting that may have a fraction."""
        return float(self._values[name])

    def text(self, name: str) -> str:
        """The value of a text setting."""
        return str(self._values[name])
