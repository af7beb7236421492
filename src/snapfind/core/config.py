"""Table of all settings, the source of SNAPFIND_* variables and docs/reference/settings.md."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from snapfind.core.errors import BadSetting

__all__ = ["SETTINGS", "Setting", "Settings"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. The type of `default` is the type of the setting. `least` and `most` bound numbers, inclusively."""

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
        """Parse a value.

        Args:
            text: The value as written in an environment variable.

        Returns:
            The value in the type of the default.

        Raises:
            BadSetting: The text is not of the type, or the value is out of range.
        """
        try:
            value = type(self.default)(text)
        except ValueError:
            raise BadSetting(f"{self.variable}={text!r} is not {_type_name(self.default)}", field=self.name) from None
        if not isinstance(value, str):
            if self.least is not None and value < self.least:
                raise BadSetting(f"{self.variable}={text}: the least is {self.least:g} {self.unit}", field=self.name)
            if self.most is not None and value > self.most:
                raise BadSetting(f"{self.variable}={text}: the most is {self.most:g} {self.unit}", field=self.name)
        return value


def _type_name(default: object) -> str:
    return {int: "a whole number", float: "a number", str: "a text"}[type(default)]


SETTINGS: tuple[Setting, ...] = (
    Setting("encoder", "lite0", "name", "Image encoder of a new catalog: lite0, lite2, or the folder of an artifact."),
    Setting("threads", 0, "threads", "Threads for encoding. 0: one per core.", 0, 256),
    Setting("batch", 16, "pictures", "Batch size of the encoder while adding.", 1, 1024),
    Setting("limit", 10, "products", "Default number of hits.", 1, 1000),
    Setting("max_limit", 1000, "products", "Maximum number of hits per search.", 1, 100_000),
    Setting("max_bytes", 32 * 2**20, "bytes", "Maximum size of a picture file.", 1024),
    Setting(
        "max_pixels", 50_000_000, "pixels", "Maximum number of pixels of a picture, checked before decoding.", 1024
    ),
    Setting("max_side", 16_384, "pixels", "Maximum side length of a picture.", 32),
    Setting("keep_side", 384, "pixels", "Longest side of the stored copy of a picture.", 64, 4096),
    Setting(
        "ocr",
        "auto",
        "mode",
        "Text in pictures: on (read added pictures and uncertain query photos), add (read only added pictures), off, "
        "or auto (on if the extra ocr is installed).",
    ),
    Setting("max_filter", 4096, "characters", "Maximum length of a filter.", 16),
    Setting("max_text", 2048, "characters", "Maximum length of a query text.", 16),
    Setting("max_depth", 10_000, "products", "Server: maximum pagination depth of a search.", 1),
    Setting("max_json", 4 * 2**20, "bytes", "Server: maximum body size of JSON requests without pictures.", 1024),
    Setting("connections", 256, "requests", "Server: maximum concurrent requests. Further ones get 429.", 1),
    Setting("max_body", 48 * 2**20, "bytes", "Server: maximum body size of a request, except imports.", 1024),
    Setting("max_import", 2 * 2**30, "bytes", "Server: maximum body size of an import, also after unpacking.", 1024),
    Setting("max_terms", 16, "terms", "Server: maximum photos, texts and products of one query.", 1, 1000),
    Setting("max_products", 100, "products", "Server: maximum products per write.", 1, 10_000),
    Setting("max_pictures", 32, "pictures", "Server: maximum pictures of a product per write.", 1, 1000),
    Setting("max_events", 1000, "events", "Server: maximum events per write.", 1, 100_000),
    Setting("workers", 0, "threads", "Server: threads for searches. 0: two per core.", 0, 256),
    Setting("queue", 64, "requests", "Server: queue length for searches. Further ones get 429.", 0, 100_000),
    Setting("timeout", 30.0, "seconds", "Server: time limit of a request.", 0.001, 3600),
    Setting("grace", 30.0, "seconds", "Server: grace period for running requests at shutdown.", 0, 3600),
    Setting("rate", 6000, "requests/min", "Server: rate limit per key. 0: no limit.", 0),
    Setting("concurrency", 64, "requests", "Server: concurrent requests per key. 0: no limit.", 0),
    Setting("decoders", 2, "processes", "Server: processes that decode pictures.", 1, 64),
    Setting("decode_memory", 1536, "MB", "Server: memory limit of a decoding process.", 256),
    Setting("decode_seconds", 10.0, "seconds", "Server: time limit for decoding a picture.", 0.1, 600),
    Setting("fetch", "off", "hosts", "Server: pictures by URL: off, public, or host names separated by commas."),
    Setting(
        "fetch_networks", "", "networks", "Server: private networks allowed for pictures by URL, such as 10.1.0.0/16."
    ),
    Setting("fetch_ports", "80,443", "ports", "Ports allowed for pictures by URL, such as 80,443,9000."),
    Setting("fetch_seconds", 10.0, "seconds", "Server: time limit for fetching a picture.", 0.1, 600),
    Setting("slow_query", 1000.0, "ms", "Server: slower requests are logged.", 0),
    Setting(
        "hosts", "", "names", "Server: allowed Host names, separated by commas. Empty: any, if the request has a key."
    ),
    Setting(
        "origins",
        "",
        "URLs",
        "Server: sites whose pages may use the API, such as https://shop.example, separated by commas.",
    ),
    Setting("root_path", "", "path", "Server: path prefix behind a reverse proxy, such as /find."),
    Setting("models", "", "folder", "Server: folder of model artifacts that an admin may use by name."),
    Setting("events", "", "URL", "Database of the event log. Empty: SQLite in the catalog's folder."),
    Setting("event_days", 365.0, "days", "Retention of events.", 1, 36_500),
    Setting("salt_days", 30.0, "days", "Rotation period of the salt for session hashes.", 1, 36_500),
    Setting("log_searches", 1, "0 or 1", "Server: log an event of each search (never its photo).", 0, 1),
    Setting("keep_photos", 0.0, "0 to 1", "Server: fraction of the searches whose photo is stored for training.", 0, 1),
)


class Settings:
    """Setting values by name: explicit values override environment variables, which override defaults.

    >>> Settings({"limit": 20}).whole("limit")
    20
    """

    def __init__(self, values: Mapping[str, int | float | str] | None = None) -> None:
        explicit = dict(values or {})
        unknown = explicit.keys() - {setting.name for setting in SETTINGS}
        if unknown:
            raise BadSetting(f"Unknown setting: {', '.join(sorted(unknown))}. See docs/reference/settings.md.")
        self._values = {
            setting.name: setting.parse(
                str(explicit[setting.name]) if setting.name in explicit else os.environ[setting.variable]
            )
            if setting.name in explicit or setting.variable in os.environ
            else setting.default
            for setting in SETTINGS
        }

    def whole(self, name: str) -> int:
        """Return the value of an integer setting."""
        return int(self._values[name])

    def number(self, name: str) -> float:
        """Return the value of a number setting as float."""
        return float(self._values[name])

    def text(self, name: str) -> str:
        """Return the value of a text setting."""
        return str(self._values[name])
