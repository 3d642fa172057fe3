"""From an event until what it asks for can be read, beside peers on the same machine at the same rate: `make bench-latency`.

The peers' harness (see `peersharness.py`) drives each of them, one after the other, open loop; `cluster_latency.py` drives ours as it is
deployed. Everybody answers every placed order.

    python benchmarks/peers_latency.py --peers DIR --work DIR [--rates 3000 6000]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from peersharness import DURABLE, OWN, Harness

FIGURE: Final = re.compile(r"p(?:50|99): (\d+) ms")
Figures = dict[tuple[str, int], tuple[float, float]]  # peer and rate -> p50 and p99 in ms


def theirs(folder: Path, work: Path, rates: list[int]) -> Figures:
    """Until a reader of what is committed has it."""
    harness = Harness(folder, work)
    with harness.broker():
        harness.run("latency", *[f"{peer}={rate}" for rate in rates for peer in DURABLE])
    return {(told["peer"], told["rate"]): tuple(told["visible"]) for told in harness.told() if "visible" in told}


def ours(rates: list[int]) -> Figures:
    """Until the message stands in the topic."""
    command = [sys.executable, str(Path(__file__).with_name("cluster_latency.py")), "--rates", *map(str, rates)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    values = [float(value) for value in FIGURE.findall(said)]
    return {(OWN, rate): (values[2 * n], values[2 * n + 1]) for n, rate in enumerate(rates)}


def main() -> int:
    """Print everybody's figures; 1 if ours is above a durable peer's, or one of them gave none."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--peers", type=Path, required=True)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--rates", type=int, nargs="+", default=[3000, 6000], help="events a second")
    given = options.parse_args()
    found = ours(given.rates) | theirs(given.peers.resolve(), given.work.resolve(), given.rates)
    for (name, rate), (middle, most) in sorted(found.items(), key=lambda each: (each[0][1], each[1])):
        print(f"at {rate:,} events/s, {name}: p50 {middle:,.0f} ms, p99 {most:,.0f} ms")
    wanted = [(peer, rate) for rate in given.rates for peer in DURABLE]
    return int(not all(each in found and found[OWN, each[1]] <= found[each] for each in wanted))


if __name__ == "__main__":
    sys.exit(main())
