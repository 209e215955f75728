"""Marks what a test shows about the security of Holdfast: a row of the table in docs/security.md.
tests/attack/test_security_table.py compares the table with these marks."""

from typing import Callable, TypeVar

Test = TypeVar("Test")


def shows(actor: str, asset: str, result: str) -> Callable[[Test], Test]:
    """Says what `actor` can or cannot do to `asset`. Decorates a test method or a test class. All arguments must be
    string literals, because the table is read from the source, without running the tests."""
    return lambda test: test
