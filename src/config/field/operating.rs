//! Settings of the process itself.

use super::{Export, Field, Kind, Support, list, number, path, section, switch, text};

section! { "Operating";
    LOG_LEVEL = Field::new("log-level", Kind::Choice(&["debug", "info", "warn", "error"]), "Least severe level to log")
        .default("info").export(Export::Common);
    LOG_FORMAT = Field::new("log-format", Kind::Choice(&["json", "console"]),
        "Shape of the log; unset, console if standard output is a terminal, else json");
    LOG_PATH = list("log-path", "Files to log to in place of standard error");
    METRICS_ADDRESS = text("metrics-address",
        "Address, such as 0.0.0.0:9090, on which a daemon shows metrics at /metrics; off if unset");
    C1Z_TEMP_DIR = path("c1z-temp-dir", "Existing directory for unfinished files; $BATON_TMPDIR, else the system's").hidden();
    TMPDIR = path("tmpdir", "Directory for unfinished files where --c1z-temp-dir is not set").variable_only();
    CONFIG_PATH = path("config-path", "Settings file (YAML, keys are flag names) in place of ./.baton.yaml").variable_only();
    AUTH_METHOD = text("auth-method", "Group of settings to use")
        .support(Support::Accepted("this connector has one way to authenticate"));
    LOG_LEVEL_DEBUG_EXPIRES_AT = text("log-level-debug-expires-at", "When debug logging ends")
        .export(Export::Common).support(Support::Accepted("only hosted connectors read it"));
    SESSION_STORE_MAXIMUM_SIZE = number("session-store-maximum-size", "15728640", "Bytes of the cache within a sync")
        .hidden().export(Export::Common).support(Support::Accepted("there is no such cache"));
    OTEL_COLLECTOR_ENDPOINT = text("otel-collector-endpoint", "OpenTelemetry collector (gRPC)")
        .export(Export::Common).support(Support::Accepted(OTEL));
    OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH = path("otel-collector-endpoint-tls-cert-path", "CA file of the collector")
        .hidden().export(Export::Common).support(Support::Accepted(OTEL));
    OTEL_COLLECTOR_ENDPOINT_TLS_CERT = text("otel-collector-endpoint-tls-cert",
        "CA of the collector, base64url of PEM").hidden().export(Export::Common).support(Support::Accepted(OTEL));
    OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE = switch("otel-collector-endpoint-tls-insecure",
        "Speak to the collector without TLS").hidden().export(Export::Common).support(Support::Accepted(OTEL));
    OTEL_TRACING_DISABLED = switch("otel-tracing-disabled", "Send no traces")
        .hidden().export(Export::Common).support(Support::Accepted(OTEL));
    OTEL_LOGGING_DISABLED = switch("otel-logging-disabled", "Send no logs")
        .hidden().export(Export::Common).support(Support::Accepted(OTEL));
}

const OTEL: &str = "OpenTelemetry export is not built yet: no traces or logs are sent";
