"""The model card of a submission: who made what from which data, and who answers for it.

YAML or JSON, flat, one field a line:

    name: my-lab__warm-7b          # <organisation>__<model>
    revision: 2026-11-20           # a commit, tag or date; never reused for other predictions
    parameters: 7241732096
    family: mistral
    training_data: [EmpatheticDialogues train, our own 12,000 dialogues]
    ed_test_seen: no               # yes, no, unknown
    esconv_test_seen: unknown
    licence: apache-2.0
    link: https://example.org/warm-7b
    contact: somebody@example.org
    claims:                        # optional: numbers to be checked
      ed_response: {bleu_4: 2.31}
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from harness.errors import InputError
from leaderboards.submissions.findings import Findings
from leaderboards.submissions.limits import LIMITS, Refused, load_json, read_small

__all__ = ["REVISION", "SYSTEM", "ModelCard", "Seen", "check_card", "parse_card", "read_card"]

Seen = Literal["yes", "no", "unknown"]

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_)){0,63}"
SYSTEM = re.compile(rf"{_PART}__{_PART}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TEXT = ("name", "revision", "family", "licence", "link", "contact")
_SEEN = ("ed_test_seen", "esconv_test_seen")
_FIELDS = (*_TEXT, *_SEEN, "parameters", "training_data", "paper", "notes", "claims")
_OPTIONAL = {"paper", "notes", "claims"}
_LONGEST = 2_000
_MOST_ITEMS = 50
# What a spreadsheet takes for a formula (OWASP, "CSV Injection"); tabs are refused anyway.
_FORMULA = ("=", "+", "-", "@")
_SPELLINGS = {"license": "licence", "url": "link"}
_ANSWERS = {"true": "yes", "false": "no"} | {word: word for word in ("yes", "no", "unknown")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Checked fields of a card. `claims` maps a task to {metric: number}, in the metric's unit.

    `parameters` counts weights, None where "unknown"; `*_test_seen` say whether the model ever
    trained on that test split.
    """

    name: str
    revision: str
    parameters: int | None
    family: str
    training_data: tuple[str, ...]
    ed_test_seen: Seen
    esconv_test_seen: Seen
    licence: str
    link: str
    contact: str
    paper: str = ""
    notes: str = ""
    claims: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """`org/model`, as boards show it."""
        return self.name.replace("__", "/", 1)

    def to_json(self) -> dict[str, Any]:
        """Every field, in the order of the template; a card file of its own."""
        values = {name: getattr(self, name) for name in _FIELDS}
        values["training_data"] = list(self.training_data)
        values["parameters"] = "unknown" if self.parameters is None else self.parameters
        return {key: item for key, item in values.items() if item or key not in _OPTIONAL}

    def model(self) -> dict[str, Any]:
        """The model card of a `Result`: what a board may show; always a model, never a floor."""
        kept = self.to_json()
        for private in ("claims", "contact", "link", "name"):
            kept.pop(private, None)
        if self.parameters is None:
            del kept["parameters"]
        return {"name": self.title, "kind": "model", "url": self.link, **kept}


