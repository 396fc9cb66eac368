"""What others publish today and batond does not know. Exit code 1: there is news; 2: something was not to be had.

Before anything else news is planted in what was fetched, and the check must find each piece.
"""

import fnmatch
import sys
import tempfile
import tomllib
from pathlib import Path

from interop.processes import Failure

import planted
from compare import areas, news
from known import Known
from sources import Published, newest

# What is known and deliberately not taken, with a reason each.
LEFT_OUT = Path(__file__).with_name("left_out.toml")


def main() -> None:
    """Print what was compared, what is new, and which entries of `LEFT_OUT` leave nothing out any more."""
    try:
        with tempfile.TemporaryDirectory(prefix="batond-news-") as directory:
            published, known, left_out = newest(Path(directory), sys.argv[1:]), Known(), _left_out()
            for line in published.had:
                print(f"compared with {line}")
            for line in published.missing:
                print(f"not to be had: {line}")
            seen = planted.check(
                Path(directory), published, lambda doctored, more: judge(doctored, known, left_out | more)
            )
            print(f"what is planted is seen: {seen} kinds")
            lines = judge(published, known, left_out)
    except Failure as failure:
        sys.exit(f"news: {failure}")
    for line in lines:
        print(line)
    if not lines:
        print(f"nothing new but what {LEFT_OUT.name} names: {len(left_out)} entries")
    sys.exit(1 if lines else 2 if published.missing else 0)


def judge(published: Published, known: Known, left_out: dict[str, str]) -> list[str]:
    """A line for each piece of news and for each entry that is none."""
    found = news(published, known)
    unused = set(left_out)
    lines = []
    for name, more in found.items():
        entries = {entry for entry in left_out if fnmatch.fnmatchcase(name, entry)}
        unused -= entries
        if not entries:
            lines.append(f"new: {name} {more}".rstrip())
    had = areas(published)
    stale = sorted(entry for entry in unused if entry.split(" ")[0].rstrip(":") in had)
    return [*lines, *(f"no longer new, so to be struck from {LEFT_OUT.name}: {entry}" for entry in stale)]


def _left_out() -> dict[str, str]:
    entries = tomllib.loads(LEFT_OUT.read_text())
    if bare := [entry for entry, reason in entries.items() if not isinstance(reason, str) or not reason.strip()]:
        raise Failure(f"{LEFT_OUT.name} gives no reason for {', '.join(bare)}")
    return entries


if __name__ == "__main__":
    main()
