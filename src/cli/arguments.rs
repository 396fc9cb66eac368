//! The arguments of the process, declared from the table of settings.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Arg, ArgAction, ArgMatches};
use secrecy::SecretString;

use super::doctor::Visit;
use super::health_check::Probe;
use super::policy::{Format, Wish};
use crate::config::{Field, Flags, Kind, SECTIONS, Support, fields};
use crate::connector::policy::Role;
use crate::daemon::LogOrder;
use crate::doctor::Severity;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) command: Command,
    pub(super) flags: Flags,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Command {
    /// Serve the control plane, or carry out the one operation.
    Run,
    /// Print the settings as a form.
    Config,
    /// Print what the connector can do.
    Capabilities,
    /// Ask a running daemon how it is.
    HealthCheck(Probe),
    /// Change the log of a running daemon.
    LogLevel(LogOrder),
    /// Print what a role must be allowed.
    Policy(Wish),
    /// Look over the set-up.
    Doctor(Visit),
}

impl Arguments {
    /// Parses; the error is also how help and version come out.
    pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = command().try_get_matches_from(arguments)?;
        let (command, matches) = match matches.subcommand() {
            Some(("config", matches)) => (Command::Config, matches),
            Some(("capabilities", matches)) => (Command::Capabilities, matches),
            Some(("health-check", matches)) => (Command::HealthCheck(probe(matches)), matches),
            Some(("log-level", matches)) => (Command::LogLevel(log_order(matches)), matches),
            Some(("policy", matches)) => (Command::Policy(wish(matches)), matches),
            Some(("doctor", matches)) => (Command::Doctor(visit(matches)), matches),
            _ => (Command::Run, &matches),
        };
        Ok(Self { command, flags: flags(matches) })
    }
}

fn flags(matches: &ArgMatches) -> Flags {
    fields()
        .filter(|field| field.is_flag())
        .filter_map(|field| {
            let values = matches.get_many::<String>(field.name)?;
            Some((field.name, values.map(|value| SecretString::from(value.as_str())).collect()))
        })
        .collect()
}

fn probe(matches: &ArgMatches) -> Probe {
    let endpoint = matches.get_one::<String>("endpoint").cloned().unwrap_or_default();
    let seconds = matches.get_one::<u64>("timeout").copied().unwrap_or_default();
    Probe { endpoint, timeout: Duration::from_secs(seconds) }
}

fn log_order(matches: &ArgMatches) -> LogOrder {
    let time = matches.get_one::<Duration>("for").copied().unwrap_or_default();
    match matches.get_one::<String>("level").and_then(|level| level.parse().ok()) {
        Some(level) => LogOrder::For(level, time),
        None => LogOrder::Reset,
    }
}

fn wish(matches: &ArgMatches) -> Wish {
    let word = |name| matches.get_one::<String>(name).map_or("", String::as_str);
    Wish {
        role: match word("for") {
            "base" => Role::Base,
            "binding" => Role::Binding,
            "member" => Role::Member,
            _ => Role::Main,
        },
        format: match word("format") {
            "terraform" => Format::Terraform,
            "cloudformation" => Format::CloudFormation,
            _ => Format::Json,
        },
        on_management: matches.get_flag("management-account"),
    }
}

fn visit(matches: &ArgMatches) -> Visit {
    let word = |name| matches.get_one::<String>(name).map_or("", String::as_str);
    Visit {
        json: word("output") == "json",
        fail_on: match word("fail-on") {
            "warning" => Severity::Warning,
            "unchecked" => Severity::Unchecked,
            _ => Severity::Error,
        },
    }
}

/// A time of 1 s to 24 h, in whole seconds.
fn time(text: &str) -> Result<Duration, &'static str> {
    const ACCEPTED: &str = "must be 1s to 24h, with units";
    let time: jiff::SignedDuration = text.parse().map_err(|_| ACCEPTED)?;
    let seconds = u64::try_from(time.as_secs()).map_err(|_| ACCEPTED)?;
    if (1..=24 * 60 * 60).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(ACCEPTED) }
}

