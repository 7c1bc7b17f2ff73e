"""Every failure that a caller of Cartpulse can meet; each message says what to do.

CartpulseError
 ├─ SettingsError            a setting is unknown, out of range, or contradicts another
 ├─ TopicMismatch            a topic exists and differs from what Cartpulse needs
 ├─ TopicsNotMade            the broker refused to make a topic, or did not bring it up in time
 ├─ BrokerUnreachable        no broker answers at KAFKA_BROKER
 ├─ NotAllowed               the login lacks a right that it needs
 ├─ LocalBrokerError         a broker of our own cannot be found, started or kept running
 │   └─ KafkaUnavailable     Apache Kafka cannot run here: Java or Maven is missing
 ├─ SourceJumped             the purchases log and the state made from it do not fit together
 ├─ LogUnreadable            a log holds bytes of which nothing tells which offsets they are
 ├─ CodecMissing             a batch is compressed with a codec whose library is not installed
 ├─ ChangelogUnreadable      the changelog holds something that is no row of ours
 │   └─ NewerRows            the changelog holds rows of a later release
 ├─ ChangelogLost            the changelog was deleted, made anew or cut while state rested on it
 ├─ DeliveryFailed           a send was refused, or not acknowledged in time
 ├─ EngineFault              a fault of our own code that cannot be put down to one record
 └─ BoundaryFault            models raised on too many customers at a day boundary
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition


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


class NotAllowed(CartpulseError):
    """The login lacks a right; the message says which, and where the rights are listed."""


class LocalBrokerError(CartpulseError):
    """A broker of our own, embedded or Apache Kafka, cannot be found, started or kept running."""


class KafkaUnavailable(LocalBrokerError):
    """Apache Kafka cannot run here; the message says what to install."""


class SourceJumped(CartpulseError):
    """The purchases log and the state kept from it do not fit together; the message names the gap."""


class LogUnreadable(CartpulseError):
    """A log cannot be read at some offsets, and nothing of them can be kept; the message names them."""

    place: TopicPartition | None = None
    """The log."""


class CodecMissing(CartpulseError):
    """A batch is compressed with a codec whose library is not installed here: the data is not at fault."""


class ChangelogUnreadable(CartpulseError):
    """The changelog holds something that is no row of ours."""


class NewerRows(ChangelogUnreadable):
    """The changelog holds rows of a later release, which alone can go on with them."""


class ChangelogLost(CartpulseError):
    """The changelog was deleted, made anew or cut while the state of a worker rested on it."""


class DeliveryFailed(CartpulseError):
    """A send was refused, or not acknowledged in time; the worker ends rather than go on beside a hole."""


class EngineFault(CartpulseError):
    """A fault of our own code, in an agent or in a model, that cannot be put down to one record."""


class BoundaryFault(CartpulseError):
    """Models raised on too many customers at a day boundary; no record is to blame. The last one is named."""
