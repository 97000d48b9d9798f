"""Pages that are one HTML file and need nothing else: no network, no server.

What a page shows is untrusted. Jinja2 escapes it; the page's content security policy lets only its
own style and script run (by hash), so that an escape forgotten in a template still runs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.files import write_atomic

__all__ = ["embedded_json", "render", "write_page"]

_SHARED = Path(__file__).parent / "templates"


def render(
    folder: Path,
    name: str,
    *,
    data: object,
    context: Mapping[str, Any],
    shared: str | None = None,
    scripts: Sequence[str] = (),
    live: bool = False,
) -> str:
    """The page `name`.html of `folder`, with `name`.css and `name`.js in it.

    `shared` names a style of harness/templates, which goes before the page's own; `scripts` name
    further scripts of `folder`, which run after the page's own. A `live` page may ask its own
    server. The template is given `context`, `style`, `script`, `policy`, `version`, and `data` as
    JSON for a `<script type="application/json">`.
    """
    import jinja2
    from markupsafe import Markup

    from harness import __version__

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((folder / f"{name}.{kind}").read_text("utf-8") for kind in ("css", "js"))
    script = "\n".join([script, *((folder / f"{n}.js").read_text("utf-8") for n in scripts)])
    if shared:
        style = (_SHARED / f"{shared}.css").read_text("utf-8") + style
    # Our own files and the escaped JSON are the only texts that skip escaping.
    trusted = {
        "style": Markup(style),  # noqa: S704
        "script": Markup(script),  # noqa: S704
        "data": Markup(embedded_json(data)),  # noqa: S704
    }
    return environment.get_template(f"{name}.html").render(
        **context, policy=_policy(style, script, live=live), version=__version__, **trusted
    )


def write_page(path: Path, page: str) -> None:
    """Write a page.

    Raises:
        StorageError: the disk refuses.
    """
    # A lone surrogate is valid in JSON but in no file encoding.
    write_atomic(path, page.encode("utf-8", "replace"))


def embedded_json(value: object) -> str:
    """JSON that stays data inside a script element: no tag, comment or line separator in it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy(style: str, script: str, *, live: bool) -> str:
    asks = "connect-src 'self'; " if live else ""
    return (
        f"default-src 'none'; {asks}img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
