"""Every failure that a caller of Cartpulse can meet; each message says what to do.

CartpulseError
 ├─ SettingsError            a setting is unknown, out of range, or contradicts another
 ├─ TopicMismatch            a topic exists and differs from what Cartpulse needs
 ├─ TopicsNotMade            the broker refused to make a topic, or did not bring it up in time
 ├─ BrokerUnreachable        no broker answers at KAFKA_BROKER
 └─ LocalBrokerError         the embedded broker cannot be found, started or kept running
"""

from __future__ import annotations


class CartpulseError(Exception):
    """The root of the tree; whoever catches it has caught everything that Cartpulse raises on purpose."""


class SettingsError(CartpulseError):
    """Settings that cannot be used. One sentence per fault, each on a line of its own."""


class TopicMismatch(CartpulseError):
    """Topics that exist and differ. One sentence per difference, each with the ways to settle it."""


class TopicsNotMade(CartpulseError):
    """A topic could not be made; the message carries the broker's reason."""


class BrokerUnreachable(CartpulseError):
    """No broker answers at the configured address."""


class LocalBrokerError(CartpulseError):
    """The embedded broker cannot be found, started or kept running."""