fn command() -> clap::Command {
    let mut command = clap::Command::new("batond")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER)
        .override_usage("batond [FLAGS]\n       batond <COMMAND>")
        .subcommand_help_heading("Commands")
        .args_override_self(true)
        .styles(
            Styles::styled()
                .header(AnsiColor::Green.on_default().bold())
                .literal(AnsiColor::Cyan.on_default()),
        )
        .max_term_width(110)
        .subcommands([
            plain("config", "Print the settings as a form (JSON)"),
            plain("capabilities", "Print what this connector can do (JSON)"),
            plain("health-check", "Ask a running daemon how it is; silent and 0 if well")
                .help_template(
                    "{about}\n\n{usage-heading} {usage}\n\n      --endpoint <NAME>    health (default), ready or live\n      \
                     --timeout <SECONDS>  Longest time to wait for the answer, 5 by default\n\nThe address is that of \
                     --health-check-bind-address and --health-check-port.",
                )
                .arg(
                    Arg::new("endpoint")
                        .long("endpoint")
                        .value_name("NAME")
                        .value_parser(["health", "ready", "live"])
                        .default_value("health"),
                )
                .arg(
                    Arg::new("timeout")
                        .long("timeout")
                        .value_name("SECONDS")
                        .value_parser(clap::value_parser!(u64).range(1..=3600))
                        .default_value("5"),
                ),
            plain("log-level", "Change the level of a running daemon's log for a time")
                .help_template(
                    "{about}\n\nUsage: batond log-level <LEVEL> [--for <DURATION>]\n\n      <LEVEL>           debug, \
                     info, warn, error, or reset for that of the settings\n      --for <DURATION>  How long, 1s to 24h; \
                     15m by default\n\nThe daemon is found by its work directory: --c1z-temp-dir.",
                )
                .arg(
                    Arg::new("level")
                        .required(true)
                        .value_name("LEVEL")
                        .value_parser(["debug", "info", "warn", "error", "reset"]),
                )
                .arg(
                    Arg::new("for")
                        .long("for")
                        .value_name("DURATION")
                        .value_parser(time)
                        .default_value("15m"),
                ),
            plain("policy", "Print the IAM policies that the settings need")
                .help_template(
                    "{about}\n\n{usage-heading} {usage}\n\n      --for <ROLE>           role (default), the one that \
                     the work is done as; base, the\n                             pod's own; binding, the first of two \
                     hops; member, the one in\n                             each member account\n      \
                     --format <FORMAT>      json (default), terraform or cloudformation\n      \
                     --management-account   Assignments on the management account are changed, too\n\nThe settings \
                     are read as for a run: what they switch on is allowed, nothing else.",
                )
                .arg(
                    Arg::new("for")
                        .long("for")
                        .value_name("ROLE")
                        .value_parser(["base", "binding", "role", "member"])
                        .default_value("role"),
                )
                .arg(
                    Arg::new("format")
                        .long("format")
                        .value_name("FORMAT")
                        .value_parser(["json", "terraform", "cloudformation"])
                        .default_value("json"),
                )
                .arg(Arg::new("management-account").long("management-account").action(ArgAction::SetTrue)),
            plain("doctor", "Look over the whole set-up; changes nothing")
                .help_template(
                    "{about}\n\n{usage-heading} {usage}\n\n      --output <FORMAT>     text (default) or json\n      \
                     --fail-on <SEVERITY>  error (default), warning or unchecked: from there on the\n                            \
                     exit code is 9, else 0\n\nThe settings are read as for a run. Reads are tried by harmless calls, \
                     writes are asked\nfor with iam:SimulatePrincipalPolicy.",
                )
                .arg(
                    Arg::new("output")
                        .long("output")
                        .value_name("FORMAT")
                        .value_parser(["text", "json"])
                        .default_value("text"),
                )
                .arg(
                    Arg::new("fail-on")
                        .long("fail-on")
                        .value_name("SEVERITY")
                        .value_parser(["error", "warning", "unchecked"])
                        .default_value("error"),
                ),
        ]);
    for section in SECTIONS {
        for field in section.fields.iter().filter(|field| field.is_flag()) {
            command = command.arg(argument(field, section.title));
        }
    }
    command
}

