"""Where a row of the page leads to: its answers beside the page, its run in MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from harness.results import Result
from leaderboards.assemble import Sources
from leaderboards.examples.gather import Browser

__all__ = ["Links", "answer_links", "run_links", "with_links"]

# Result id → what the link is called → address.
Links = Mapping[str, Mapping[str, str]]


def run_links(results: Sequence[Result], sources: Sources) -> Links:
    """Each result's run on the MLflow server among `sources`, where there is one.

    Raises:
        TrackingError: the store cannot be read.
    """
    if sources.mlflow is None:
        return {}
    from harness.tracking import run_pages

    known = {result.id for result in results}
    pages = run_pages(sources.mlflow)
    return {name: {"run": page} for name, page in pages.items() if name in known}


def answer_links(path: Path, browser: Browser, *, beside: Path) -> Links:
    """Each system of a page of examples at `path`, from a page that lies `beside`."""
    place = quote(path.relative_to(beside.parent).as_posix())
    return {
        system.id: {"answers": f"{place}#{urlencode({'of': system.id})}"}
        for system in browser.systems
    }


def with_links(links: Links, more: Links) -> Links:
    """Both together."""
    return {name: {**links.get(name, {}), **more.get(name, {})} for name in {*links, *more}}
