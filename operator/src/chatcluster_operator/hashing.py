"""Digests of manifests: to see that something changed without keeping what it was.

Owns the digest. Pure; the same in every process and version of Python.
"""

import hashlib
import json
from typing import Any

_LENGTH = 16


def digest(value: Any) -> str:
    """16 hexadecimal digits of what can be written as JSON, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