fn plain(name: &'static str, about: &'static str) -> clap::Command {
    clap::Command::new(name).about(about).args_override_self(true).help_template(
        "{about}\n\n{usage-heading} {usage}\n\nEvery flag of batond is accepted; see batond --help.",
    )
}

fn argument(field: &'static Field, heading: &'static str) -> Arg {
    let arg = Arg::new(field.name)
        .long(field.name)
        .help(help(field))
        .help_heading(heading)
        .hide(field.hidden || field.support != Support::Built)
        .global(true);
    let arg = match field.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    match field.kind {
        Kind::Switch => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("true|false")
            .hide_possible_values(true),
        // No hyphen: what follows may be another flag.
        Kind::LooseSwitch => arg.num_args(0..=1).default_missing_value("true").value_name("true|false"),
        Kind::List => arg.action(ArgAction::Append).value_name("LIST").allow_hyphen_values(true),
        Kind::Number => arg.value_name("N").allow_hyphen_values(true),
        Kind::Path => arg.value_name("PATH").allow_hyphen_values(true),
        Kind::Duration => arg.value_name("DURATION").allow_hyphen_values(true),
        Kind::Choice(words) => arg.value_name(words.join("|")).allow_hyphen_values(true),
        Kind::Text | Kind::RandomText => arg.value_name("TEXT").allow_hyphen_values(true),
    }
}

/// The help of a flag: what it does, its default, its variable at the end.
fn help(field: &Field) -> String {
    let default = match field.default {
        "" | "false" => String::new(),
        default => format!(" [default: {default}]"),
    };
    format!("{}{default} (${})", field.help, field.variable())
}

const ABOUT: &str = "\
Connects an AWS organization to an access-governance control plane over the Baton protocol.

With --client-id it is a daemon: it serves the control plane until it is asked to stop. Without one it does \
one thing and ends: it syncs AWS into --file, or carries out --grant-entitlement (with --grant-principal and \
--grant-principal-type) or --revoke-grant on what an earlier sync wrote there. With --sync-interval and no \
client id it runs on and replaces --file.";

