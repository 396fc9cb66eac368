"""Reading a `.c1z` with the public `baton` CLI, and judging it against the content it should have."""

import csv
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from interop import places
from interop.content import Content, Grant
from interop.processes import Failure, run

ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class BatonFile:
    """One file, seen through the CLI."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def verb(self, *arguments: str | Path, output: str = "console") -> str:
        """Run a verb and give what it printed, without colours."""
        done = run([places.baton_cli(), *arguments, "--file", self.path, "--output-format", output], timeout=300)
        return ANSI_COLOUR.sub("", done.stdout + (done.stderr if output == "console" else ""))

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a verb and parse its JSON."""
        return json.loads(self.verb(*arguments, output="json") or "{}")

    def content(self) -> Content:
        """All rows of the file."""
        content = Content()
        content.resources = {
            each["resourceType"]["id"]: {} for each in self.json("resource-types").get("resourceTypes", [])
        }
        for each in self.json("resources").get("resources", []):
            resource = each["resource"]
            content.resources[resource["id"]["resourceType"]][resource["id"]["resource"]] = _reference(
                resource.get("parentResourceId")
            )
        for each in self.json("entitlements").get("entitlements", []):
            content.entitlements[each["entitlement"]["id"]] = _reference(each["entitlement"]["resource"]["id"])
        for each in self.json("grants").get("grants", []):
            grant = each["grant"]
            if grant["id"] in content.grants:
                raise Failure(f"{self.path}: grant {grant['id']} is there twice")
            content.grants[grant["id"]] = Grant(
                entitlement=grant["entitlement"]["id"],
                principal=_reference(grant["principal"]["id"]),
                sources={
                    source: held.get("isDirect", False)
                    for source, held in grant.get("sources", {}).get("sources", {}).items()
                },
            )
        return content


def judge(path: Path, expected: Content) -> list[str]:
    """Run every read verb that works on one sync; a `Failure` names the verb and what differs.

    Gives one line per judged verb. The file itself is never written: verbs that write work on a copy.
    """
    with tempfile.TemporaryDirectory(prefix="batond-baton-cli-") as directory:
        return _Judgement(BatonFile(path), expected, Path(directory)).verdicts()


