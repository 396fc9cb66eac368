#!/usr/bin/env python3
"""Measures release binaries as processes, beside a testbed that is a process too.

    cargo build --release --workspace --bins
    benches/processes.py [MEASURE...]        medium plus quotas plan growth tasks idle service version; all unless named
    BATON_AWS_BIN=... benches/processes.py incumbent

One line per figure. Times of a busy machine are noisy: the best of RUNS (3) is told, with the load of the machine.
BATOND_BIN and TESTBED_BIN name other binaries than those in target/release. Variables for glibc's allocator (MALLOC_*)
reach what is measured, all others do not. Needs Linux and nothing but Python.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
BATOND = os.environ.get("BATOND_BIN", str(ROOT / "target/release/batond"))
TESTBED = os.environ.get("TESTBED_BIN", str(ROOT / "target/release/testbed"))
RUNS = int(os.environ.get("RUNS", "3"))

# calls per second that operations share, as batond keeps them; the first prefix that fits counts
RATES = {
    "sso:": 20.0,
    "identitystore:": 20.0,
    "iam:GetPolicyVersion": 35.0,
    "iam:": 15.0,
}
MEDIUM = ("--preset", "medium-iam", "--aws-managed-policies", "40")
TASKS = 40
HEAP = {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")}


def main() -> None:
    """Take the measures that the arguments name."""
    heap = " ".join(f"{name}={value}" for name, value in HEAP.items())
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {os.uname().release}, best of {RUNS} {heap}"
    )
    for name in sys.argv[1:] or [
        "medium",
        "plus",
        "quotas",
        "plan",
        "growth",
        "tasks",
        "idle",
        "service",
        "version",
    ]:
        with tempfile.TemporaryDirectory(prefix="batond-bench-") as directory:
            MEASURES[name](Path(directory))


def medium(directory: Path) -> None:
    """A medium organization with IAM in its management account, 50 ms per call, no quotas."""
    with Aws(directory, *MEDIUM, "--latency-ms", "50") as aws:
        runs = [
            one_shot(aws, BATOND, directory, BATON_AWS_QUOTAS="off")
            for _ in range(RUNS)
        ]
        report("medium, 50 ms", runs)
        for action, calls in sorted(aws.calls().items()):
            print(f"    {action} {calls}")


def incumbent(directory: Path) -> None:
    """The same, in turns with baton-aws."""
    binary = os.environ["BATON_AWS_BIN"]
    with Aws(directory, *MEDIUM, "--latency-ms", "50") as aws:
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(one_shot(aws, BATOND, directory, BATON_AWS_QUOTAS="off"))
            theirs.append(one_shot(aws, binary, directory))
    report("batond", ours)
    report("baton-aws", theirs)
    for figure in ("calls", "wall", "cpu", "peak"):
        ratio = best(theirs, figure) / best(ours, figure)
        print(f"baton-aws / batond, {figure}: {ratio:.1f}")


def plus(directory: Path) -> None:
    """The same with 1,582 AWS-managed policies, twice by one process."""
    with Aws(directory, "--preset", "medium-plus", "--latency-ms", "50") as aws:
        environment = {
            **aws.settings,
            "BATON_AWS_QUOTAS": "off",
            "BATON_SYNC_INTERVAL": "20s",
        }
        file = directory / "sync.c1z"
        begun = time.perf_counter()
        process = subprocess.Popen(
            [BATOND, "--file", file],
            env=environment,
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(file.exists, 120)
        wall = time.perf_counter() - begun
        first, written = sum(aws.calls().values()), file.stat().st_mtime_ns
        aws.reset()
        until(lambda: file.stat().st_mtime_ns != written, 120)
        second = sum(aws.calls().values())
        stop(process)
    print(
        f"medium+, 50 ms: first sync {first} calls, {wall:.2f} s wall; second sync of the process {second} calls"
    )


def quotas(directory: Path) -> None:
    """A medium organization at the documented rates, which the testbed enforces."""
    with Aws(
        directory, *MEDIUM, "--latency-ms", "50", "--quotas", "--account-quotas"
    ) as aws:
        runs = [
            one_shot(aws, BATOND, directory, BATON_AWS_QUOTAS="documented")
            for _ in range(RUNS)
        ]
        report("medium, documented quotas", runs)
        floor, bucket = busiest(aws.calls(), 1)
    print(f"    throttled replies: {max(run.throttled for run in runs)}")
    print(
        f"    floor of {bucket}: {floor:.2f} s; wall / floor {best(runs, 'wall') / floor:.3f}"
    )


def plan(directory: Path) -> None:
    """300 accounts, 190 permission sets on each, 500 groups, 3,000 users in 3 groups each, at tenfold rates."""
    faster = 10
    rates = directory / "rates.yaml"
    lines = [
        f"{service}: {{ rate: {20 * faster}, burst: {20 * faster} }}"
        for service in ("sso", "identitystore")
    ]
    operations = ("ListAccounts", "ListOrganizationalUnitsForParent", "ListRoots")
    lines += [
        "organizations:",
        "  operations:",
        *(f"    {one}: {{ rate: {50 * faster} }}" for one in operations),
    ]
    rates.write_text("\n".join(lines))
    sizes = {
        "accounts": 300, "permission-sets": 190, "users": 3000, "groups": 500, "memberships": 9000,
        "assignments": 57000, "pairs": 57000, "organizational-units": 20,
    }  # fmt: skip
    with Aws(directory, *(f"--{name}={size}" for name, size in sizes.items())) as aws:
        run = one_shot(aws, BATOND, directory, BATON_AWS_QUOTAS=str(rates))
        calls = aws.calls()
        transcript = aws.get("transcript")
        crawl = max(call["end"] for call in transcript) - min(
            call["start"] for call in transcript
        )
        floor, bucket = busiest(calls, faster)
    by_pair = sizes["accounts"] * sizes["permission-sets"] / RATES["sso:"] / faster
    report("300 accounts x 190 sets", [run])
    print(
        f"    floor of {bucket} with this plan: {floor:.1f} s; crawl {crawl:.1f} s, crawl / floor {crawl / floor:.3f}"
    )
    print(f"    floor of the assignments alone, pair by pair: {by_pair:.1f} s")


def growth(directory: Path) -> None:
    """Memory while the organization grows a hundred times."""
    large = {
        "accounts": 2000, "organizational-units": 200, "permission-sets": 500, "users": 100_000, "groups": 10_000,
        "memberships": 250_000, "assignments": 40_000, "pairs": 25_000,
    }  # fmt: skip
    for percent in (1, 4, 20, 100):
        # The entitlements of accounts are the product of two of these.
        root = {"accounts", "permission-sets"}
        sizes = {
            name: max(5, round(size * (percent / 100) ** (0.5 if name in root else 1)))
            for name, size in large.items()
        }
        sizes["pairs"] = min(
            sizes["pairs"], sizes["accounts"] * sizes["permission-sets"] // 2
        )
        sizes["assignments"] = max(sizes["assignments"], sizes["pairs"])
        members = (
            "--iam=medium",
            "--iam-per-member=member",
            "--aws-managed-policies=1582",
        )
        with Aws(
            directory, *(f"--{name}={size}" for name, size in sizes.items()), *members
        ) as aws:
            settings = {
                "BATON_AWS_QUOTAS": "off",
                "BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED": "true",
            }
            run = one_shot(aws, BATOND, directory, **settings)
        report(f"{percent} % of 2,000 accounts and 100,000 users", [run])


def busiest(calls: dict[str, int], faster: float) -> tuple[float, str]:
    """The least time that the busiest rate permits for these calls, and whose rate that is."""
    shared: dict[str, float] = {}
    for action, number in calls.items():
        prefix = next((prefix for prefix in RATES if action.startswith(prefix)), None)
        if prefix:
            shared[prefix] = shared.get(prefix, 0) + number / RATES[prefix] / faster
    bucket = max(shared, key=lambda one: shared[one])
    return shared[bucket], bucket


def tasks(directory: Path) -> None:
    """The time from a grant task that is offered to the first call to AWS that carries it out."""
    with Aws(directory, "--preset", "small") as aws:
        steps = ["hello", *grants(aws)]
        with (
            Plane(directory, {"pace": {"next_poll": "50ms"}, "steps": steps}) as plane,
            daemon(aws, plane, directory),
        ):
            plane.played()
            offered = [
                datetime.fromisoformat(entry["at"]).timestamp()
                for entry in plane.transcript()
                for offer in entry.get("offered", [])
                if offer["kind"] == "grant"
            ]
            written = [
                entry
                for entry in aws.get("transcript")
                if entry["action"] == "identitystore:CreateGroupMembership"
            ]
            earliest, latest = aws.started()
    # One task at a time: the calls stand in the order of the offers.
    waits = [
        1000 * (latest + call["start"] - at)
        for at, call in zip(offered, written, strict=True)
    ]
    print(
        f"task offered to first call, {len(waits)} grants: median {statistics.median(waits):.2f} ms, "
        f"least {min(waits):.2f}, most {max(waits):.2f}; clocks agree within {1000 * (latest - earliest):.2f} ms"
    )


def grants(aws: "Aws") -> list[dict[str, Any]]:
    """A grant of membership to somebody who is no member yet, for as many groups and users as tasks are wanted."""
    held = {(one["group"], one["user"]) for one in aws.get("state")["memberships"]}
    users, groups = (
        sorted({user for _, user in held}),
        sorted({group for group, _ in held}),
    )
    free = [
        (group, user) for user in users for group in groups if (group, user) not in held
    ]
    resource = "arn:aws:identitystore:us-east-1::d-0123456789"
    return [
        {
            "grant": {
                "entitlement": {
                    "resource_type": "sso_group",
                    "resource": f"{resource}/group/{group}",
                    "slug": "member",
                },
                "principal": {
                    "resource_type": "sso_user",
                    "resource": f"{resource}/user/{user}",
                },
            }
        }
        for group, user in free[:TASKS]
    ]


def idle(directory: Path) -> None:
    """What a daemon holds before and after a medium sync that it uploaded."""
    with Aws(directory, *MEDIUM, "--latency-ms", "50") as aws:
        steps = ["hello", {"wait": "5s"}, {"sync_full": {}}]
        with (
            Plane(directory, {"pace": {"next_poll": "1s"}, "steps": steps}) as plane,
            daemon(aws, plane, directory) as pid,
        ):
            time.sleep(4)
            before = memory(pid, "VmRSS")
            plane.played()
            after = []
            for _ in range(8):
                time.sleep(2)
                after.append(memory(pid, "VmRSS"))
            threads = sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
            print(
                f"idle daemon: {before:.1f} MiB before a sync, {after[-1]:.1f} MiB {2 * len(after)} s after one "
                f"({', '.join(f'{one:.1f}' for one in after)}), {memory(pid, 'VmHWM'):.1f} MiB peak, {threads} threads"
            )


def service(directory: Path) -> None:
    """An hour of polling each second, in minutes: handshakes; and how long an idle daemon takes to end."""
    polls = 3600
    with Aws(directory, *MEDIUM) as aws:
        steps = ["hello", {"sync_full": {}}]
        with Plane(directory, {"pace": {"next_poll": "50ms"}, "steps": steps}) as plane:
            with daemon(aws, plane, directory) as pid:
                plane.played()
                events = []

                def polled() -> bool:
                    events[:] = plane.transcript()
                    return sum(each["event"] == "poll" for each in events) >= polls

                while not polled():
                    time.sleep(10)
                begun = time.perf_counter()
                os.kill(pid, signal.SIGTERM)
                until(lambda: not Path(f"/proc/{pid}/stat").exists() or is_zombie(pid))
                ended = time.perf_counter() - begun
                handshakes = sum(each["event"] == "connected" for each in events)
                print(
                    f"service: {handshakes} TLS handshakes in {polls} polls, "
                    f"{ended * 1000:.0f} ms from SIGTERM to the end of an idle daemon"
                )


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and waits for its parent."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def version(_: Path) -> None:
    """What a start costs that does nothing."""
    times = []
    for _ in range(50):
        begun = time.perf_counter()
        subprocess.run(
            [BATOND, "--version"], env={}, stdout=subprocess.DEVNULL, check=True
        )
        times.append(1000 * (time.perf_counter() - begun))
    print(
        f"--version, 50 runs: least {min(times):.1f} ms, median {statistics.median(times):.1f}, most {max(times):.1f}"
    )


class Aws:
    """`testbed aws` on a free port."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._log = directory / "aws.log"
        self._command = [TESTBED, "aws", "--listen", "127.0.0.1:0", *arguments]

    def __enter__(self) -> "Aws":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env={}, stdout=log, stderr=log
            )
        exported = until(
            lambda: assignments(self._log, "AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY")
        )
        self._http = http.client.HTTPConnection(
            exported["AWS_ENDPOINT_URL"].removeprefix("http://"), timeout=30
        )
        self.settings = {
            **HEAP,
            "HOME": "/nonexistent",
            "AWS_ENDPOINT_URL": exported["AWS_ENDPOINT_URL"],
            "BATON_GLOBAL_REGION": exported["AWS_REGION"],
            "BATON_GLOBAL_AWS_SSO_REGION": exported["AWS_REGION"],
            "BATON_GLOBAL_ACCESS_KEY_ID": exported["AWS_ACCESS_KEY_ID"],
            "BATON_GLOBAL_SECRET_ACCESS_KEY": exported["AWS_SECRET_ACCESS_KEY"],
            "BATON_GLOBAL_AWS_ORGS_ENABLED": "true",
            "BATON_GLOBAL_AWS_SSO_ENABLED": "true",
        }
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)

    def get(self, what: str) -> Any:
        """A part of the testbed's own interface."""
        return json.loads(self._call("GET", f"/_testbed/{what}"))

    def reset(self) -> None:
        """Empties the counters and refills the quotas."""
        self._call("DELETE", "/_testbed/counters")

    def calls(self) -> dict[str, int]:
        """Calls by action since the last reset."""
        return {row["action"]: row["calls"] for row in self.get("counters")["rows"]}

    def started(self) -> tuple[float, float]:
        """Between which moments the clock of the transcript began, as seconds since 1970."""
        bounds = []
        for _ in range(20):
            sent = time.time()
            self._call("POST", "/")
            received = time.time()
            entry = max(self.get("transcript"), key=lambda entry: entry["end"])
            bounds.append((sent - entry["start"], received - entry["end"]))
        return max(least for least, _ in bounds), min(most for _, most in bounds)

    def _call(self, method: str, path: str) -> bytes:
        self._http.request(method, path)
        return self._http.getresponse().read()


