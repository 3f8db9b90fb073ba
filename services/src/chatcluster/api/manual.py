"""The manual: the OpenAPI document as a page for people.

Owns how it looks. Does not own what is in it: everything on the page stands in the document, so that the two agree. It
loads nothing and runs nothing, and its Content-Security-Policy says so. Pure.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
code { font: 0.9em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
h2 { margin-top: 3rem; } h3 { margin: 2rem 0 0.25rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 b { display: inline-block; min-width: 4.5rem; } h4 { margin: 1rem 0 0.25rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: start; }
td, th { padding: 0.25rem 0.5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
nav ul { columns: 18rem; padding-inline-start: 1.25rem; } td:first-child { white-space: nowrap; }
.note { background: var(--soft); border-radius: 0.5rem; padding: 0.5rem 1rem; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: its own style, and nothing else."""

_Object = Mapping[str, Any]


def page(document: _Object) -> str:
    """The whole page."""
    info = document["info"]
    title = f"{info['title']} {info['version']}: REST"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<header><h1>{escape(title)}</h1><p>{escape(info['description'])}</p>"
        '<p class="note">For machines: <a href="openapi.json">openapi.json</a> (OpenAPI '
        f"{escape(document['openapi'])}); what gateways speak: "
        '<a href="asyncapi.json">asyncapi.json</a> (AsyncAPI)</p></header>'
        f"<main>{_groups(document)}{_schemas(document)}</main></body></html>"
    )


def _groups(document: _Object) -> str:
    parts = []
    for tag in document["tags"]:
        found = [found for found in _operations(document) if tag["name"] in found[2]["tags"]]
        links = "".join(f'<li><a href="#{escape(o["operationId"])}">{_signature(m, p)}</a></li>' for m, p, o in found)
        parts.append(f"<section><h2>{escape(tag['description'])}</h2><nav><ul>{links}</ul></nav>")
        parts.extend(_operation(method, path, operation) for method, path, operation in found)
        parts.append("</section>")
    return "".join(parts)


def _operations(document: _Object) -> Iterable[tuple[str, str, _Object]]:
    return ((method, path, o) for path, methods in document["paths"].items() for method, o in methods.items())


def _signature(method: str, path: str) -> str:
    return f"<b>{method.upper()}</b> <code>{escape(path)}</code>"


def _operation(method: str, path: str, operation: _Object) -> str:
    session = "Wants a session." if operation["security"] else "Wants no session."
    parameters = [
        (f"<code>{escape(p['name'])}</code>", f"{p['in']}, {_type(p['schema'])}", escape(p["description"]))
        for p in operation["parameters"]
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    answers = [
        (status, escape(answer["description"]), _content(answer)) for status, answer in operation["responses"].items()
    ]
    return (
        f'<h3 id="{escape(operation["operationId"])}">{_signature(method, path)}</h3>'
        f"<p>{escape(operation['summary'])} {session}</p>"
        + (_table("Parameters", parameters) if parameters else "")
        + (f"<h4>Body</h4><p>{_type(body['schema'])}</p>" if body else "")
        + _table("Answers", answers)
    )


def _content(answer: _Object) -> str:
    return "; ".join(
        f"{escape(media)}: {_type(content['schema'])}" for media, content in answer.get("content", {}).items()
    )


def _schemas(document: _Object) -> str:
    parts = ['<section><h2 id="schemas">JSON</h2>']
    for name, schema in document["components"]["schemas"].items():
        fields = [
            (f"<code>{escape(field)}</code>", _type(kind), _bounds(schema, field, kind))
            for field, kind in schema["properties"].items()
        ]
        parts.append(f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>')
        parts.append(_table("", fields))
    return "".join([*parts, "</section>"])


def _bounds(schema: _Object, field: str, kind: _Object) -> str:
    words = [] if field in schema.get("required", ()) else ["May be absent."]
    if "description" in kind:
        words.append(escape(kind["description"]))
    return " ".join(words)


def _type(schema: _Object) -> str:
    if "allOf" in schema:
        return _type(schema["allOf"][0])
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    kind = schema.get("format", schema.get("type", "any"))
    least, most = schema.get("minimum", ""), schema.get("maximum", "")
    return escape(f"{kind} ({least} … {most})" if least != "" and most != "" else str(kind))


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (f"<h4>{title}</h4>" if title else "") + f"<table><tbody>{lines}</tbody></table>"
