"""Starting programs so that nothing of this machine leaks in and nothing that was started stays behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Failure(Exception):
    """A check that did not hold; its text is what the operator of the check needs to see."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment that holds only `extra` and what a program needs to start.

    Proxies, CA bundles, AWS settings and Baton variables of the calling shell would change what is measured.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return kept | {"RUST_BACKTRACE": "1"} | dict(extra or {})


def run(
    command: list[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout: float = 120,
    expect: int = 0,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; a different exit code or a timeout is a `Failure` with its output."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=clean_environment(environment),
            cwd=directory,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise Failure(
            f"{_line(command)}: no end within {timeout} s\n{_text(late.stdout)}{_text(late.stderr)}"
        ) from late
    if done.returncode != expect:
        output = done.stdout[-8000:] + done.stderr[-8000:]
        raise Failure(f"{_line(command)}: exit code {done.returncode}, expected {expect}\n{output}")
    return done


class Background:
    """A program that runs beside the check, its output in a file."""

    def __init__(self, process: subprocess.Popen[bytes], command: list[str | Path], log: Path) -> None:
        self._process = process
        self._command = command
        self._log = log

    def output(self) -> str:
        """Everything the program has written so far."""
        return self._log.read_text(errors="replace")

    def ended(self) -> bool:
        """Whether the program has ended."""
        return self._process.poll() is not None

    def signal_and_wait(self, number: signal.Signals, timeout: float) -> int:
        """Send a signal to the program alone and give its exit code; outliving `timeout` is a `Failure`."""
        self._process.send_signal(number)
        return self.wait(timeout)

    def wait(self, timeout: float) -> int:
        """The exit code; outliving `timeout` seconds is a `Failure`."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{_line(self._command)}: still running after {timeout} s\n{self.output()[-8000:]}") from late

    def kill(self) -> None:
        """End the program and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def background(
    command: list[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Iterator[Background]:
    """A program that is gone when the block ends, whichever way it ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=clean_environment(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    program = Background(process, command, log)
    try:
        yield program
    except Exception as error:
        raise Failure(f"{error}\n--- last output of {_line(command)}:\n{program.output()[-8000:]}") from error
    finally:
        program.kill()


def wait_for(what: str, ready: Callable[[], T | None], *, timeout: float, unless: Background | None = None) -> T:
    """The first true answer of `ready`; a `Failure` after `timeout` seconds or when `unless` ends first."""
    deadline = time.monotonic() + timeout
    while True:
        if answer := ready():
            return answer
        if unless is not None and unless.ended():
            raise Failure(f"the program ended while waiting for {what}\n{unless.output()[-8000:]}")
        if time.monotonic() > deadline:
            raise Failure(f"no {what} within {timeout} s")
        time.sleep(0.05)


def _line(command: list[str | Path]) -> str:
    return " ".join(str(part) for part in command)


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
