"""The part of JSON Schema that our prompts use, checked without a dependency.

Known: type, enum, const, properties, required, additionalProperties (true or false), items,
minItems, maxItems, minimum, maximum, minLength, maxLength. Others are refused, not ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["check_schema", "misfit", "misfit_text", "unfenced"]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "integer": (int,), "number": (int, float), "null": (type(None),),
}  # fmt: skip
_LENGTHS: dict[str, type] = {"minItems": list, "maxItems": list, "minLength": str, "maxLength": str}
_KNOWN = {"type", "enum", "const", "properties", "required", "additionalProperties", "items",
          "minimum", "maximum", "title", "description"} | set(_LENGTHS)  # fmt: skip


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse what `misfit` would not check.

    Raises:
        ValueError: a keyword or a type is not known here.
    """
    if not isinstance(schema, Mapping):
        raise ValueError(f"JSON schema {schema!r} is not supported; write an object")
    unknown = sorted(set(schema) - _KNOWN)
    if unknown:
        raise ValueError(f"JSON schema keyword {unknown[0]!r} is not supported")
    kinds = schema.get("type", ())
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind not in _TYPES:
            raise ValueError(f"JSON schema type {kind!r} is not known")
    if not isinstance(schema.get("additionalProperties", True), bool):
        raise ValueError("JSON schema additionalProperties is not supported but as true or false")
    items = [schema["items"]] if "items" in schema else []
    for child in [*schema.get("properties", {}).values(), *items]:
        check_schema(child)


def unfenced(text: str) -> str:
    """`text` without the white space and the one code fence that may be around it."""
    body = text.strip()
    if len(body) > 6 and body.startswith("```") and body.endswith("```"):
        body = body[3:-3].removeprefix("json").strip()
    return body


def misfit_text(text: str, schema: Mapping[str, Any]) -> str | None:
    """Why `text`, but for a code fence, is no JSON value that fits `schema`; None when it fits."""
    try:
        value = json.loads(unfenced(text), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "the answer is no JSON"
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        # Whoever reads it writes it somewhere, and would fail there.
        return "the answer holds half a surrogate pair or an infinite number"
    return misfit(value, schema)


def misfit(value: Any, schema: Mapping[str, Any], place: str = "answer") -> str | None:
    """Where and why `value` does not fit `schema`; None when it fits."""
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"{place} is no {' or '.join(kinds)}"
    if "enum" in schema and not any(_same(value, item) for item in schema["enum"]):
        return f"{place} is none of the values allowed"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{place} is not the value expected"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return f"{place} is below {schema['minimum']}"
        if value > schema.get("maximum", value):
            return f"{place} is above {schema['maximum']}"
    for word, kind in _LENGTHS.items():
        if word in schema and isinstance(value, kind):
            size, bound = len(value), schema[word]  # type: ignore[arg-type]
            if size < bound if word.startswith("min") else size > bound:
                return f"{place} has length {size}, {word} is {bound}"
    return _children(value, schema, place)


def _children(value: Any, schema: Mapping[str, Any], place: str) -> str | None:
    if isinstance(value, list) and "items" in schema:
        found = (misfit(v, schema["items"], f"{place}[{i}]") for i, v in enumerate(value))
        return next(filter(None, found), None)
    if not isinstance(value, dict):
        return None
    known = schema.get("properties", {})
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        return f"{place} lacks {missing[0]!r}"
    if schema.get("additionalProperties") is False and set(value) - set(known):
        return f"{place} has a property that is not in the schema"
    found = (misfit(value[n], s, f"{place}.{n}") for n, s in known.items() if n in value)
    return next(filter(None, found), None)


def _is(value: Any, kind: str) -> bool:
    # bool is a subclass of int, and no JSON number.
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
