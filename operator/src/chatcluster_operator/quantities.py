"""Kubernetes' quantities: 500m, 128Mi, 1e3.

Owns what a quantity is worth, so that two ways to write the same can be told from two that differ: the API server
rewrites them. Pure. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from decimal import Decimal, InvalidOperation

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    **{suffix: Decimal(1000**power) for power, suffix in enumerate("MGTPE", start=2)},
    **{suffix: Decimal(1024**power) for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}


def number(quantity: str | float) -> Decimal:
    """What it is worth. Raises ValueError for what is no quantity."""
    text = str(quantity)
    suffix = next((suffix for suffix in sorted(_SUFFIXES, key=len, reverse=True) if text.endswith(suffix)), "")
    try:
        value = Decimal(text.removesuffix(suffix))
    except InvalidOperation as exc:
        raise ValueError(f"{text!r} is no quantity, as 500m or 128Mi are") from exc
    if not value.is_finite():
        raise ValueError(f"{text!r} is no quantity, as 500m or 128Mi are")
    return value * _SUFFIXES.get(suffix, Decimal(1))
