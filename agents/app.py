"""The Faust app with everything in it, from the environment: `faust -A agents.app worker` runs it.

`cartpulse worker` runs the same, with its own log format and one clear line when it cannot go on.
"""

from agents.worker import assemble
from streams.settings.environment import load_settings

app = assemble(load_settings()).app