class _Judgement:
    def __init__(self, file: BatonFile, expected: Content, directory: Path) -> None:
        self._file = file
        self._expected = expected
        self._directory = directory

    def verdicts(self) -> list[str]:
        return [
            self._rows(self._file, "resource-types, resources, entitlements, grants"),
            self._stats(self._file),
            self._syncs(),
            self._filters(),
            self._principals(),
            self._access(),
            self._console(),
            self._export_csv(),
            self._export_xlsx(),
            self._export_c1z(),
            self._to_pebble(),
            self._rollback_and_replay(),
            self._recalculate_stats(),
            self._optimize(),
            self._sanitize(),
            self._dump_db(),
        ]

    def _rows(self, file: BatonFile, verb: str) -> str:
        found = file.content()
        wanted = self._expected
        same(f"{verb}: resource types", found.resources, wanted.resources)
        for resource_type, resources in wanted.resources.items():
            same(f"{verb}: resources of {resource_type}", _pairs(found.resources[resource_type]), _pairs(resources))
        same(f"{verb}: entitlements", _pairs(found.entitlements), _pairs(wanted.entitlements))
        same(f"{verb}: grants", found.grants, wanted.grants)
        for grant_id, grant in wanted.grants.items():
            if found.grants[grant_id] != grant:
                raise Failure(f"{verb}: grant {grant_id} is {found.grants[grant_id]}, expected {grant}")
        resources = sum(map(len, wanted.resources.values()))
        return f"{verb}: {resources} resources, {len(wanted.entitlements)} entitlements, {len(wanted.grants)} grants"

    def _stats(self, file: BatonFile, verb: str = "stats") -> str:
        run_of_sync = file.json("stats")
        if not run_of_sync.get("endedAt"):
            raise Failure(f"{verb}: no finished sync: {run_of_sync}")
        same(verb, _counts(run_of_sync["stats"]), _expected_counts(self._expected))
        return f"{verb}: counts are those of the rows"

    def _syncs(self) -> str:
        syncs = self._file.json("syncs").get("syncs", [])
        if len(syncs) != 1 or not syncs[0].get("endedAt") or syncs[0].get("syncType") != "full":
            raise Failure(f"syncs: one finished full sync was expected, the file has {syncs}")
        chosen = self._file.json("stats")
        if chosen.get("id") != syncs[0]["id"]:
            raise Failure(f"stats: shows sync {chosen.get('id')}, the file has {syncs[0]['id']}")
        return "syncs: one finished full sync"

    def _filters(self) -> str:
        for resource_type, wanted in self._expected.resources.items():
            found = self._file.json("resources", "-t", resource_type).get("resources", [])
            same(f"resources -t {resource_type}", (each["resource"]["id"]["resource"] for each in found), wanted)
            found = self._file.json("entitlements", "-t", resource_type).get("entitlements", [])
            entitlements = _of_type(self._expected.entitlements, resource_type)
            same(f"entitlements -t {resource_type}", (each["entitlement"]["id"] for each in found), entitlements)
            found = self._file.json("grants", "-t", resource_type).get("grants", [])
            grants = {
                grant_id for grant_id, grant in self._expected.grants.items() if grant.entitlement in entitlements
            }
            same(f"grants -t {resource_type}", (each["grant"]["id"] for each in found), grants)
        for entitlement, resource in self._some_entitlements():
            grants = {i for i, grant in self._expected.grants.items() if grant.entitlement == entitlement}
            found = self._file.json("grants", "-e", entitlement).get("grants", [])
            same(f"grants -e {entitlement}", (each["grant"]["id"] for each in found), grants)
            resource_type, _, resource_id = resource.partition(":")
            grants = {
                i
                for i, grant in self._expected.grants.items()
                if self._expected.entitlements[grant.entitlement] == resource
            }
            found = self._file.json("grants", "-t", resource_type, "-r", resource_id).get("grants", [])
            same(f"grants -t {resource_type} -r {resource_id}", (each["grant"]["id"] for each in found), grants)
        return "resources -t, entitlements -t, grants -t, -r, -e: filtered as expected"

    def _principals(self) -> str:
        every = {grant.principal for grant in self._expected.grants.values()}
        same("principals", map(_resource_key, self._file.json("principals").get("resources", [])), every)
        for entitlement, resource in self._some_entitlements():
            holders = {g.principal for g in self._expected.grants.values() if g.entitlement == entitlement}
            found = self._file.json("principals", "-e", entitlement).get("resources", [])
            same(f"principals -e {entitlement}", map(_resource_key, found), holders)
            compared = self._file.json(
                "principals",
                "compare",
                "-e",
                entitlement,
                "--compare-file",
                str(self._file.path),
                "--compare-entitlement",
                entitlement,
            )
            if compared.get("missing") or compared.get("extra"):
                raise Failure(f"principals compare: {entitlement} differs from itself: {compared}")
            resource_type, _, resource_id = resource.partition(":")
            holders = {
                g.principal
                for g in self._expected.grants.values()
                if self._expected.entitlements[g.entitlement] == resource
            }
            found = self._file.json("principals", "-t", resource_type, "-r", resource_id).get("resources", [])
            same(f"principals -t {resource_type} -r {resource_id}", map(_resource_key, found), holders)
        return f"principals, principals compare: {len(every)} holders"

    def _access(self) -> str:
        for principal in sorted({grant.principal for grant in self._expected.grants.values()})[:3]:
            principal_type, _, principal_id = principal.partition(":")
            wanted = {g.entitlement for g in self._expected.grants.values() if g.principal == principal}
            found = self._file.json("access", "-t", principal_type, "-r", principal_id).get("access", [])
            same(
                f"access of {principal}",
                (entitlement["id"] for each in found for entitlement in each["entitlements"]),
                wanted,
            )
            self._no_missing("access", "-t", principal_type, "-r", principal_id)
        return "access: what the grants say"

    def _console(self) -> str:
        for verb in ("resource-types", "resources", "entitlements", "grants", "principals", "stats", "syncs"):
            self._no_missing(verb)
        return "console: nothing is missing"

    def _no_missing(self, *arguments: str) -> None:
        printed = self._file.verb(*arguments)
        for line in printed.splitlines():
            if "MISSING" in line:
                raise Failure(f"{' '.join(arguments)}: {line}")

    def _export_csv(self) -> str:
        out = self._directory / "export.csv"
        self._file.verb("export", "csv", "--out", out)
        with out.open(newline="") as lines:
            kinds = [row["Type"] for row in csv.DictReader(lines)]
        # the export lists what people hold: grants of groups and of deleted users are not in it
        users = {f"sso_user:{user}" for user in self._expected.resources["sso_user"]}
        held = [grant for grant in self._expected.grants.values() if grant.principal in users]
        wanted = {
            "Identity": len(self._expected.resources["sso_user"]),
            "Entitlement": len(self._expected.entitlements),
            "Grant": len(held),
        }
        found = dict(Counter(kinds))
        if found != wanted:
            raise Failure(f"export csv: rows {found}, expected {wanted}")
        return f"export csv: {len(kinds)} rows"

    def _export_xlsx(self) -> str:
        out = self._directory / "export.xlsx"
        self._file.verb("export", "xlsx", "--out", out)
        if out.read_bytes()[:2] != b"PK":
            raise Failure("export xlsx: what it wrote is no spreadsheet")
        return "export xlsx: written"

    def _export_c1z(self) -> str:
        out = self._directory / "export.c1z"
        self._file.verb("export", "c1z", "--out", out)
        return self._rows(BatonFile(out), "export c1z")

    def _to_pebble(self) -> str:
        out = self._directory / "pebble.c1z"
        self._file.verb("to-pebble", "--out", out)
        self._stats(BatonFile(out), "stats of to-pebble")
        return self._rows(BatonFile(out), "to-pebble")

    def _rollback_and_replay(self) -> str:
        out = self._directory / "replayed.c1z"
        self._file.verb("rollback-expansion", "--out", out, "--replay", "--validate")
        return self._rows(BatonFile(out), "rollback-expansion --replay --validate")

    def _recalculate_stats(self) -> str:
        copy = self._copy("recalculated.c1z")
        copy.verb("recalculate-stats")
        return self._stats(copy, "recalculate-stats")

    def _optimize(self) -> str:
        copy = self._copy("optimized.c1z")
        copy.verb("optimize")
        return self._rows(copy, "optimize")

    def _sanitize(self) -> str:
        out = self._directory / "sanitized.c1z"
        self._file.verb("sanitize", "--out", out)
        found = BatonFile(out).content()
        same(
            "sanitize: number of rows",
            [sum(map(len, found.resources.values())), len(found.entitlements), len(found.grants)],
            [
                sum(map(len, self._expected.resources.values())),
                len(self._expected.entitlements),
                len(self._expected.grants),
            ],
        )
        return "sanitize: as many rows"

    def _dump_db(self) -> str:
        out = self._directory / "dump.db"
        self._file.verb("dump-db", "--out", out)
        if not out.read_bytes().startswith(b"SQLite format 3\0"):
            raise Failure("dump-db: what it wrote is no SQLite database")
        return "dump-db: written"

    def _copy(self, name: str) -> BatonFile:
        return BatonFile(Path(shutil.copy(self._file.path, self._directory / name)))

    def _some_entitlements(self) -> list[tuple[str, str]]:
        """The entitlement with the most grants of each resource type: verbs per entitlement cost a process each."""
        chosen: dict[str, tuple[int, str, str]] = {}
        for entitlement, resource in sorted(self._expected.entitlements.items()):
            held = sum(grant.entitlement == entitlement for grant in self._expected.grants.values())
            resource_type = resource.partition(":")[0]
            if resource_type not in chosen or held > chosen[resource_type][0]:
                chosen[resource_type] = (held, entitlement, resource)
        return [(entitlement, resource) for _, entitlement, resource in chosen.values()]


