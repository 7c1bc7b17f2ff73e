"""Options that several commands share, and the settings that follow from them."""

from typing import Annotated, Any

import typer

from streams.settings.environment import load_settings
from streams.settings.settings import Settings

Broker = Annotated[
    str | None,
    typer.Option("--broker", metavar="HOST:PORT", help="Kafka to talk to, instead of KAFKA_BROKER."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]


def settings_with(**overrides: Any) -> Settings:
    """Load the environment's settings, replaced by the options that were given.

    Raises:
        SettingsError: The settings do not fit together.
    """
    return load_settings(**{name: value for name, value in overrides.items() if value is not None})
