"""The hold-out: customers whose outputs nobody acts on, so that the others' can be measured against them.

All outputs of such a customer go to one topic, `exposures`, as they would have gone to their own, with the
same headers and ids: of both groups it is known what they would have been sent, and what they bought.
"""

from __future__ import annotations

from hashlib import blake2b

_WHOLE = 1 << 64


def held_out(customer: bytes, share: float, salt: str) -> bool:
    """Whether a customer is held out: for ever, and whichever partition or worker asks.

    Args:
        customer: The id, raw UTF-8.
        share: Of all customers, 0 to 1. A larger one keeps those who are held out by a smaller one.
        salt: Draws other customers; 64 bytes of UTF-8 at most.

    >>> drawn = [held_out(b"%d" % number, 0.1, "") for number in range(10_000)]
    >>> sum(drawn)
    1029
    """
    drawn = blake2b(customer, digest_size=8, key=salt.encode()).digest()
    return int.from_bytes(drawn, "big") < share * _WHOLE
