//! Names that look like settings and are none.

use crate::config::fault::Note;
use crate::config::field::{Field, fields};
use crate::text::{NAME, printable};

/// How alike two names must be for the one to be a slip of the pen of the other, 0 to 1.
const ALIKE: f64 = 0.85;

/// What is worth saying of a variable that begins like one of ours and is none. Kubernetes makes variables of the
/// Services of a namespace; of those nothing is said.
pub(super) fn variable(name: &str, value: &str) -> Option<Note> {
    if is_service_link(name, value) {
        return None;
    }
    let known = fields().map(Field::variable).filter(|known| known.starts_with("BATON_"));
    Some(Note::warning(format!(
        "{} is no setting and has no effect{}",
        printable(name, NAME),
        meant(name, known)
    )))
}

/// The name that a slip of the pen was meant to be, as the end of a sentence; empty where none is near.
pub(super) fn meant(name: &str, known: impl Iterator<Item = String>) -> String {
    let likeness = known.map(|known| (strsim::normalized_damerau_levenshtein(name, &known), known));
    match likeness.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((likeness, known)) if likeness >= ALIKE => format!("; {known} may be meant"),
        _ => String::new(),
    }
}

/// `<SERVICE>_SERVICE_HOST`, `<SERVICE>_SERVICE_PORT[_<NAME>]`, `<SERVICE>_PORT` with a URL, and
/// `<SERVICE>_PORT_<number>_<PROTOCOL>[_PROTO|_PORT|_ADDR]`.
fn is_service_link(name: &str, value: &str) -> bool {
    let protocols = ["tcp", "udp", "sctp"];
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") {
        return true;
    }
    if name.contains("_SERVICE_PORT_") {
        return value.bytes().all(|byte| byte.is_ascii_digit());
    }
    if name.ends_with("_PORT") && protocols.iter().any(|one| value.starts_with(&format!("{one}://"))) {
        return true;
    }
    let Some((_, rest)) = name.split_once("_PORT_") else { return false };
    let mut parts = rest.split('_');
    let number =
        parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let protocol = parts.next().is_some_and(|part| protocols.contains(&part.to_ascii_lowercase().as_str()));
    let what = parts.next().is_none_or(|part| ["PROTO", "PORT", "ADDR"].contains(&part));
    number && protocol && what && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_told_with_the_nearest_name() {
        for (name, meant) in [
            ("BATON_PROTECTED_PRINCIPAL", "BATON_PROTECTED_PRINCIPALS"),
            ("BATON_PROTECTED_POLICY", "BATON_PROTECTED_POLICIES"),
            ("BATON_EXTERNALID", "BATON_EXTERNAL_ID"),
            ("BATON_GLOBAL_AWS_ORG_ENABLED", "BATON_GLOBAL_AWS_ORGS_ENABLED"),
        ] {
            let note = variable(name, "canary").unwrap();
            assert!(note.is_warning && !note.message.contains("canary"), "{note:?}");
            assert_eq!(note.message, format!("{name} is no setting and has no effect; {meant} may be meant"));
        }
        let odd = variable("BATON_X\n\u{1b}[31m", "").unwrap().message;
        assert_eq!(odd, r"BATON_X \u{1b}[31m is no setting and has no effect");
    }

    #[test]
    fn the_variables_that_kubernetes_makes_of_services_are_silent() {
        for (name, value) in [
            ("BATON_SERVICE_HOST", "10.0.0.1"),
            ("BATON_AWS_SERVICE_PORT", "9090"),
            ("BATON_SERVICE_PORT_METRICS", "9090"),
            ("BATON_METRICS_PORT", "tcp://10.0.0.1:9090"),
            ("BATON_METRICS_PORT_9090_TCP", "tcp://10.0.0.1:9090"),
            ("BATON_METRICS_PORT_9090_TCP_PROTO", "tcp"),
            ("BATON_METRICS_PORT_9090_UDP_ADDR", "10.0.0.1"),
        ] {
            assert_eq!(variable(name, value), None, "{name}");
        }
        assert!(variable("BATON_HEALTH_PORT", "8081").is_some(), "a number is no address of a Service");
        assert!(variable("BATON_X_PORT_9090_TCP_NAME", "x").is_some());
    }
}
