"""Failures that a caller of Cartpulse can meet. The message of each failure says what to do.

CartpulseError
 ├─ SettingsError            a setting is unknown, out of range, or contradicts another
 ├─ TopicMismatch            a topic exists and differs from what Cartpulse needs
 ├─ TopicsNotMade            the broker refused to make a topic, or did not bring it up in time
 ├─ BrokerUnreachable        no broker answers at KAFKA_BROKER
 ├─ NotAllowed               the login lacks a right that it needs
 ├─ LocalBrokerError         a local broker, started by Cartpulse, cannot be found, started or kept running
 │   └─ KafkaUnavailable     Apache Kafka cannot run here: Java or Maven is missing
 ├─ SourceJumped             the purchases log and the state made from it do not fit together
 ├─ LogUnreadable            a log holds bytes that cannot be assigned to offsets
 ├─ CodecMissing             a batch is compressed with a codec whose library is not installed
 ├─ ChangelogUnreadable      the changelog holds something that is no ledger row
 │   └─ NewerRows            the changelog holds rows of a later release
 ├─ ChangelogLost            the changelog was deleted, made anew or cut while a worker's state rested on it
 ├─ DeliveryFailed           a send was refused, or not acknowledged in time
 ├─ EngineFault              a fault of Cartpulse's code that cannot be put down to one record
 └─ BoundaryFault            models raised on too many customers at a day boundary
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition


class CartpulseError(Exception):
    """Base class of every error that Cartpulse raises on purpose."""


class SettingsError(CartpulseError):
    """Settings that cannot be used. The message has one line with one sentence per fault."""


class TopicMismatch(CartpulseError):
    """Existing topics that differ from what Cartpulse needs.

    The message has one sentence per difference, each with the ways to settle the difference.
    """


class TopicsNotMade(CartpulseError):
    """Failure to make a topic; the message carries the broker's reason."""


class BrokerUnreachable(CartpulseError):
    """Missing answer: no broker answers at the configured address."""


class NotAllowed(CartpulseError):
    """Missing right of the login; the message names the right and where all rights are listed."""


class LocalBrokerError(CartpulseError):
    """Failure to find, start or keep running a local broker.

    Local brokers are the embedded one and the Apache Kafka that Cartpulse starts.
    """


class KafkaUnavailable(LocalBrokerError):
    """Apache Kafka cannot run here; the message says what to install."""


class SourceJumped(CartpulseError):
    """Mismatch of the purchases log and the state kept from it; the message names the gap."""


class LogUnreadable(CartpulseError):
    """Log that cannot be read at some offsets, and whose bytes there cannot be kept.

    The message names the offsets.
    """

    place: TopicPartition | None = None
    """Partition whose log cannot be read."""


class CodecMissing(CartpulseError):
    """Codec library that is not installed here, though a batch is compressed with the codec.

    The data is not at fault.
    """


class ChangelogUnreadable(CartpulseError):
    """Changelog that holds something other than a ledger row."""


class NewerRows(ChangelogUnreadable):
    """Changelog that holds rows of a later release. Only that release can continue with the rows."""


class ChangelogLost(CartpulseError):
    """Changelog that was deleted, made anew or cut while the state of a worker rested on it."""


class DeliveryFailed(CartpulseError):
    """Send that was refused, or not acknowledged in time.

    The worker ends rather than continue with a gap in its output.
    """


class EngineFault(CartpulseError):
    """Fault of Cartpulse's code, in an agent or in a model, that cannot be put down to one record."""


class BoundaryFault(CartpulseError):
    """Models raised on too many customers at a day boundary.

    No record is to blame; the message names the last customer.
    """
