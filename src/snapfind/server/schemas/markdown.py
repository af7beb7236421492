"""Convert an OpenAPI document to Markdown, for docs/reference/http.md."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["page"]

_HEAD = """# HTTP

`snapfind serve SHOP` listens at `http://127.0.0.1:8000`, see [serving](../how-to/serve.md). `/openapi.json` has the
same information for programs. If the catalog has API keys, send one as `Authorization: Bearer KEY`.

Every reply has `request_id` (also in the header `X-Request-Id`) and `timings`, milliseconds per step. An error is

```json
{"request_id": "…", "timings": {"total": 1.2},
 "error": {"code": "picture_broken", "message": "one sentence", "field": "photo", "help": "/v1/errors#picture_broken"}}
```

with a code of [errors](errors.md). After status 429, retry after `Retry-After` seconds. `/metrics` is for Prometheus
and needs the scope `admin`.
"""
_METHODS = ("get", "post", "put", "patch", "delete")


def page(document: Mapping[str, Any]) -> str:
    """Convert an OpenAPI document to Markdown.

    Args:
        document: OpenAPI document, as by `FastAPI.openapi()`.

    Returns:
        The page: each operation, then each schema.
    """
    lines = [_HEAD]
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                lines += _operation(method.upper(), path, item[method])
    lines += ["## Schemas", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _shape(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {method} {path}\n"
    yield operation.get("description", "") + "\n"
    scopes = [
        scope for requirement in operation.get("security", ()) for names in requirement.values() for scope in names
    ]
    yield f"Scope: {', '.join(f'`{scope}`' for scope in scopes) or 'none (no key required)'}\n"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "| parameter | in | type | description |\n|---|---|---|---|"
        for one in parameters:
            optional = "" if one.get("required") else "?"
            yield f"| `{one['name']}`{optional} | {one['in']} | {_type(one['schema'])} | {_description(one)} |"
        yield ""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        fields = ", ".join(f"`{name}`" for name in schema.get("properties", ()))
        yield f"Request body `{kind}`: {_type(schema) if '$ref' in schema else fields}\n"
    for status, reply in operation["responses"].items():
        if status.startswith("2"):
            for kind, content in reply.get("content", {}).items():
                yield f"Response {status}, `{kind}`: {_type(content['schema'])}\n"


def _shape(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    yield " ".join(schema.get("description", "").split()) + "\n"
    required = set(schema.get("required", ()))
    if schema.get("properties"):
        yield "| field | type | description |\n|---|---|---|"
        for field, item in schema["properties"].items():
            yield f"| `{field}`{'' if field in required else '?'} | {_type(item)} | {_description(item)} |"
        yield ""


def _description(item: Mapping[str, Any]) -> str:
    return " ".join(str(item.get("description", "")).split()).replace("|", "\\|")


def _type(schema: Mapping[str, Any]) -> str:
    """Describe the type of a schema in a few words."""
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
            return "any"
