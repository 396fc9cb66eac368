//! The lines that come out of the log.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::Level;

use super::*;
use crate::config::LogFormat;

/// Collects what is written.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `work` logs.
fn lines(level: Level, format: LogFormat, work: impl FnOnce()) -> Vec<String> {
    let captured = Captured::default();
    let settings = LogSettings { level, format, ..LogSettings::default() };
    tracing::subscriber::with_default(subscriber(&settings, captured.clone()), work);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

#[derive(Debug, thiserror::Error)]
#[error("sync failed")]
struct Outer(#[source] io::Error);

#[test]
fn a_json_line_has_the_known_keys_in_their_order_and_the_fields_of_its_spans() {
    let lines = lines(Level::INFO, LogFormat::Json, || {
        let span =
            tracing::info_span!("task", task_id = "t1", task_type = "grant", outcome = tracing::field::Empty);
        let _entered = span.enter();
        span.record("outcome", "ok");
        let error = Outer(io::Error::from_raw_os_error(28));
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            count = 3,
            ratio = 0.5,
            done = true,
            "task \"x\" failed"
        );
    });
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let keys = [
        "level",
        "ts",
        "caller",
        "msg",
        "task_id",
        "task_type",
        "outcome",
        "error",
        "count",
        "ratio",
        "done",
    ];
    let positions: Vec<_> = keys.iter().map(|key| line.find(&format!("\"{key}\":"))).collect();
    assert!(positions.is_sorted() && positions.iter().all(Option::is_some), "{line}");
    let value: Value = serde_json::from_str(line).unwrap();
    assert_eq!(value["level"], "warn");
    assert_eq!(value["msg"], "task \"x\" failed");
    assert_eq!(value["error"], "sync failed: No space left on device (os error 28)");
    assert_eq!((&value["count"], &value["ratio"], &value["done"]), (&3.into(), &0.5.into(), &true.into()));
    assert!(value["ts"].as_f64().unwrap() > 1.7e9);
    let caller = value["caller"].as_str().unwrap();
    assert!(caller.starts_with("telemetry/tests.rs:"), "{caller}");
}

#[test]
fn a_console_line_has_tabs_between_its_columns() {
    let lines = lines(Level::INFO, LogFormat::Console, || {
        tracing::info!(task_id = "t1", "started");
        tracing::info!("plain");
    });
    let columns: Vec<&str> = lines[0].split('\t').collect();
    assert_eq!(columns.len(), 5, "{lines:?}");
    assert!(columns[0].ends_with('Z') && columns[0].len() == "2026-01-01T00:00:00.000Z".len(), "{lines:?}");
    assert_eq!((columns[1], columns[3], columns[4]), ("INFO", "started", r#"{"task_id":"t1"}"#));
    assert_eq!(lines[1].split('\t').count(), 4);
}

#[test]
fn a_message_with_newlines_stays_one_json_line() {
    let lines = lines(Level::INFO, LogFormat::Json, || tracing::info!(text = "a\nb", "first\nsecond"));
    assert_eq!(lines.len(), 1);
}

#[test]
fn what_a_terminal_obeys_is_escaped_in_both_forms_and_json_keeps_the_value() {
    let name = "a\u{1b}[2J\u{9b}b\u{202e}c\u{e0041}\n";
    let emit = || tracing::info!(name, "seen {name}");
    for format in [LogFormat::Json, LogFormat::Console] {
        let lines = lines(Level::INFO, format, emit);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].chars().all(|c| c == '\t' || crate::text::is_printable(c)), "{lines:?}");
        assert!(lines[0].contains(r"\u202ec"), "{lines:?}");
    }
    let lines = lines(Level::INFO, LogFormat::Json, emit);
    let value: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&value["name"], &value["msg"]), (&name.into(), &format!("seen {name}").into()));
}

#[test]
fn a_long_text_is_cut_and_a_document_that_is_deleted_for_good_is_kept() {
    let text = "x".repeat(131_072);
    let lines = lines(Level::INFO, LogFormat::Json, || {
        tracing::info!(text, "{text}");
        tracing::info!(target: "audit::document", document = text, "kept");
    });
    assert!(lines[0].len() < 20_000 && lines[0].contains("... (122880 bytes more)"), "{}", lines[0].len());
    let value: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(value["document"], text.as_str());
}

#[test]
fn a_warning_that_one_place_repeats_is_cut_off_and_others_are_not() {
    let lines = lines(Level::INFO, LogFormat::Json, || {
        for id in 0..3000 {
            tracing::warn!(id, "unknown");
            tracing::info!(target: "audit", id, "granted");
        }
        tracing::warn!("another");
    });
    let of =
        |message: &str| lines.iter().filter(|line| line.contains(&format!("\"msg\":\"{message}\""))).count();
    assert_eq!((of("unknown"), of("granted"), of("another")), (1000, 3000, 1));
    let last = lines.iter().rfind(|line| line.contains("unknown")).unwrap();
    assert!(last.contains("further lines like this are left out"), "{last}");
}

#[test]
fn lines_below_the_level_and_chatter_of_libraries_are_left_out() {
    let emit = || {
        tracing::debug!("ours");
        tracing::info!("ours");
        tracing::info!(target: "hyper::client", "theirs");
        tracing::warn!(target: "hyper::client", "theirs");
    };
    assert_eq!(lines(Level::INFO, LogFormat::Json, emit).len(), 2);
    assert_eq!(lines(Level::DEBUG, LogFormat::Json, emit).len(), 3);
    assert_eq!(lines(Level::ERROR, LogFormat::Json, emit).len(), 0);
}