const AFTER: &str = "\
Flags come before environment variables, and those before the settings file: ./.baton.yaml, or what \
$BATON_CONFIG_PATH names, with flag names as keys. Lists are comma-separated; list flags add to the other sources.";

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::parse(std::iter::once("batond").chain(arguments.iter().copied()).map(OsString::from))
    }

    fn shown(arguments: &Arguments, name: &str) -> Vec<String> {
        arguments.flags[name].iter().map(|value| value.expose_secret().to_owned()).collect()
    }

    #[test]
    fn the_declaration_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn an_unknown_flag_is_refused_without_its_value() {
        for arguments in [
            &["--client-secrt=canary"][..],
            &["--client-secrt", "canary"],
            &["--task-concurrency=1", "--client-secret"],
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.use_stderr() && error.exit_code() == 2);
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_secret_on_the_command_line_never_shows_in_debug() {
        let arguments = parse(&["--client-secret", "canary"]).unwrap();
        assert!(!format!("{arguments:?}").contains("canary"));
        assert_eq!(shown(&arguments, "client-secret"), ["canary"]);
    }

    #[test]
    fn switches_take_an_optional_value_and_the_last_of_a_flag_wins() {
        let arguments =
            parse(&["-p", "--health-check=false", "--workers", "-1", "--workers=4", "-f", "x.c1z"]).unwrap();
        assert_eq!(shown(&arguments, "provisioning"), ["true"]);
        assert_eq!(shown(&arguments, "health-check"), ["false"]);
        assert_eq!(shown(&arguments, "workers"), ["4"]);
        assert_eq!(shown(&arguments, "file"), ["x.c1z"]);
        assert!(!arguments.flags.contains_key("role-arn"));
    }

    #[test]
    fn the_event_feed_is_a_switch_whose_word_may_stand_behind_it() {
        for (given, word) in [
            (&["--event-feed"][..], "true"),
            (&["--event-feed", "--event-feed-id", "x"], "true"),
            (&["--event-feed", "-f", "x.c1z"], "true"),
            (&["--event-feed", "true", "--event-feed-id", "x"], "true"),
            (&["--event-feed=false"], "false"),
            (&["--event-feed", "1"], "1"),
            (&["--event-feed="], ""),
            (&["--event-feed", "false", "--event-feed"], "true"),
        ] {
            assert_eq!(shown(&parse(given).unwrap(), "event-feed"), [word], "{given:?}");
        }
    }

    #[test]
    fn list_flags_keep_every_value() {
        let arguments =
            parse(&["--sync-resource-types", "account", "--sync-resource-types=sso_user,sso_group"]).unwrap();
        assert_eq!(shown(&arguments, "sync-resource-types"), ["account", "sso_user,sso_group"]);
    }

    #[test]
    fn flags_may_stand_before_and_after_a_command() {
        for arguments in
            [&["--health-check-port", "9", "health-check"][..], &["health-check", "--health-check-port=9"]]
        {
            let arguments = parse(arguments).unwrap();
            assert!(matches!(&arguments.command, Command::HealthCheck(probe) if probe.endpoint == "health"));
            assert_eq!(shown(&arguments, "health-check-port"), ["9"]);
        }
    }

    #[test]
    fn a_log_level_holds_for_a_quarter_of_an_hour_unless_said_otherwise() {
        let command = |arguments: &[&str]| parse(arguments).map(|arguments| arguments.command);
        let debug =
            |seconds| Command::LogLevel(LogOrder::For(tracing::Level::DEBUG, Duration::from_secs(seconds)));
        assert_eq!(command(&["log-level", "debug"]).unwrap(), debug(900));
        assert_eq!(command(&["log-level", "debug", "--for", "1h 1s"]).unwrap(), debug(3601));
        assert_eq!(command(&["log-level", "reset"]).unwrap(), Command::LogLevel(LogOrder::Reset));
        let role = Wish { role: Role::Main, format: Format::Json, on_management: false };
        assert_eq!(command(&["policy"]).unwrap(), Command::Policy(role));
        let member = Wish { role: Role::Member, format: Format::Terraform, on_management: true };
        assert_eq!(
            command(&["policy", "--for", "member", "--format", "terraform", "--management-account", "-p"])
                .unwrap(),
            Command::Policy(member)
        );
        let visit = Visit { json: false, fail_on: Severity::Error };
        assert_eq!(command(&["doctor"]).unwrap(), Command::Doctor(visit));
        let visit = Visit { json: true, fail_on: Severity::Unchecked };
        assert_eq!(
            command(&["doctor", "--output", "json", "--fail-on=unchecked"]).unwrap(),
            Command::Doctor(visit)
        );
        for refused in [&["log-level"][..], &["log-level", "loud"], &["log-level", "debug", "--for", "25h"]] {
            assert!(command(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn the_help_groups_what_is_built_and_ends_each_flag_with_its_variable() {
        let help = command().render_long_help().to_string();
        for section in SECTIONS.iter().filter(|section| section.title != "One-shot operations") {
            assert!(help.contains(&format!("{}:", section.title)), "{}", section.title);
        }
        for field in fields().filter(|field| field.is_flag()) {
            let is_shown = help.contains(&format!("(${})", field.variable()));
            assert_eq!(is_shown, !field.hidden && field.support == Support::Built, "{}", field.name);
        }
        assert!(help.lines().all(|line| line.chars().count() <= 110), "{help}");
    }
}
