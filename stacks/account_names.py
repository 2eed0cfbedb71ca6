"""The names of a stack's Google service accounts, which are the only ones that it fixes itself: pure text."""

import hashlib
import re

ROLES = ("nodes", "model")
"""What each account of a stack is for, in one word."""

_MAX_LENGTH = 30
_HASH_DIGITS = 6


def account_names(stack: str) -> list[str]:
    """Those of a whole stack."""
    return [account_id(stack, role) for role in ROLES]


def account_id(stack: str, role: str) -> str:
    """The account's name: 6 to 30 lower-case letters, digits and dashes. A long stack name ends in a hash of itself."""
    plain = f"shapebench-{stack}-{role}"
    safe = re.sub(r"[^a-z0-9-]", "-", plain.lower())
    if safe == plain and len(plain) <= _MAX_LENGTH:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{safe[: _MAX_LENGTH - _HASH_DIGITS - 1].rstrip('-')}-{digest}"