def read_card(path: Path) -> ModelCard:
    """The card in a YAML or JSON file of one's own.

    Raises:
        InputError: no such file, or a field is missing or wrong; names every one.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model card; docs/submissions.md has a template")
    found = Findings()
    try:
        data = read_small(path.resolve(), LIMITS.card)
    except Refused as error:
        raise InputError(f"{path}: {error.problem}; {error.fix or 'shorten it'}") from error
    card = parse_card(data, str(path), found)
    if card is None:
        wrong = "\n".join(str(finding) for finding in found.all() if finding.level == "error")
        raise InputError(f"{path}: the model card cannot be used\n{wrong}")
    return card


def parse_card(data: bytes, file: str, found: Findings) -> ModelCard | None:
    """The card in `data`, or None with the reasons in `found`."""
    try:
        value, places = _decode(data)
    except Refused as error:
        found.add(
            "error", error.code, file, error.problem,
            fix=error.fix, line=error.line, value=error.value,
        )  # fmt: skip
        return None
    return check_card(value, places, file, found)


def check_card(
    value: Mapping[str, object], places: Mapping[str, int], file: str, found: Findings
) -> ModelCard | None:
    """Check decoded fields; `places` says on which line each stands."""
    before = found.errors
    kept: dict[str, Any] = {}
    for key, item in value.items():
        name = _SPELLINGS.get(key, key)
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, _FIELDS, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_FIELDS)}"
            found.add(
                "error", "card-field", file, "unknown field",
                fix=fix, line=places.get(key), value=key,
            )  # fmt: skip
            continue
        try:
            kept[name] = _parse(name, item)
        except ValueError as error:
            problem, _, fix = str(error).partition("; ")
            found.add(
                "error", "card-field", file, f"{name}: {problem}",
                fix=fix, line=places.get(key), value=item,
            )  # fmt: skip
            kept[name] = None
    for name in _FIELDS:
        if name not in kept and name not in _OPTIONAL:
            found.add("error", "card-field", file, f"{name} is missing", fix=_ask(name))
    return None if found.errors > before else ModelCard(**kept)


def _ask(name: str) -> str:
    if name in _SEEN:
        return f"say {name}: yes, no or unknown"
    return f"add a line `{name}: …`"


def _parse(name: str, item: object) -> Any:
    """The value of one field.

    Raises:
        ValueError: "what is wrong; how to mend it".
    """
    if name in _SEEN:
        answer = _ANSWERS.get(str(item).lower())
        if answer is None:
            raise ValueError("must be yes, no or unknown; say whether it trained on that test set")
        return answer
    if name == "parameters":
        return _count(item)
    if name == "training_data":
        return _list(item)
    if name == "claims":
        return _claims(item)
    text = _text(item)
    if name == "name" and not SYSTEM.fullmatch(text):
        raise ValueError("must be <organisation>__<model>; use letters, digits and . _ - only")
    if name == "revision" and not REVISION.fullmatch(text):
        raise ValueError("must be 1 to 64 letters, digits and . _ -; give a commit, tag or date")
    if name in ("link", "paper") and not _web(text):
        raise ValueError("must be a web address; give one that starts with https://")
    return text


def _text(item: object) -> str:
    if not isinstance(item, str) or not item.strip():
        raise ValueError("must be text; write a few words")
    text = item.strip()
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST:,} characters; shorten it")
    if not text.isprintable():
        raise ValueError("holds line breaks or control characters; write it on one line")
    if text.startswith(_FORMULA):
        raise ValueError("starts like a spreadsheet formula; begin with a letter or a digit")
    return text


def _count(item: object) -> int | None:
    if isinstance(item, str):
        if item.lower() == "unknown":
            return None
        digits = item.replace("_", "").replace(",", "")
        item = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else item
    if not isinstance(item, int) or isinstance(item, bool) or not 0 <= item < 10**18:
        raise ValueError("must be a whole number of weights; write 7241732096, or unknown")
    return item


def _list(item: object) -> tuple[str, ...]:
    items = item if isinstance(item, list) else [item]
    if not items or len(items) > _MOST_ITEMS:
        raise ValueError(f"must name 1 to {_MOST_ITEMS} data sets; write none where there is none")
    return tuple(_text(part) for part in items)


def _claims(item: object) -> dict[str, dict[str, float]]:
    if not isinstance(item, dict) or not all(isinstance(part, dict) for part in item.values()):
        raise ValueError("must be {task: {metric: number}}; see docs/submissions.md")
    return {
        str(task): {str(name): _number(value) for name, value in part.items()}
        for task, part in item.items()
    }


def _number(value: object) -> float:
    try:
        number = float(cast("Any", value))
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{value!r:.40} is not a number; write one like 2.31")
    return number


def _web(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and " " not in text


def _decode(data: bytes) -> tuple[dict[str, object], dict[str, int]]:
    """Fields, and the line that each stands on."""
    if data.lstrip()[:1] == b"{":
        value = load_json(data)
        text = enumerate(data.decode().split("\n"), start=1)
        found = ((re.match(r'\s*"(\w+)"\s*:', line), number) for number, line in text)
        places = {key[1]: number for key, number in reversed(list(found)) if key}
        return value, places
    return _yaml(data)


def _yaml(data: bytes) -> tuple[dict[str, object], dict[str, int]]:
    """YAML as plain texts, lists and mappings; no tags, no anchors, no key twice."""
    import yaml

    try:
        text = data.decode()
        for token in yaml.scan(text, Loader=yaml.BaseLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
                line = token.start_mark.line + 1
                raise Refused("not-yaml", "anchors and tags are not read", line=line)
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        value = _plain(root)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        first = str(error).split("\n")[0]
        raise Refused("not-yaml", f"not readable YAML: {first}", fix="mend or use JSON") from error
    if not isinstance(value, dict):
        raise Refused("not-yaml", "not a list of `field: value` lines", fix="see the template")
    return value, {str(key.value): key.start_mark.line + 1 for key, _ in root.value}


def _plain(node: Any) -> Any:
    kind = None if node is None else node.id
    if kind == "mapping":
        found: dict[str, Any] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if key.id != "scalar" or key.value in found:
                raise Refused("not-yaml", "a field stands there twice", line=line, value=key.value)
            found[key.value] = _plain(item)
        return found
    if kind == "sequence":
        return [_plain(item) for item in node.value]
    return None if node is None else node.value
