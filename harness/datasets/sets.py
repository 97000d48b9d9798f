"""An example set: the named, fingerprinted list of examples that a number speaks of."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.dialogue import Example
from harness.errors import InputError
from harness.files import canonical_json

__all__ = ["ExampleSet"]


@dataclass(frozen=True)
class ExampleSet:
    """Examples in canonical order.

    `name` is the set's public name ("ed/test", "esconv/test-910-195-195", "ed/sample-test");
    `source` says which reader and folder it came from and is not part of its identity.
    """

    name: str
    examples: tuple[Example, ...]
    source: str = ""

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over ids, contexts (roles and texts) and references, in order."""
        digest = hashlib.sha256()
        for example in self.examples:
            turns = [[turn.role, turn.text] for turn in example.context]
            digest.update(canonical_json([example.id, turns, example.reference]).encode() + b"\n")
        return f"sha256:{digest.hexdigest()}"

    def limited(self, limit: int | None) -> ExampleSet:
        """The first `limit` examples; all of them for None.

        Raises:
            InputError: `limit` is below 1.
        """
        if limit is None:
            return self
        if limit < 1:
            raise InputError(f"--limit must be at least 1, found {limit}")
        return dataclasses.replace(self, examples=self.examples[:limit])
