"""A real Prometheus with short blocks, an endpoint for it to scrape, and queries."""

import http.server
import math
import threading
import time
import urllib.parse
from pathlib import Path

from .certificates import Authority
from .metrics_api import MetricsServer
from .places import service_program
from .processes import free_port, run


class MetricsEndpoint:
    """Serves `series` counters at /metrics, in a thread of this program. Each is a thousand times the turn plus the
    number of the series. /late serves other series with explicit timestamps, alternating between now and `late` seconds
    ago, so half of the samples are out of order."""

    def __init__(self, series: int = 50, late: float = 20):
        self.turns = 0  # requests answered at /metrics and at /late
        self.late_turns = 0
        endpoint = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stamp = ""
                if self.path.startswith("/late"):
                    turn = endpoint.late_turns + 1
                    moment = time.time() - (late if turn % 2 else 0)
                    stamp = f" {int(moment * 1000)}"
                else:
                    turn = endpoint.turns + 1
                name = "late_total" if stamp else "load_total"
                body = f"# TYPE {name} counter\n" + "".join(
                    f'{name}{{number="{n}"}} {turn * 1000 + n}{stamp}\n' for n in range(series))
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body.encode())
                if stamp:
                    endpoint.late_turns = turn
                else:
                    endpoint.turns = turn

            def log_message(self, *_arguments) -> None:
                pass

        self.port = free_port()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Answer)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Prometheus(MetricsServer):
    """A Prometheus that cuts blocks every few seconds and compacts them soon after. `etc` has files that a
    configuration can name: rules, targets, a password, and with `authority` a web configuration."""

    def __init__(self, directory: Path, *, targets: list[str] | None = None, authority: Authority | None = None,
                 late: str = "", flags: tuple[str, ...] = (), data: Path | None = None, block: str = "10s",
                 retention: str = "15d"):
        super().__init__(directory, "prometheus", authority)
        self.data = data or directory / "data"
        self.config = self.etc / "prometheus.yml"
        self.flags = flags
        self.block = block
        self.block_max = "5m"
        self.retention = retention
        self.write_config(targets or [], late)

    def write_config(self, targets: list[str], late: str = "") -> None:
        (self.etc / "rules").mkdir(exist_ok=True)
        (self.etc / "rules" / "load.yml").write_text(
            "groups:\n- name: load\n  rules:\n  - record: load:sum\n    expr: sum(load_total)\n")
        (self.etc / "targets.json").write_text("[]\n")
        (self.etc / "scrape.password").write_text("secret\n")
        lines = ["global:", "  scrape_interval: 1s", "  evaluation_interval: 1s", "  external_labels:",
                 "    cluster: prod", "    replica: a", "rule_files: ['rules/*.yml']"]
        if late:
            lines += ["storage:", "  tsdb:", "    out_of_order_time_window: 10m"]
        lines += ["scrape_configs:", "- job_name: files", "  file_sd_configs:", "  - files: [targets.json]",
                  "  basic_auth: {username: x, password_file: scrape.password}"]
        if targets:
            lines += ["- job_name: load", "  static_configs:", f"  - targets: {targets}"]
        if late:
            lines += ["- job_name: late", "  metrics_path: /late", "  static_configs:", f"  - targets: ['{late}']"]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self) -> "Prometheus":
        argv = [service_program("prometheus", "prometheus"), f"--config.file={self.config}"]
        if not any(flag.startswith("--enable-feature=agent") for flag in self.flags):
            argv += [f"--storage.tsdb.path={self.data}", f"--storage.tsdb.min-block-duration={self.block}",
                     f"--storage.tsdb.max-block-duration={self.block_max}", f"--storage.tsdb.retention.time={self.retention}"]
        self.launch([*argv, *self.flags])
        return self

    def query(self, expression: str, at: float | None = None) -> list[dict]:
        arguments = {"query": expression} | ({"time": f"{at:.3f}"} if at is not None else {})
        answer = self.api.get("/api/v1/query?" + urllib.parse.urlencode(arguments))
        if answer["status"] != "success":
            raise AssertionError(f"{expression}: {answer}")
        return answer["data"]["result"]

    def totals(self, start_ms: int, end_ms: int, prefix: str = "") -> dict[str, tuple[int, float]]:
        """For each series whose name starts with `prefix`: the number of samples from `start_ms` to `end_ms`, and their
        sum."""
        seconds = max(1, math.ceil((end_ms - start_ms) / 1000))
        found: dict[str, list[float]] = {}
        for function in ("count_over_time", "sum_over_time"):
            # Results have no metric name, so each query must cover only one metric.
            for name in (one for one in self.names() if one.startswith(prefix)):
                for one in self.query(f'{function}({{__name__="{name}"}}[{seconds}s])', end_ms / 1000):
                    key = name + str(sorted(one["metric"].items()))
                    found.setdefault(key, []).append(float(one["value"][1]))
        return {key: (int(values[0]), values[1]) for key, values in found.items()}

    def names(self) -> list[str]:
        return self.api.get("/api/v1/label/__name__/values")["data"]

    def blocks(self) -> list[str]:
        """ULIDs of the complete blocks on disk."""
        if not self.data.exists():
            return []
        return sorted(one.name for one in self.data.iterdir() if len(one.name) == 26 and (one / "meta.json").exists())

    def promtool(self, *arguments: str, **options) -> str:
        return run([service_program("prometheus", "promtool"), *arguments], **options).stdout

    def source(self, name: str = "main", **options) -> dict:
        """The source's entry in agent.yaml."""
        return {"kind": "prometheus", "name": name, "url": self.url, "data_dir": str(self.data), **self.access,
                **options}
