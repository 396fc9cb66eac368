//! What a finished sync says: a table on a terminal, log lines elsewhere.

use std::fmt::Write as _;

use crate::sync::{Incomplete, Report};
use crate::text::{self, printable};

/// Parts that are incomplete and are listed one by one in the table.
const LISTED: usize = 1000;

/// Logs the report.
pub(super) fn log(report: &Report) {
    for (kind, counts) in &report.types {
        tracing::info!(
            resource_type = kind,
            resources = counts.resources,
            entitlements = counts.entitlements,
            grants = counts.grants,
            "synced"
        );
    }
    for incomplete in &report.incomplete {
        tracing::warn!(
            scope = incomplete.scope,
            reason = incomplete.reason,
            "a part of the sync is incomplete"
        );
    }
    for (area, coverage) in &report.completeness {
        tracing::info!(area = %area, whole = coverage.whole, incomplete = coverage.incomplete, "read");
    }
    let (rows, calls) = (report.total(), report.calls.total());
    let missing = report.incomplete.len();
    macro_rules! tell {
        ($level:ident, $($message:tt)+) => {
            tracing::$level!(
                sync_id = report.sync_id,
                file = %report.file.display(),
                bytes = report.bytes,
                decoded_bytes = report.decoded,
                resources = rows.resources,
                entitlements = rows.entitlements,
                grants = rows.grants,
                grants_expanded = report.expanded,
                calls = calls.calls,
                throttled = calls.throttled,
                errors = calls.errors,
                orphaned_assignments = report.orphans,
                busiest_quota = report.busiest().map(tracing::field::display),
                quota_floor = report.busiest().map(|used| used.floor().as_secs_f64()),
                incomplete = missing,
                duration = report.elapsed.as_secs_f64(),
                $($message)+
            )
        };
    }
    if missing == 0 {
        tell!(info, "sync complete");
    } else {
        tell!(warn, "sync incomplete: {missing} parts could not be read");
    }
}

/// The closing table.
pub(super) fn table(report: &Report) -> String {
    let total = report.total();
    let mut rows = vec![["", "resources", "entitlements", "grants"].map(str::to_owned)];
    for (kind, counts) in &report.types {
        rows.push([kind.clone(), count(counts.resources), count(counts.entitlements), count(counts.grants)]);
    }
    rows.push(["total".to_owned(), count(total.resources), count(total.entitlements), count(total.grants)]);

    let mut text = aligned(&rows);
    let _ =
        writeln!(text, "Of these grants, {} come through membership in groups.\n", count(report.expanded));
    let mut rows = vec![["", "calls", "throttled", "errors"].map(str::to_owned)];
    for (service, counts) in by_service(report) {
        rows.push([service, count(counts.0), count(counts.1), count(counts.2)]);
    }
    text.push_str(&aligned(&rows));
    if let Some(used) = report.busiest() {
        let _ = writeln!(
            text,
            "{used} is the busiest quota: {} calls take {:.1} s at {} per second.",
            count(used.calls),
            used.floor().as_secs_f64(),
            used.per_second
        );
    }
    for used in report.saturation.iter().filter(|used| used.throttled > 0) {
        let _ = writeln!(text, "AWS throttled {used} {} times.", count(used.throttled));
    }
    text.push('\n');
    let mut rows = vec![["", "read whole", "incomplete"].map(str::to_owned)];
    for (area, coverage) in &report.completeness {
        rows.push([area.to_string(), count(coverage.whole), count(coverage.incomplete)]);
    }
    text.push_str(&aligned(&rows));
    if report.orphans > 0 {
        let _ = writeln!(
            text,
            "{} assignments are left out: their users or groups are gone from the directory.",
            count(report.orphans)
        );
    }
    for action in &report.cheaper {
        let _ = writeln!(text, "{action} would make the sync cheaper.");
    }

    let _ = write!(
        text,
        "\n{} ({}, {} unpacked) in {:.1} s, sync {}\n",
        report.file.display(),
        indicatif::HumanBytes(report.bytes),
        indicatif::HumanBytes(report.decoded),
        report.elapsed.as_secs_f64(),
        report.sync_id
    );
    if report.incomplete.is_empty() {
        text.push_str("Nothing is missing.\n");
    } else {
        let parts = report.incomplete.len();
        let _ = writeln!(text, "Incomplete, {parts} parts could not be read:");
        for Incomplete { scope, reason } in report.incomplete.iter().take(LISTED) {
            let _ = writeln!(text, "  {}", printable(&format!("{scope}: {reason}"), text::MESSAGE));
        }
        if parts > LISTED {
            let _ = writeln!(text, "  and {} more", parts - LISTED);
        }
    }
    text
}

