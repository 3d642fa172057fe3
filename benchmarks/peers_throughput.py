"""The same job on the same broker as its peers, one after the other in one run: `make bench-throughput`.

The peers and the harness that measures them (wall and processor time from the first read to the last event, what came out
against an oracle) do not ship: PEERS names their folder, whose README says what they are. It wants CPython 3.11, a JDK 17,
Maven and a network the first time; everything goes into WORK.

    python benchmarks/peers_throughput.py --peers DIR --work DIR [--events 2000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from peersharness import DURABLE, OWN, Harness
from pgserver import postgres_server

LIMIT: Final = "noop-aiokafka"


def medians(results: list[dict[str, Any]], events: int) -> dict[str, float]:
    """Events a second by peer. Ends the program if what came out of ours is not what the oracle says."""
    rates: dict[str, list[float]] = {}
    for told in results:
        if told["kind"] != "bench" or told["n"] != events or "wall" not in told:
            continue
        if told["peer"] == OWN and (told["missing"], told["extra"], told["dup"]) != (0, 0, 0):
            raise SystemExit(f"the messages are not those of the oracle: {told}")
        rates.setdefault(told["peer"], []).append(events / told["wall"])
    return {peer: statistics.median(each) for peer, each in rates.items()}


def measure(peers: Path, work: Path, events: int, rounds: int, names: list[str]) -> list[dict[str, Any]]:
    """Set up what is missing, load the workload, run everybody in turn."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "postgres").mkdir(mode=0o755)
        with postgres_server(place / "postgres") as postgres:
            harness = Harness(
                peers,
                work,
                OWN=f"{sys.executable} {Path(__file__).with_name('peers_own.py')}",
                POSTGRES=postgres.url("").rstrip("/"),
                PGPID=str(postgres.pid),
            )
            with harness.broker():
                harness.run("load", str(events))
                harness.run("bench", str(events), str(rounds), *names)
                harness.run("table")
            return harness.told()


def main() -> int:
    """Print the harness's table and our ratios; 1 if a peer or we ourselves gave no figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--peers", type=Path, required=True)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--events", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    names, work = [LIMIT, *DURABLE, OWN], given.work.resolve()
    rates = medians(measure(given.peers.resolve(), work, given.events, given.rounds, names), given.events)
    if missing := [name for name in names if name not in rates]:
        print(f"no figure for {', '.join(missing)}: see {work / 'logs'}")
        return 1
    print(f"one trigger process: {rates[OWN]:,.0f} events/s")
    print(f"a reader that does nothing: {rates[OWN] / rates[LIMIT]:.2f} x (goal 0.25)")
    for peer in DURABLE:
        print(f"{peer}: {rates[OWN] / rates[peer]:.2f} x (goal {1.5 if peer == 'kstreams-eos' else 2})")
    print(f"fastest durable peer: {rates[OWN] / max(rates[peer] for peer in DURABLE):.2f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
