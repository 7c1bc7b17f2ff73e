"""The Faust app with everything in it, from the environment: `faust -A agents.app worker` runs it.

`cartpulse worker` runs the same and adds what a program of its own can: its log format, its memory settings, one
clear line and a status when it cannot go on.
"""

from agents.worker import assemble
from streams.settings import load_settings

app = assemble(load_settings()).app
