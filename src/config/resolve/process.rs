//! Settings of the process: its name, its control plane, its probes, its log.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::{Host, collector};
use crate::config::field::{control_plane as fields, operating};
use crate::config::read::Reader;
use crate::config::{ControlPlaneSettings, DaemonSettings, LogFormat, LogSettings};

pub(super) fn host_id(reader: &mut Reader, host: &Host) -> String {
    let fallback = || if host.name.is_empty() { "baton-sdk".to_owned() } else { host.name.clone() };
    let id = reader.text(&fields::HOST_ID).unwrap_or_else(fallback);
    if id.chars().count() > 256 || id.chars().any(char::is_control) {
        reader.refuse(&fields::HOST_ID, "must be 1 to 256 printable characters");
    }
    id
}

pub(super) fn control_plane(reader: &mut Reader) -> Option<ControlPlaneSettings> {
    let api_host = reader.text(&fields::C1_API_HOST).and_then(|text| match text.parse() {
        Ok(authority) => Some(authority),
        Err(error) => {
            reader.refuse(&fields::C1_API_HOST, &format!("must be <host>[:port]: {error}"));
            None
        }
    });
    let client_id = reader.text(&fields::CLIENT_ID).and_then(|text| match text.parse() {
        Ok(id) => Some(id),
        Err(error) => {
            reader.refuse(&fields::CLIENT_ID, &format!("{error}"));
            None
        }
    });
    let client_secret =
        reader.secret(&fields::CLIENT_SECRET).and_then(|text| match text.expose_secret().parse() {
            Ok(secret) => Some(secret),
            Err(error) => {
                let error: crate::config::ClientSecretError = error;
                reader.fault(&fields::CLIENT_SECRET, error.to_string());
                None
            }
        });
    Some(ControlPlaneSettings { client_id: client_id?, client_secret: client_secret?, api_host })
}

pub(super) fn daemon(reader: &mut Reader) -> DaemonSettings {
    let concurrency = reader.number(&fields::TASK_CONCURRENCY, 1..=100, "must be 1 to 100 tasks");
    let address = probe_address(reader);
    DaemonSettings {
        task_concurrency: usize::try_from(concurrency).unwrap_or(1),
        health: reader.switch(&fields::HEALTH_CHECK).then_some(address),
        metrics: metrics_address(reader),
        shutdown_grace: reader.duration(&fields::SHUTDOWN_GRACE_PERIOD).unwrap_or_default(),
        get_tasks: reader.switch(&fields::GET_TASKS),
    }
}

fn metrics_address(reader: &mut Reader) -> Option<SocketAddr> {
    let address = reader.text(&operating::METRICS_ADDRESS)?.parse().ok();
    if address.is_none() {
        reader.refuse(
            &operating::METRICS_ADDRESS,
            "must be an IP address with a port, such as 0.0.0.0:9090 or [::]:9090",
        );
    }
    address
}

pub(super) fn probe_address(reader: &mut Reader) -> SocketAddr {
    let port = reader.number(&fields::HEALTH_CHECK_PORT, 0..=65535, "must be a port, 0 to 65535");
    let address = match reader.text(&fields::HEALTH_CHECK_BIND_ADDRESS).as_deref() {
        None | Some("localhost") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some(text) => text.parse().ok(),
    };
    if address.is_none() {
        reader
            .refuse(&fields::HEALTH_CHECK_BIND_ADDRESS, "must be an IP address such as 127.0.0.1 or 0.0.0.0");
    }
    SocketAddr::new(
        address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        u16::try_from(port).unwrap_or_default(),
    )
}

/// Unknown levels and formats are survivable: they are said, and the incumbent's fallback holds.
pub(super) fn log(reader: &mut Reader, host: &Host) -> LogSettings {
    let level = match reader.text(&operating::LOG_LEVEL).unwrap_or_default().to_ascii_lowercase().as_str() {
        "debug" => tracing::Level::DEBUG,
        "info" => tracing::Level::INFO,
        "warn" => tracing::Level::WARN,
        "error" | "dpanic" | "panic" | "fatal" => tracing::Level::ERROR,
        _ => {
            reader.warn(&operating::LOG_LEVEL, "is none of debug, info, warn and error; info is used");
            tracing::Level::INFO
        }
    };
    let format = match reader.text(&operating::LOG_FORMAT).as_deref() {
        None if host.is_terminal => LogFormat::Console,
        Some("console") => LogFormat::Console,
        None | Some("json") => LogFormat::Json,
        Some(_) => {
            reader.warn(&operating::LOG_FORMAT, "is neither json nor console; json is used");
            LogFormat::Json
        }
    };
    let paths = reader.list(&operating::LOG_PATH).into_iter().map(Into::into).collect();
    let debug_until = debug_until(reader, level);
    LogSettings { level, debug_until, format, paths, collector: collector::resolve(reader) }
}

fn debug_until(reader: &mut Reader, level: tracing::Level) -> Option<Timestamp> {
    let field = &operating::LOG_LEVEL_DEBUG_EXPIRES_AT;
    let until = reader.text(field)?.parse().ok();
    match until {
        None => reader.refuse(field, "must be a time such as 2026-01-02T03:04:05Z"),
        Some(_) if level != tracing::Level::DEBUG => {
            reader.inform(field, "has no effect: the level is not debug");
        }
        Some(_) => return until,
    }
    None
}
