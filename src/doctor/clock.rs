//! Whether this host's clock is right.

use super::finding::{Finding, Severity};
use crate::aws::Aws;
use crate::config::AwsSettings;
use crate::connector::Connector;

const CHECK: &str = "clock";
/// AWS takes no request whose signature is further off, in seconds.
const REFUSED: u64 = 300;
/// Worth a word: times in the log and in a sync are off by as much, in seconds.
const ODD: u64 = 30;

pub(super) async fn examine(settings: &AwsSettings, connector: Option<&Connector>) -> Option<Finding> {
    let ahead = match connector {
        Some(connector) => connector.aws().clock_ahead().await.ok(),
        None => Aws::clock_ahead_outside(settings).await.ok(),
    };
    // Without credentials or a way there is no answer; the identity says so.
    match ahead? {
        Some(ahead) => Some(judge(ahead.as_secs())),
        None => Some(Finding::new(Severity::Unchecked, CHECK, "the answers of STS tell no time")),
    }
}

fn judge(ahead: i64) -> Finding {
    let off = ahead.unsigned_abs();
    let direction = if ahead < 0 { "behind" } else { "ahead of" };
    let what = format!("this host's clock is {off} s {direction} that of AWS");
    let next = "set the node's clock by NTP";
    match off {
        REFUSED.. => Finding::new(Severity::Error, CHECK, what)
            .why("AWS takes no request that is signed more than 300 s off")
            .next(next),
        ODD.. => Finding::new(Severity::Warning, CHECK, what)
            .why("times in logs and syncs are off, and more drift ends all access")
            .next(next),
        _ => Finding::ok(CHECK, "this host's clock is that of AWS"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_aws_bears() {
        for (ahead, severity, words) in [
            (0, Severity::Ok, "is that of AWS"),
            (-29, Severity::Ok, "is that of AWS"),
            (30, Severity::Warning, "30 s ahead of"),
            (-299, Severity::Warning, "299 s behind"),
            (300, Severity::Error, "300 s ahead of"),
            (i64::MIN, Severity::Error, "behind"),
        ] {
            let finding = judge(ahead);
            assert_eq!(finding.severity, severity, "{ahead}");
            assert!(finding.what.contains(words), "{}", finding.what);
        }
    }
}
