"""Faust app with all its agents, made from the environment: `faust -A agents.app worker` runs the app.

`cartpulse worker` runs the same app, with its own log format and with one clear line when the worker cannot
go on.
"""

from agents.worker import assemble
from streams.settings.environment import load_settings

app = assemble(load_settings()).app
