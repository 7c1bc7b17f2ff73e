"""Logs on standard error: readable lines on a terminal, one JSON object a line elsewhere.

Call `configure(settings)` once, at the start of the program; then use
`structlog.get_logger("streams.delivery.queue")` anywhere. Faust and aiokafka log through the standard
library; their lines are formatted in the same way.

>>> configure(Settings(log_format="json"))  # doctest: +SKIP
>>> structlog.get_logger("demo").info("alert raised", customer="900", partition=0)  # doctest: +SKIP
{"customer": "900", "partition": 0, "event": "alert raised", "level": "info", "logger": "demo", "time": ...}
"""

from __future__ import annotations

import logging.config
import os
import sys
from typing import TYPE_CHECKING, Any

import structlog

from streams.kafka.options import limit_loggers

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import Processor

    from streams.settings.settings import Settings


def configure(settings: Settings) -> None:
    """Format structlog's and the standard library's logs in one way. A later call replaces an earlier one."""
    logging.config.dictConfig(logging_config(settings))
    structlog.configure(
        processors=[*_shared(settings), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a cached logger would keep the previous configuration
    )
    limit_loggers()


def logging_config(settings: Settings) -> dict[str, Any]:
    """Return the argument of `logging.config.dictConfig`.

    `faust.App(logging_config=...)` takes the same argument, because Faust configures logging again.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "cartpulse": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _shared(settings),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_rendering(settings),
                ],
            }
        },
        "handlers": {
            "cartpulse": {
                "class": "logging.StreamHandler",
                "formatter": "cartpulse",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["cartpulse"], "level": settings.log_level},
        "loggers": {"aiokafka": {"level": "WARNING"}},
    }


def readable(settings: Settings) -> bool:
    """Return True if log lines are for a person: by the setting or, for `auto`, on a terminal."""
    return settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())


def _shared(settings: Settings) -> list[Processor]:
    def named(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return line if settings.worker_name is None else {"worker": settings.worker_name, **line}

    return [
        structlog.contextvars.merge_contextvars,
        named,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]


def _rendering(settings: Settings) -> list[Processor]:
    if readable(settings):
        colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")  # as https://no-color.org has it
        return [structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time")]
    return [
        structlog.processors.dict_tracebacks,
        structlog.processors.JSONRenderer(default=str),
    ]
