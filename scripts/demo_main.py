"""What scripts/demo runs after the build. Run scripts/demo, not this file."""

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
from demo_printer import BOLD, GREEN, PLAIN, Failed, Printer
from demo_services import KEYS, Services
from lib import scan
from lib.places import service_version
from lib.processes import Process


def run(directory: Path, printer: Printer) -> None:
    printer.part("A cluster: a controller, three agents, and the operator anna")
    printer.chapter("Three nodes and their services")
    services = Services(directory)
    services.start()
    printer.say(f"etcd {service_version('etcd')}: one member per node, TLS with client certificates, {KEYS:,} keys")
    printer.say(f'HAProxy on node-1: a master and a worker; it answers "{services.answer().strip()}"')
    entries = len(scan(services.app("node-1")))
    printer.say(f"one directory per node: {entries} entries with hard links, holes, odd names, attributes and a setuid file")
    cluster = Cluster(printer, services)
    cluster.play()
    cluster.stop()

    printer.part("One node: the same agent, without a controller")
    Alone(printer, services).play()
    services.stop()


def main() -> int:
    signal.signal(signal.SIGHUP, lambda number, _frame: sys.exit(128 + number))
    started = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    tempfile.tempdir = str(directory)  # so that nothing is left elsewhere
    printer = Printer({str(directory): "$D"})
    print(f"{BOLD}Holdfast{PLAIN}: back up services on their nodes while they run, and restore them.")
    print(f"The demo uses only {directory} (shown as $D) and loopback.")
    try:
        run(directory, printer)
    except KeyboardInterrupt:
        print("\ndemo: interrupted; every process that it started has ended", file=sys.stderr)
        return 130
    except (Failed, AssertionError, OSError) as error:
        print(f"\ndemo: error: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in Process.running():
            process.kill()
        shutil.rmtree(os.fsencode(directory), ignore_errors=True)
    print(f"\n{BOLD}Checked in {time.monotonic() - started:.0f} s:{PLAIN}")
    for part, texts in printer.checks.items():
        print(f"   {part}")
        for text in texts:
            print(f"     {GREEN}✓{PLAIN} {text}")
    print("No process is left running, and no service was installed. Next: README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
