from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

HERE = Path(__file__).parent


def pytest_itemcollected(item: pytest.Item) -> None:
    """A room's tests share what they train, so one process runs all of them; the command line's take as long as the
    others together."""
    if item.config.pluginmanager.hasplugin("xdist"):
        room = item.path.relative_to(HERE).parts[0]
        item.add_marker(pytest.mark.xdist_group("cli" if room == "cli" else "rooms"))
