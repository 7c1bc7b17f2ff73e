"""Hold-out: customers whose outputs nobody acts on, so that the effect on the others can be measured.

All outputs of a hold-out customer go to the topic `exposures`, with the headers and ids that they would have
had in their own topics. For both groups the outputs and the purchases are therefore known.
"""

from __future__ import annotations

from hashlib import blake2b

_WHOLE = 1 << 64


def held_out(customer: bytes, share: float, salt: str) -> bool:
    """Return True if a customer is held out. The answer is the same for ever, in every partition and worker.

    Args:
        customer: Customer id, raw UTF-8.
        share: Share of all customers, 0 to 1. A larger share keeps the customers of a smaller one.
        salt: Text that selects other customers; at most 64 bytes of UTF-8.

    >>> drawn = [held_out(b"%d" % number, 0.1, "") for number in range(10_000)]
    >>> sum(drawn)
    1029
    """
    drawn = blake2b(customer, digest_size=8, key=salt.encode()).digest()
    return int.from_bytes(drawn, "big") < share * _WHOLE
