"""Settings from the environment. All faults are reported at once, in a sentence each."""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableValue

from streams.errors import SettingsError
from streams.settings.settings import PREFIX, Settings, secret, variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOT_OURS: Final = re.compile(
    r"CARTPULSE_REQUIRE_KAFKA|"  # the tests' own
    r"\w+_SERVICE_(HOST|PORT\w*)|\w+_PORT(_\d+_(TCP|UDP)\w*)?"  # Kubernetes injects these for services
)
"""Variables with our prefixes that other programs set."""

KAFKA_FAMILIES: Final = re.compile(r"KAFKA_(BROKERS?|BOOTSTRAP|SECURITY|SASL|SSL|TLS|USER|PASSWORD)($|[_S])")
"""Pattern of the `KAFKA_*` names that concern a client's connection. An unknown one is a typo, not another
program's variable."""


def load_settings(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Load the settings of `environment` (default: the process's own), with `overrides` by field name on top.

    Raises:
        SettingsError: A variable is unknown, its value is invalid, or two values contradict each other.
    """
    variables = dict(os.environ if environment is None else environment)
    faults = [*_unknown_variables(variables)]
    unknown = sorted(set(overrides) - set(Settings.model_fields))
    faults += [f"{name!r} is no setting of Cartpulse." for name in unknown]
    if faults:
        raise SettingsError("\n".join(faults))
    try:
        return Settings(**{**_from_environment(variables), **overrides})
    except ValidationError as error:
        raise SettingsError("\n".join(_sentences(error))) from None
    except UnreadableValue as error:
        raise SettingsError(_unreadable(error)) from None


def _from_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in variables.items() if value}
    return source()


def _unknown_variables(variables: Mapping[str, str]) -> Iterator[str]:
    known = [variable(name) for name in Settings.model_fields]
    for name in sorted(variables):
        if name in known or NOT_OURS.fullmatch(name):
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if name.startswith(PREFIX) or KAFKA_FAMILIES.match(name) or (name.startswith("KAFKA_") and close):
            guess = close or (["KAFKA_BROKER"] if "BOOTSTRAP" in name or "SERVERS" in name else [])
            hint = (
                f"did you mean {guess[0]}?"
                if guess
                else "`cartpulse settings` lists those there are; unset it."
            )
            yield f"{name} is no setting of Cartpulse: {hint}"


def _sentences(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        message = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            yield from message.splitlines()
            continue
        name = variable(str(fault["loc"][0]))
        value = "" if secret(str(fault["loc"][0])) else f" (it is {fault['input']!r})"
        yield f"{name}: {message}{value}."


def _unreadable(error: UnreadableValue) -> str:
    named = re.search(r'field "(\w+)"', str(error))
    name = variable(named[1]) if named else "A setting"
    return f'{name} holds several values, so it is written as JSON, such as \'["FUEL", "COUPON"]\'.'