#[test]
fn what_a_library_says_is_not_told() {
    let emit = || {
        let error = io::Error::other("canary");
        tracing::warn!(target: concat!("aws_config", "::meta"), request = "canary", error = %error, "canary {}", "canary");
        tracing::error!(target: "opentelemetry_sdk", canary = ?error);
        tracing::warn!(target: concat!("aws_config", "::meta"), error = %error, "provider failed to provide credentials");
        tracing::warn_span!(target: "hyper::client", "canary", address = "canary")
            .in_scope(|| tracing::warn!("ours"));
    };
    let lines = lines(Level::DEBUG, LogFormat::Json, emit);
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(!lines.concat().contains("canary"), "{lines:?}");
    assert!(
        lines[0].contains(r#""library":"aws_config""#) && lines[0].contains("a library warns"),
        "{lines:?}"
    );
    assert!(lines[2].contains("provider failed to provide credentials"), "{lines:?}");
}

#[test]
fn a_line_names_its_task_at_every_level() {
    for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG] {
        let lines = lines(level, LogFormat::Json, || {
            let task =
                tracing::info_span!("task", otel.status_code = "OK", task_id = "t1", task_type = "grant");
            task.in_scope(|| tracing::error!("failed"));
        });
        let value: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!((&value["task_id"], &value["task_type"]), (&"t1".into(), &"grant".into()), "{level}");
        assert!(!lines[0].contains("otel"), "{lines:?}");
    }
}

#[test]
fn spans_of_libraries_and_details_of_ours_are_left_out() {
    let lines = lines(Level::WARN, LogFormat::Json, || {
        let theirs = tracing::info_span!(target: "hyper::client", "theirs", header = "x").entered();
        let detail = tracing::debug_span!("detail", part = "y").entered();
        tracing::warn!("ours");
        drop((detail, theirs));
    });
    assert!(!lines[0].contains("header") && !lines[0].contains("part"), "{lines:?}");
}

#[test]
fn an_audit_line_is_written_at_every_level() {
    let lines = lines(Level::ERROR, LogFormat::Json, || {
        tracing::info!(target: "audit::document", task_id = "t1", "kept");
        tracing::info!(target: "audit", task_id = "t1", "granted");
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, message) in lines.iter().zip(["kept", "granted"]) {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&value["logger"], &value["msg"]), (&"audit".into(), &message.into()));
    }
}

#[test]
fn lines_are_appended_to_the_files_of_the_settings() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first.log"), dir.path().join("second.log"));
    std::fs::write(&first, "before\n").unwrap();
    let captured = Captured::default();
    let outputs =
        output::open(&[first.clone(), second.clone(), "stderr".into()], Box::new(captured.clone())).unwrap();
    for mut output in outputs {
        output.write_all(b"line\n").unwrap();
    }
    assert_eq!(std::fs::read_to_string(first).unwrap(), "before\nline\n");
    assert_eq!(std::fs::read_to_string(second).unwrap(), "line\n");
    assert_eq!(captured.0.lock().unwrap().as_slice(), b"line\n");
}

#[test]
fn a_pipe_that_nobody_reads_does_not_hold_up_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut outputs = output::open(std::slice::from_ref(&pipe), Box::new(io::sink())).unwrap();
    outputs[0].write_all(b"line\n").unwrap();
    let mut reader = io::BufReader::new(std::fs::File::open(pipe).unwrap());
    let mut line = String::new();
    io::BufRead::read_line(&mut reader, &mut line).unwrap();
    assert_eq!(line, "line\n");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let error = output::open(&["/no/such/directory/x.log".into()], Box::new(io::sink())).err().unwrap();
    assert_eq!(error.to_string(), "BATON_LOG_PATH: cannot open /no/such/directory/x.log");
}

#[test]
fn the_summary_of_the_settings_tells_no_secret() {
    let canary = "canary-0123456789012345678901234567";
    let variables = [
        ("BATON_GLOBAL_AWS_ORGS_ENABLED", "true"),
        ("BATON_GLOBAL_AWS_SSO_ENABLED", "true"),
        ("BATON_ROLE_ARN", "arn:aws:iam::123456789012:role/baton"),
        ("BATON_EXTERNAL_ID", canary),
        ("BATON_GLOBAL_BINDING_EXTERNAL_ID", canary),
        ("BATON_GLOBAL_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("BATON_GLOBAL_SECRET_ACCESS_KEY", canary),
    ];
    let environment =
        crate::config::Environment::from_variables(variables.map(|(k, v)| (k.into(), v.into()))).unwrap();
    let raw = crate::config::RawSettings::gather(
        crate::config::Flags::new(),
        &environment,
        std::path::Path::new("/nowhere"),
    );
    let host = crate::config::Host { name: "pod-1".to_owned(), is_terminal: false };
    let (settings, _) = crate::config::Settings::resolve(raw.unwrap(), &host).unwrap();
    let lines = lines(Level::INFO, LogFormat::Json, || summarize(&settings));
    assert!(
        lines[0].contains("arn:aws:iam::123456789012:role/baton") && lines[0].contains("35 bytes"),
        "{lines:?}"
    );
    assert!(!lines[0].contains("canary"), "{lines:?}");
}
