"""Errors: every failure that Cartpulse raises on purpose. Each message says what to do.

The name of each error ends in `Error`. Those that one room alone raises are defined there.

CartpulseError
 ├─ SettingsError            a setting is unknown, out of range, or contradicts another
 ├─ TopicMismatchError       a topic exists and differs from what Cartpulse needs
 ├─ TopicsNotMadeError       the broker refused to make a topic, or did not bring it up in time
 ├─ NoSuchTopicError         a topic to read does not exist, or is hidden from the login
 ├─ BrokerUnreachableError   no broker answers at KAFKA_BROKER
 ├─ NotAllowedError          the login lacks a right that it needs
 ├─ LocalBrokerError         a broker on this machine cannot be found, started or kept running
 │   └─ KafkaUnavailableError    Apache Kafka cannot run here: Java or Maven is missing
 ├─ SourceJumpedError        the purchases log and the state made from it do not fit together
 ├─ LogUnreadableError       a log holds bytes of which nothing tells which offsets they are
 ├─ CodecMissingError        a batch is compressed with a codec whose library is not installed
 ├─ ChangelogUnreadableError the changelog holds something that is no row of the ledger
 │   └─ NewerRowsError           the changelog holds rows of a later release
 ├─ ChangelogLostError       the changelog was deleted, made anew or cut while state rested on it
 ├─ DeliveryFailedError      a send was refused, or not acknowledged in time
 ├─ EngineError              a fault of Cartpulse's own code that cannot be put down to one record
 ├─ BoundaryError            models raised on too many customers at a day boundary
 ├─ UnknownCustomerError     no partition holds a row of the customer
 ├─ NoStateError             the changelog holds no state yet
 ├─ NothingKnownError        no state says how far the service had come
 ├─ ResetRefusedError        the ledger's state could not be deleted, or not safely
 ├─ NoSuchLetterError        no dead letter has the id, or more than one begins with it
 ├─ NotSentError             the broker did not take a letter that was sent back
 ├─ NotAcknowledgedError     the broker refused a purchase, or did not acknowledge it in time
 ├─ FileError                a file cannot be read in the form that it should have
 ├─ ColumnsError             a needed column is missing, or a correction names none that exists
 ├─ CutOffError              a file is cut off, so that nobody can say what is missing
 ├─ UndecidedError           a file can be read in two ways, and a person has to choose
 ├─ PositionError            how far a file was sent does not fit the file or the topic
 ├─ SortError                there is no room for the files of a sort
 ├─ ProcessError             a parameter of invented purchases is unknown or out of bounds
 ├─ SourceMissingError       the package of the demonstration's data is not installed
 ├─ NotEmptyError            the demonstration's topics hold purchases of another source
 └─ WorkerEndedError         a worker of the demonstration ended too soon
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition


class CartpulseError(Exception):
    """Base class of every error that Cartpulse raises on purpose.

    Args:
        said: State that is wrong. With a remedy it is a sentence without its full stop.
        remedy: Action to take; `str` of the error is "said: remedy".
    """

    def __init__(self, said: str, *, remedy: str = "") -> None:
        super().__init__(f"{said}: {remedy}" if remedy else said)
        self.said = said
        self.remedy = remedy


class SettingsError(CartpulseError):
    """Settings that cannot be used. The message has one line with one sentence per fault."""


class TopicMismatchError(CartpulseError):
    """Existing topics that differ from what Cartpulse needs.

    The message has one sentence per difference, each with the ways to settle the difference.
    """


class TopicsNotMadeError(CartpulseError):
    """Failure to make a topic; the message carries the broker's reason."""


class BrokerUnreachableError(CartpulseError):
    """Missing answer: no broker answers at the configured address."""


class NotAllowedError(CartpulseError):
    """Missing right of the login; the message names the right and where all rights are listed."""


class LocalBrokerError(CartpulseError):
    """Failure to find, start or keep running a local broker.

    Local brokers are the embedded one and the Apache Kafka that Cartpulse starts.
    """


class KafkaUnavailableError(LocalBrokerError):
    """Apache Kafka cannot run here; the message says what to install."""


class SourceJumpedError(CartpulseError):
    """Mismatch of the purchases log and the state kept from it; the message names the gap."""


class LogUnreadableError(CartpulseError):
    """Log that cannot be read at some offsets, and whose bytes there cannot be kept.

    The message names the offsets.
    """

    place: TopicPartition | None = None
    """Partition whose log cannot be read."""


class CodecMissingError(CartpulseError):
    """Codec library that is not installed here, though a batch is compressed with the codec.

    The data is not at fault.
    """


class ChangelogUnreadableError(CartpulseError):
    """Changelog that holds something other than a ledger row."""


class NewerRowsError(ChangelogUnreadableError):
    """Changelog that holds rows of a later release. Only that release can continue with the rows."""


class ChangelogLostError(CartpulseError):
    """Changelog that was deleted, made anew or cut while the state of a worker rested on it."""


class DeliveryFailedError(CartpulseError):
    """Send that was refused, or not acknowledged in time.

    The worker ends rather than continue with a gap in its output.
    """


class EngineError(CartpulseError):
    """Fault of Cartpulse's code, in an agent or in a model, that cannot be put down to one record."""


class BoundaryError(CartpulseError):
    """Models raised on too many customers at a day boundary.

    No record is to blame; the message names the last customer.
    """
