"""The OpenAPI document as a page to read: docs/reference/http.md is made of it."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["page"]

_HEAD = """# HTTP

`snapfind serve SHOP` answers at `http://127.0.0.1:8000`; [serving](../how-to/serve.md) says how. `/openapi.json` is the
same for programs. Send a key as `Authorization: Bearer KEY` where the catalogue has any.

Every reply has `request_id` (also the header `X-Request-Id`) and `timings`, milliseconds per step. Every error is

```json
{"request_id": "…", "timings": {"total": 1.2},
 "error": {"code": "picture_broken", "message": "one sentence", "field": "photo", "help": "/v1/errors#picture_broken"}}
```

with a code of [errors](errors.md). After 429 come back in `Retry-After` seconds. `/metrics` is for Prometheus and needs
the scope `admin`.
"""
_METHODS = ("get", "post", "put", "patch", "delete")


def page(document: Mapping[str, Any]) -> str:
    """Markdown of an OpenAPI document: each operation, then each shape."""
    lines = [_HEAD]
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                lines += _operation(method.upper(), path, item[method])
    lines += ["## Shapes", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _shape(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _operation(method: str, path: str, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {method} {path}\n"
    yield told.get("description", "") + "\n"
    scopes = [scope for need in told.get("security", ()) for own in need.values() for scope in own]
    yield f"Scope: {', '.join(f'`{scope}`' for scope in scopes) or 'none, it needs no key'}\n"
    parameters = told.get("parameters", ())
    if parameters:
        yield "| parameter | in | type | what |\n|---|---|---|---|"
        for one in parameters:
            needed = "" if one.get("required") else "?"
            yield f"| `{one['name']}`{needed} | {one['in']} | {_type(one['schema'])} | {_said(one)} |"
        yield ""
    for kind, content in told.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        fields = ", ".join(f"`{name}`" for name in schema.get("properties", ()))
        yield f"Takes `{kind}`: {_type(schema) if '$ref' in schema else fields}\n"
    for status, reply in told["responses"].items():
        if status.startswith("2"):
            for kind, content in reply.get("content", {}).items():
                yield f"Gives {status}, `{kind}`: {_type(content['schema'])}\n"


def _shape(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    yield " ".join(schema.get("description", "").split()) + "\n"
    needed = set(schema.get("required", ()))
    if schema.get("properties"):
        yield "| field | type | what |\n|---|---|---|"
        for field, told in schema["properties"].items():
            yield f"| `{field}`{'' if field in needed else '?'} | {_type(told)} | {_said(told)} |"
        yield ""


def _said(told: Mapping[str, Any]) -> str:
    return " ".join(str(told.get("description", "")).split()).replace("|", "\\|")


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    match schema.get("type"):
        case "array":
            items = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
            count = f"{len(schema['prefixItems'])} " if "prefixItems" in schema else ""
            return f"list of {count}{_type(items)}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"object of {_type(schema['additionalProperties'])}"
        case "string" if schema.get("format") in {"binary", "date-time"}:
            return "file" if schema["format"] == "binary" else "time"
        case str(kind):
            return kind
        case _:
            return "anything"
