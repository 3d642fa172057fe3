"""`pip install tactful[trigger,cluster]` is enough for a trigger, and so for each service."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOADED: Final = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)

service, *missing = sys.argv[1:]
sys.meta_path.insert(0, Missing())
import tactful_workbench.cli, tactful_workbench.commands.serve, tactful_workbench.cluster.serving
from tactful_workbench.cluster.service import maker
maker(service)
print(*{name.partition(".")[0] for name in sys.modules})
"""


def loaded(service: str, missing: Iterable[str]) -> set[str]:
    """Top-level modules of a service's process, where some are not installed."""
    command = [sys.executable, "-c", LOADED, service, *missing]
    return set(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split())


def needs(name: str, extras: frozenset[str] = frozenset(), seen: set[str] | None = None) -> set[str]:
    """Distributions that installing one brings along, itself among them."""
    seen = seen if seen is not None else set()
    seen.add(canonicalize_name(name))
    try:
        wanted = [Requirement(each) for each in requires(name) or ()]
    except PackageNotFoundError:
        return seen
    for each in wanted:
        asked = each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras | {""})
        if asked and (canonicalize_name(each.name) not in seen or each.extras):
            needs(each.name, frozenset(each.extras), seen)
    return seen


@pytest.mark.surroundings
@pytest.mark.parametrize("service", ["ingest", "trigger", "dispatch", "console"])
def test_a_service_starts_where_only_its_extra_and_that_of_the_cluster_are_installed(service: str) -> None:
    brought = needs("tactful", frozenset({service, "cluster"}))
    homes = packages_distributions()
    missing = [name for name, of in homes.items() if not brought & set(map(canonicalize_name, of))]
    assert "pytest" in missing
    names = loaded(service, missing)
    assert "sqlalchemy" in names
    assert service == "dispatch" or not {"httpx", "aiosmtplib"} & names  # what writes to people