def same(what: str, found: Iterable[Any], wanted: Iterable[Any]) -> None:
    """Compare two collections as sorted lists; a `Failure` lists what is lacking and what is too much."""
    found, wanted = sorted(found), sorted(wanted)
    if found == wanted:
        return
    lacking = [each for each in wanted if each not in found]
    surplus = [each for each in found if each not in wanted]
    raise Failure(
        f"{what}: {len(found)} found, {len(wanted)} expected; lacking {lacking[:10]}, not expected {surplus[:10]}"
    )


def _reference(resource_id: dict[str, str] | None) -> str | None:
    return f"{resource_id['resourceType']}:{resource_id['resource']}" if resource_id else None


def _resource_key(output: dict[str, Any]) -> str | None:
    return _reference(output["resource"]["id"])


def _pairs(rows: dict[str, str | None]) -> list[str]:
    return [f"{row} of {reference}" for row, reference in rows.items()]


def _of_type(entitlements: dict[str, str], resource_type: str) -> set[str]:
    return {each for each, resource in entitlements.items() if resource.startswith(f"{resource_type}:")}


def _counts(stats: dict[str, Any]) -> list[str]:
    """Counts as sortable text; protojson writes 64-bit numbers as strings and leaves zeros out."""
    counts = [f"{name}={int(stats.get(name, 0))}" for name in ("resourceTypes", "resources", "entitlements", "grants")]
    by_type = stats.get("resourcesByResourceType", {})
    return counts + [f"{name}: {int(count)}" for name, count in by_type.items() if int(count)]


def _expected_counts(content: Content) -> list[str]:
    return [
        f"resourceTypes={len(content.resources)}",
        f"resources={sum(map(len, content.resources.values()))}",
        f"entitlements={len(content.entitlements)}",
        f"grants={len(content.grants)}",
        *(f"{name}: {len(rows)}" for name, rows in content.resources.items() if rows),
    ]