/// Calls, throttled replies and errors of each service.
fn by_service(report: &Report) -> Vec<(String, (u64, u64, u64))> {
    let mut services = std::collections::BTreeMap::<_, (u64, u64, u64)>::new();
    for ((service, _), counts) in &report.calls.operations {
        let sum = services.entry(*service).or_default();
        *sum = (sum.0 + counts.calls, sum.1 + counts.throttled, sum.2 + counts.errors);
    }
    services.into_iter().map(|(service, sum)| (service.to_string(), sum)).collect()
}

fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// Columns of equal width; the first reads from the left, numbers from the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    });
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;
    use crate::aws::{Counts, Saturation, Service, Stats};
    use crate::sync::TypeCounts;
    use crate::sync::completeness::{Area, Coverage};
    use crate::sync::seal::Dropped;

    fn report() -> Report {
        let counts = |calls| Counts { calls, throttled: 1, errors: 0 };
        let operations = [
            ((Service::SsoAdmin, "ListAccountAssignments"), counts(1200)),
            ((Service::SsoAdmin, "ListPermissionSets"), counts(2)),
            ((Service::IdentityStore, "ListUsers"), counts(5)),
        ];
        Report {
            sync_id: "2abc".to_owned(),
            file: "sync.c1z".into(),
            bytes: 2048,
            decoded: 4096,
            sha256: [0; 32],
            types: BTreeMap::from([
                ("account".to_owned(), TypeCounts { resources: 50, entitlements: 1000, grants: 20_145 }),
                ("sso_user".to_owned(), TypeCounts { resources: 500, entitlements: 0, grants: 0 }),
            ]),
            accounts: BTreeMap::new(),
            entered: BTreeSet::new(),
            refused: BTreeSet::new(),
            expanded: 19_000,
            dropped: Dropped::default(),
            calls: Stats { operations: BTreeMap::from(operations), in_flight: 0 },
            saturation: vec![Saturation {
                service: Service::SsoAdmin,
                operation: None,
                account: Some("111111111111".parse().unwrap()),
                calls: 1202,
                throttled: 3,
                per_second: 20.0,
                burst: 2.0,
                slowed: true,
            }],
            completeness: BTreeMap::from([(Area::Accounts, Coverage { whole: 49, incomplete: 1 })]),
            incomplete: Vec::new(),
            cheaper: vec!["iam:GetAccountAuthorizationDetails".to_owned()],
            orphans: 2,
            elapsed: Duration::from_millis(2340),
        }
    }

    #[test]
    fn the_table_counts_rows_by_type_and_calls_by_service() {
        let table = table(&report());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "          resources  entitlements  grants");
        assert_eq!(lines[1], "account          50         1,000  20,145");
        assert_eq!(lines[3], "total           550         1,000  20,145");
        let service = format!("{} ", Service::SsoAdmin);
        let calls = lines.iter().find(|line| line.starts_with(&service)).unwrap();
        assert_eq!(calls.split_whitespace().skip(1).collect::<Vec<_>>(), ["1,202", "2", "0"]);
        assert!(table.contains("sync.c1z (2.00 KiB, 4.00 KiB unpacked) in 2.3 s, sync 2abc"), "{table}");
        assert!(table.ends_with("Nothing is missing.\n"), "{table}");
    }

    #[test]
    fn the_table_names_the_busiest_quota_and_who_was_throttled() {
        let table = table(&report());
        let busiest = "sso in 111111111111 is the busiest quota: 1,202 calls take 60.0 s at 20 per second.";
        assert!(table.contains(busiest), "{table}");
        assert!(table.contains("AWS throttled sso in 111111111111 3 times."), "{table}");
    }

    #[test]
    fn the_table_says_what_was_read_whole_and_what_was_left_out() {
        let table = table(&report());
        let accounts = table.lines().find(|line| line.starts_with("accounts")).unwrap();
        assert_eq!(accounts.split_whitespace().collect::<Vec<_>>(), ["accounts", "49", "1"]);
        assert!(table.contains("\n2 assignments are left out"), "{table}");
        assert!(table.contains("iam:GetAccountAuthorizationDetails would make the sync cheaper"), "{table}");
    }

    #[test]
    fn what_is_incomplete_is_told_with_its_reason() {
        let missing =
            |scope: &str| Incomplete { scope: scope.to_owned(), reason: "access denied".to_owned() };
        let shown = table(&Report { incomplete: vec![missing("organizational units")], ..report() });
        let end = "Incomplete, 1 parts could not be read:\n  organizational units: access denied\n";
        assert!(shown.ends_with(end), "{shown}");
        let shown = table(&Report { incomplete: vec![missing("a\n\u{1b}[2J"); 100_000], ..report() });
        assert!(shown.contains("\n  a \\u{1b}[2J: access denied\n"), "{shown}");
        assert!(shown.ends_with(": access denied\n  and 99000 more\n") && shown.lines().count() < 1100);
    }
}
