//! `testbed control-plane`

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;
use testbed::control_plane::{Options, Replay, Scenario, Server};

/// How long a connector has to read the last answer.
const LAST_ANSWER: Duration = Duration::from_millis(300);

/// Serve a Baton control plane that plays a scenario.
///
/// Listens on one TLS port of 127.0.0.1 for token requests and for the Baton service, hands out the tasks of the
/// scenario one after the other, holds every request to the bounds of the protocol, and ends with the scenario: exit
/// code 0 if all tasks ended as expected and nothing broke the protocol, else 1. A connector needs the variables
/// that are printed at start; they also stand in DIRECTORY/env, to be read by a shell:
///
///   (set -a; . DIRECTORY/env; exec batond --provisioning)
#[derive(Debug, ClapArgs)]
#[command(after_long_help = SCENARIOS)]
pub(crate) struct Args {
    /// The scenario. Without one: a hello and a full sync.
    #[arg(long)]
    scenario: Option<PathBuf>,

    /// The transcript.jsonl of an earlier run: its tasks are handed out again, at the distances of then, after the
    /// steps of the scenario if there is one, and each shall end as it did.
    #[arg(long)]
    replay: Option<PathBuf>,

    /// Divides what the server tells about time, leases, waits, outages and the distances of a replay.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    faster: u32,

    /// Where ca.pem, env, transcript.jsonl and uploads/ go; made if it is not there.
    #[arg(long, default_value = "control-plane")]
    directory: PathBuf,

    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// Serve on after the scenario until interrupted.
    #[arg(long)]
    stay: bool,
}

const SCENARIOS: &str = "\
Scenario files:
  patience: 2m                  # for each step; default 5m
  pace: { next_poll: 1s, next_heartbeat: 1s, token_lifetime: 1h }
  leasing:
    lease: 1m                   # without a heartbeat
    missed_heartbeats: 3        # after the first one
    redeliver_lost: true
    redeliver_retryable: true
    redelivery_delay: 0s        # before a task is given out again
    deliveries: 5               # at most, of one task
  steps:                        # each ends before the next begins
    - hello                     # asks the connector to say hello again
    - sync_full: {}             # or with any of these:
        # skip_expand_grants, skip_entitlements_and_grants, skip_grants: true
        # sync_resource_type_ids: [...]
        # cancel_after: 2s
    - grant:
        entitlement: { resource_type: sso_group, resource: ID, slug: member }
        principal: { resource_type: sso_user, resource: ID }
        expect: success         # or failure, any; holds for every task
    - revoke: { entitlement: ..., principal: ... }
        # id: ... in a grant or an entitlement replaces the usual one
    - task: { protobuf: ... }   # any c1.connectorapi.baton.v1.Task, in base64
    - wait: 2s
    - fault: { rpc: finish_task, times: 2, how: lose_reply }
        # rpc: token, hello, get_task, get_tasks, heartbeat, upload_asset,
        #   finish_task
        # how: lose_reply, disconnect, hang, { slow: 2s }, { raw: BASE64 },
        #   { status: unavailable }; for polls twice; for uploads
        #   { drop_after: 1000 }; for tokens worthless_token, { http: 503 },
        #   { body: nonsense }
    - outage: 5s                # refuses connections
    - disconnect                # drops all connections
    - go_away                   # ends all connections politely
    - expire_tokens
    - certificate: expired      # or renewed, foreign";

/// Serves until the scenario ends, or is interrupted.
#[expect(clippy::print_stderr, reason = "the command line talks to a person")]
pub(crate) async fn run(args: Args) -> ExitCode {
    match serve(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testbed control-plane: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line talks to a person")]
async fn serve(args: &Args) -> Result<(), Box<dyn Error>> {
    let scenario = match &args.scenario {
        Some(path) => Scenario::from_path(path)?,
        None if args.replay.is_some() => Scenario::silent(),
        None => Scenario::hello_and_sync(),
    };
    let scenario = scenario.faster(args.faster);
    let replay = args.replay.as_deref().map(Replay::from_path).transpose()?;
    fs::create_dir_all(&args.directory)?;
    let directory = fs::canonicalize(&args.directory)?;
    let options = Options { port: args.port, directory: Some(directory.clone()), ..scenario.options() };
    let server = Server::start(options).await?;
    let mut transcript = File::create(directory.join("transcript.jsonl"))?;
    let env = environment(&server);
    publish(&directory.join("env"), &env)?;
    print!("{env}");
    io::stdout().flush()?;

    let mut written = 0;
    let played = {
        let play = async {
            scenario.play(&server, |line| eprintln!("{line}")).await?;
            if let Some(replay) = &replay {
                replay.play(&server, args.faster, |line| eprintln!("{line}")).await?;
            }
            tokio::time::sleep(LAST_ANSWER).await;
            if args.stay {
                eprintln!("the scenario is over; Ctrl-C ends");
                std::future::pending::<()>().await;
            }
            Ok(())
        };
        let mut play = std::pin::pin!(play);
        loop {
            tokio::select! {
                played = &mut play => break played,
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted?;
                    break if args.stay { Ok(()) } else { Err("interrupted before the scenario was over".into()) };
                }
                () = server.grown(written) => written += append(&mut transcript, &server, written)?,
            }
        }
    };
    append(&mut transcript, &server, written)?;
    played
}

/// The variables that a connector needs, one assignment per line, quoted for a shell.
fn environment(server: &Server) -> String {
    let quoted = |name: &str, value: &str| format!("{name}='{}'\n", value.replace('\'', r"'\''"));
    [
        quoted("BATON_CLIENT_ID", server.client_id()),
        quoted("BATON_CLIENT_SECRET", server.client_secret()),
        quoted("SSL_CERT_FILE", &server.ca_pem_path().to_string_lossy()),
    ]
    .concat()
}

/// Writes a file that is whole from the moment it can be seen, for its owner alone: it holds a secret.
fn publish(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    fs::rename(unfinished, path)
}

/// Appends the entries from `first` on as JSON lines; gives their number.
fn append(file: &mut File, server: &Server, first: usize) -> Result<usize, Box<dyn Error>> {
    let entries = server.transcript_from(first);
    for entry in &entries {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        file.write_all(&line)?;
    }
    Ok(entries.len())
}