class Plane:
    """`testbed control-plane` with a scenario; it stays when that is over."""

    def __init__(self, directory: Path, scenario: dict[str, Any]) -> None:
        self._directory = directory / "control-plane"
        self._log = directory / "control-plane.log"
        file = directory / "scenario.yaml"
        # JSON is YAML.
        file.write_text(json.dumps(scenario))
        self._command = [
            TESTBED,
            "control-plane",
            "--stay",
            "--scenario",
            file,
            "--directory",
            self._directory,
        ]

    def __enter__(self) -> "Plane":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env={}, stdout=log, stderr=log
            )
        self.settings = until(
            lambda: assignments(self._directory / "env", "SSL_CERT_FILE")
        )
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)

    def played(self) -> None:
        """Waits for the end of the scenario."""
        until(lambda: "the scenario is over" in self._text(), 300)

    def transcript(self) -> list[dict[str, Any]]:
        """All that it received."""
        lines = (self._directory / "transcript.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def _text(self) -> str:
        if self._process.poll() is not None:
            sys.exit(f"the control plane ended:\n{self._log.read_text()}")
        return self._log.read_text()


@contextlib.contextmanager
def daemon(aws: Aws, plane: Plane, directory: Path) -> Iterator[int]:
    """batond as a daemon between the two; gives its process id."""
    environment = {
        **aws.settings,
        **plane.settings,
        "BATON_PROVISIONING": "true",
        "BATON_AWS_QUOTAS": "off",
    }
    with (directory / "batond.log").open("wb") as log:
        process = subprocess.Popen(
            [BATOND], env=environment, cwd=directory, stdout=log, stderr=log
        )
    try:
        yield process.pid
        if process.poll() not in (None, 0):
            sys.exit(f"batond ended:\n{(directory / 'batond.log').read_text()}")
    finally:
        stop(process)


@dataclass
class Run:
    """What one process, with all that it started, took. Seconds and MiB."""

    calls: int
    throttled: int
    wall: float
    cpu: float
    peak: float
    bytes: int


def one_shot(aws: Aws, binary: str, directory: Path, **settings: str) -> Run:
    """A sync into a file."""
    aws.reset()
    file, log = directory / "sync.c1z", directory / "one-shot.log"
    file.unlink(missing_ok=True)
    with log.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [binary, "--file", file],
            env={**aws.settings, **settings},
            cwd=directory,
            stdout=output,
            stderr=output,
        )
        peaks: dict[int, float] = {}
        watch = threading.Thread(target=follow, args=(process, peaks))
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.join()
    if process.returncode != 0:
        sys.exit(f"{binary}: exit code {process.returncode}\n{log.read_text()}")
    rows = aws.get("counters")["rows"]
    return Run(
        calls=sum(row["calls"] for row in rows),
        throttled=sum(row["throttled"] for row in rows),
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=sum(peaks.values()),
        bytes=file.stat().st_size,
    )


