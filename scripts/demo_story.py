"""The story that scripts/demo tells, once everything is built: run that."""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
from demo_alone import Alone
from demo_cluster import Cluster
from demo_services import KEYS, Services
from demo_told import BOLD, GREEN, PLAIN, Failed, Told
from lib import scan
from lib.places import service_version
from lib.processes import Process


def story(directory: Path, told: Told) -> None:
    told.part("A cluster: a controller, three agents, and anna, who operates it")
    told.chapter("Three nodes, and what runs on them")
    services = Services(directory)
    services.start()
    told.say(f"etcd {service_version('etcd')}: a member on each node, with TLS and client certificates, {KEYS:,} keys")
    told.say(f'HAProxy on node-1: master and worker; it answers "{services.answer().strip()}"')
    entries = len(scan(services.app("node-1")))
    told.say(f"a directory on each node: {entries} entries with hard links, holes, odd names, attributes, a setuid program")
    cluster = Cluster(told, services)
    cluster.tell()
    cluster.stop()

    told.part("Alone: the same program, without a controller")
    Alone(told, services).tell()
    services.stop()


def main() -> int:
    signal.signal(signal.SIGHUP, lambda number, _frame: sys.exit(128 + number))
    started = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    tempfile.tempdir = str(directory)  # nothing is left anywhere else
    told = Told({str(directory): "$D"})
    print(f"{BOLD}Holdfast{PLAIN}: back up what runs, where it runs, and put it back.")
    print(f"All of it happens below {directory}, written $D here, and on loopback.")
    try:
        story(directory, told)
    except KeyboardInterrupt:
        print("\ndemo: interrupted; all that it started has been ended", file=sys.stderr)
        return 130
    except (Failed, AssertionError, OSError) as error:
        print(f"\ndemo: error: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in Process.running():
            process.kill()
        shutil.rmtree(os.fsencode(directory), ignore_errors=True)
    print(f"\n{BOLD}All of this was seen to hold, in {time.monotonic() - started:.0f} s:{PLAIN}")
    for part, texts in told.checks.items():
        print(f"   {part}")
        for text in texts:
            print(f"     {GREEN}✓{PLAIN} {text}")
    print("Nothing is left running, and nothing was installed as a service. Where to go on: README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
