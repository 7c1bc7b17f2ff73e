"""The recipes for a newcomer's own purchases, run as they stand on the page of first steps."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from streams.kafka.log.reading import read_all
from streams.kafka.topics import OUTPUTS, create_topics
from tests.end_to_end.purchases.test_bad_input import REAL
from tests.end_to_end.purchases.test_own_purchases import until_applied
from tests.support.kafka.cluster import Cluster
from tests.support.paths import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings

pytestmark = pytest.mark.end_to_end


async def test_the_first_own_purchases_give_three_visible_outputs(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    page = (DOCS / "first-steps.md").read_text(encoding="utf-8")
    section = page.partition("## Your first own purchases")[2]
    (recipe,) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert "CARTPULSE_CLOCK=log cartpulse worker" in section
    settings = fresh_settings(tansu, clock="log")
    recipe = recipe.replace("127.0.0.1:9092", settings.kafka_broker)
    recipe = recipe.replace('"purchases"', repr(settings.purchases_topic))
    async with Cluster(settings, tmp_path, REAL) as cluster:
        await create_topics(settings)
        cluster.start_worker()
        await asyncio.to_thread(exec, recipe, {"__name__": "recipe"})
        await until_applied(cluster, 6)
        shown = [record for name in OUTPUTS async for record in read_all(settings, settings.topic(name))]
    assert len(shown) >= 3