def follow(process: subprocess.Popen[bytes], peaks: dict[int, float]) -> None:
    """Notes the peaks of a process and of its children until it ends; each value only grows."""
    while process.returncode is None and (pids := family(process.pid)):
        for pid in pids:
            with contextlib.suppress(OSError, StopIteration):
                peaks[pid] = memory(pid, "VmHWM")
        time.sleep(0.002)


def family(pid: int) -> list[int]:
    """A process and all that descend from it; nothing once it has ended."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [
            int(child)
            for thread in threads
            for child in (thread / "children").read_text().split()
        ]
    except OSError:
        return []
    return [pid, *(each for child in children for each in family(child))]


def memory(pid: int, field: str) -> float:
    """A figure of /proc/PID/status in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(
        int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")
    )


def report(name: str, runs: list[Run]) -> None:
    """The best of the runs; counts must agree in all of them."""
    calls = sorted({run.calls for run in runs})
    print(
        f"{name}: {' or '.join(map(str, calls))} calls, {best(runs, 'wall'):.2f} s wall "
        f"(worst {max(run.wall for run in runs):.2f}), {best(runs, 'cpu'):.2f} s CPU, "
        f"{best(runs, 'peak'):.1f} MiB peak (worst {max(run.peak for run in runs):.1f}), {runs[0].bytes} bytes"
    )


def best(runs: list[Run], figure: str) -> float:
    """The least of a figure."""
    return min(getattr(run, figure) for run in runs)


def assignments(file: Path, *wanted: str) -> dict[str, str] | None:
    """The `NAME=value` of a file, once it has the wanted ones."""
    text = file.read_text() if file.exists() else ""
    found = {
        name: value.strip("'")
        for name, value in re.findall(r"(\w+)=('[^']*'|\S+)", text)
    }
    return found if all(name in found for name in wanted) else None


def until(ready: Callable[[], T | None], timeout: float = 60) -> T:
    """The first true answer."""
    deadline = time.monotonic() + timeout
    while not (answer := ready()):
        if time.monotonic() > deadline:
            sys.exit(f"nothing happened within {timeout} s")
        time.sleep(0.02)
    return answer


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks a process to end, and waits."""
    process.send_signal(signal.SIGINT)
    process.wait(60)


MEASURES = {
    one.__name__: one
    for one in (
        medium,
        plus,
        incumbent,
        quotas,
        plan,
        growth,
        tasks,
        idle,
        service,
        version,
    )
}

if __name__ == "__main__":
    main()
