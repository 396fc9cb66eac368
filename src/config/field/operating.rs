//! Settings of the process itself.

use super::{Export, Field, Kind, Support, list, number, path, section, switch, text};

section! { "Operating";
    LOG_LEVEL = Field::new("log-level", Kind::Choice(&["debug", "info", "warn", "error"]), "Least severe level to log")
        .default("info").export(Export::Common("The log level: debug, info, warn, error"));
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
    LOG_LEVEL_DEBUG_EXPIRES_AT = text("log-level-debug-expires-at",
        "When a log level of debug ends and info begins, such as 2026-01-02T03:04:05Z").export(Export::Common("The timestamp indicating when debug-level logging should expire"));
    SESSION_STORE_MAXIMUM_SIZE = number("session-store-maximum-size", "15728640", "Bytes of the cache within a sync")
        .hidden().export(Export::Common("The maximum size of the local in-memory session store cache in bytes.")).support(Support::Accepted("there is no such cache"));
    OTEL_COLLECTOR_ENDPOINT = text("otel-collector-endpoint", "OpenTelemetry collector (gRPC, host:port) that gets traces and the log")
        .export(Export::Common("The endpoint of the OpenTelemetry collector to send observability data to (used for both tracing \
        and logging if specific endpoints are not provided)"));
    OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH = path("otel-collector-endpoint-tls-cert-path", "Certificates (PEM) to trust for the collector in place of the system's")
        .hidden().export(Export::Common("Path to a file containing a PEM-encoded certificate to use as a CA for TLS connections to the \
        OpenTelemetry collector"));
    OTEL_COLLECTOR_ENDPOINT_TLS_CERT = text("otel-collector-endpoint-tls-cert",
        "The same as a value: base64url without padding of the PEM").hidden().export(Export::Common("A PEM-encoded certificate to use as a CA for TLS connections to the OpenTelemetry collector"));
    OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE = switch("otel-collector-endpoint-tls-insecure",
        "Speak to the collector without TLS").hidden().export(Export::Common("Allow insecure connections to the OpenTelemetry collector"));
    OTEL_TRACING_DISABLED = switch("otel-tracing-disabled", "Send no traces; of effect only together with otel-logging-disabled")
        .hidden().export(Export::Common("Disable OpenTelemetry tracing"));
    OTEL_LOGGING_DISABLED = switch("otel-logging-disabled", "Send no logs; of effect only together with otel-tracing-disabled")
        .hidden().export(Export::Common("Disable OpenTelemetry logging"));
}
