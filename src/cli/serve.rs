//! `zoom-udm serve`: collect, ingest and normalize over HTTP.

use super::collect_config::{address, collected_prefix};
use super::event_args::EventArgs;
use super::parsers::{count, duration, env_var, nonzero_duration};
use super::{CliError, Exit, clock, collect, ingest, multi_thread_runtime, signal};
use crate::clock::Clock;
use crate::logging;
use crate::serve::{
    CollectConfig, GOOGLE_KEYS, IngestConfig, KEYS_APART, Limits, NormalizeConfig, OidcConfig, Options,
};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, ValueEnum};
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Notify;

/// Serve collect, ingest and normalize over HTTP, and a page that explains records
#[derive(Args)]
#[command(after_help = "\
Endpoints:
  POST /collect     with --collect: one run of collect, for a Pub/Sub push, a
                    CloudEvent or a request of Cloud Scheduler
  POST /ingest      with --ingest: for a bucket notification, ingest that
                    object; for an empty request, one run of ingest
  POST /normalize   with --normalize: records in (plain or gzip), events out
  GET  /            with --normalize: a page that explains records
  GET  /healthz, /readyz, /metrics
The default is --normalize alone. A push is answered 2xx after its work is
durable.

Environment:
  PORT             port to listen on, on all addresses, without --listen;
                   set by Cloud Run
  ZOOM_…, GCS_…    see `zoom-udm collect --help`
  COLLECT_FLAGS    flags for collect:
                   --look-back 3d --deadline 4m
  INGEST_FROM      source of ingest
                   [default: gs://GCS_BUCKET/GCS_PREFIX, if that ends in /]
  INGEST_TO, INGEST_REJECTS, INGEST_LEDGER
                   destinations of events, rejects and ledger
  INGEST_FLAGS     flags for ingest:
                   --delete transferred --namespace zoom
  GOOGLE_CLOUD_PROJECT
                   project of the traces in the log
  ZOOM_UDM_LOG     log level (info)

Examples:
  zoom-udm serve
  # on Cloud Run, whose IAM authenticates callers
  zoom-udm serve --collect --ingest --allow-unauthenticated
  zoom-udm serve --ingest --listen 0.0.0.0:8080 \\
    --require-oidc https://zoom.example.com \\
    --allow pusher@project.iam.gserviceaccount.com

Exit codes: 0 stopped by a signal, 2 usage or missing settings, 3 input or
output failed")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Flags {
    /// Address to listen on; port 0 selects a free one [default: 0.0.0.0:$PORT if PORT is set, or 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Serve POST /collect
    #[arg(long)]
    collect: bool,
    /// Serve POST /ingest
    #[arg(long)]
    ingest: bool,
    /// Serve POST /normalize and the page
    #[arg(long)]
    normalize: bool,
    /// Require an ID token from Google for this audience
    #[arg(long, value_name = "AUDIENCE", requires = "allow", value_parser = NonEmptyStringValueParser::new())]
    require_oidc: Option<String>,
    /// Accepted e-mail address in the token; repeatable
    #[arg(long, value_name = "EMAIL", requires = "require_oidc", value_parser = NonEmptyStringValueParser::new())]
    allow: Vec<String>,
    /// Accept unauthenticated requests on a public address (use only behind an authenticating proxy such as Cloud Run
    /// IAM)
    #[arg(long, conflicts_with = "require_oidc")]
    allow_unauthenticated: bool,
    /// Maximum request body size, before decompression
    #[arg(long, value_name = "N", default_value_t = Limits::default().body, value_parser = clap::value_parser!(u64).range(1..))]
    max_body: u64,
    /// Maximum request body size, decompressed
    #[arg(long, value_name = "N", default_value_t = Limits::default().unpacked, value_parser = clap::value_parser!(u64).range(1..))]
    max_unpacked: u64,
    /// Concurrent requests, and as many pushes; further ones get 503
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests, value_parser = some)]
    concurrency: usize,
    /// Concurrent connections; further ones wait
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, value_parser = some)]
    max_connections: usize,
    /// Time limit for a request body, and for the response of /normalize
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = nonzero_duration)]
    request_timeout: Duration,
    /// Time limit without a byte sent or received
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = nonzero_duration)]
    idle_timeout: Duration,
    /// Time limit for a request head and for idle connections
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = nonzero_duration)]
    header_timeout: Duration,
    /// How long a push may wait; a collect run gets all of it, an ingest run a third
    #[arg(long, value_name = "TIME", default_value = "9m", value_parser = nonzero_duration)]
    run_deadline: Duration,
    /// Log format [default: Cloud Logging JSON, or text on a terminal]
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Time for active requests to finish after a signal
    #[arg(long, value_name = "TIME", default_value = "8s", value_parser = duration, hide = true)]
    grace: Duration,
    /// Minimum time between fetches of Google's keys [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration, hide = true)]
    keys_apart: Option<Duration>,
    #[command(flatten)]
    mapping: EventArgs,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    #[default]
    Auto,
    Json,
    Human,
}

/// Flags of another command in an environment variable.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct EmbeddedArgs<F: Args> {
    #[command(flatten)]
    flags: F,
}

pub(super) fn run(flags: &Flags) -> Result<Exit, CliError> {
    let options = options(flags)?;
    let json = match flags.log_format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Human => false,
    };
    logging::init(json, options.clock.clone()).map_err(CliError::Usage)?;
    tell(flags, &options);
    let runtime = multi_thread_runtime(options.limits.blocking_tasks())?;
    let outcome = runtime.block_on(async {
        let stop = Arc::new(Notify::new());
        signal::stop_at_signals(&stop, &Arc::new(AtomicBool::new(false)));
        crate::serve::run(options, stop).await
    });
    // Interrupted work is not awaited.
    runtime.shutdown_background();
    outcome?;
    Ok(Exit::Done)
}

/// Logs what is served, with warnings about surprising settings.
fn tell(flags: &Flags, options: &Options) {
    if !(flags.collect || flags.ingest || flags.normalize) {
        tracing::info!(
            "serving /normalize and the page only; --collect and --ingest enable the other endpoints"
        );
    }
    if flags.allow_unauthenticated && !options.listen.ip().is_loopback() {
        tracing::warn!(
            "accepting unauthenticated requests; make sure that an authenticating proxy is in front"
        );
    }
}

fn options(flags: &Flags) -> Result<Options, CliError> {
    let listen = listen(flags.listen, env_var("PORT"))?;
    let mut troubles = Vec::new();
    let mut note = |fault: CliError| match fault {
        CliError::Usage(message) => {
            troubles.push(message);
            Ok(())
        }
        fault => Err(fault),
    };
    if !listen.ip().is_loopback() && flags.require_oidc.is_none() && !flags.allow_unauthenticated {
        note(CliError::Usage(format!(
            "refusing to listen on public address {listen} without authentication; pass --require-oidc AUDIENCE --allow EMAIL, or --allow-unauthenticated if a proxy such as Cloud Run IAM authenticates callers"
        )))?;
    }
    let oidc = match oidc(flags) {
        Ok(oidc) => oidc,
        Err(why) => note(CliError::Usage(why)).map(|()| None)?,
    };
    let collect = if flags.collect { Some(collecting(flags)) } else { None };
    let collect = collect.transpose().or_else(|fault| note(fault).map(|()| None))?;
    let ingest = if flags.ingest { Some(feeding(flags)) } else { None };
    let ingest = ingest.transpose().or_else(|fault| note(fault).map(|()| None))?;
    if !troubles.is_empty() {
        return Err(CliError::Usage(troubles.join("; ")));
    }
    let alone = !(flags.collect || flags.ingest);
    let normalize = if flags.normalize || alone { Some(normalizing(flags)?) } else { None };
    if normalize.is_none() && understood::<EventArgs>("", std::iter::empty())? != flags.mapping {
        return Err(CliError::Usage(
            "mapping flags require /normalize: pass --normalize, or put them into INGEST_FLAGS".into(),
        ));
    }
    let clock = env_var("ZOOM_UDM_NOW").map(|_| clock::now().map(Clock::at)).transpose()?;
    Ok(Options {
        listen,
        collect,
        ingest,
        normalize,
        oidc,
        limits: limits(flags),
        clock,
        project: env_var("GOOGLE_CLOUD_PROJECT"),
    })
}

fn some(text: &str) -> Result<usize, String> {
    count(text).map(NonZeroUsize::get)
}

fn limits(flags: &Flags) -> Limits {
    Limits {
        connections: flags.max_connections,
        requests: flags.concurrency,
        body: flags.max_body,
        unpacked: flags.max_unpacked,
        head_time: flags.header_timeout,
        idle_time: flags.idle_timeout,
        body_time: flags.request_timeout,
        grace: flags.grace,
        ..Limits::default()
    }
}

fn normalizing(flags: &Flags) -> Result<NormalizeConfig, CliError> {
    Ok(NormalizeConfig {
        options: flags.mapping.options()?,
        requests: flags.mapping.requests(),
        default_to_now: flags.mapping.defaults_to_now(),
    })
}

fn oidc(flags: &Flags) -> Result<Option<OidcConfig>, String> {
    let Some(audience) = &flags.require_oidc else { return Ok(None) };
    // For tests.
    let keys = env_var("ZOOM_UDM_JWKS_URL").unwrap_or_else(|| GOOGLE_KEYS.to_owned());
    let keys = address("ZOOM_UDM_JWKS_URL", &keys, GOOGLE_KEYS)?;
    let keys_apart = flags.keys_apart.unwrap_or(KEYS_APART);
    Ok(Some(OidcConfig { audience: audience.clone(), emails: flags.allow.clone(), keys, keys_apart }))
}

/// Checks the flags of `collect` and `ingest` in the environment.
#[cfg(any(test, fuzzing))]
pub(super) fn lines(more: &str) -> [Result<(), CliError>; 2] {
    let given = ["gs://bucket/zoom/", "--to", "gs://bucket/udm/"].map(str::to_owned);
    let collect = words("COLLECT_FLAGS", more)
        .and_then(|more| understood::<collect::Flags>("COLLECT_FLAGS", more.into_iter()))
        .map(|_| ());
    let ingest = words("INGEST_FLAGS", more)
        .and_then(|more| understood::<ingest::Flags>("INGEST_FLAGS", given.into_iter().chain(more)))
        .map(|_| ());
    [collect, ingest]
}

/// Parses the flags of another command: given ones, then those of a variable. Some are valid only on that command's own
/// command line.
fn parsed<F: Args>(name: &str, given: Vec<String>, only_there: &[&str]) -> Result<F, CliError> {
    let more = words(name, &env_var(name).unwrap_or_default())?;
    let flag = |word: &&str| word.split('=').next().is_some_and(|flag| only_there.contains(&flag));
    let refused: Vec<_> = more.iter().map(String::as_str).filter(flag).collect();
    if !refused.is_empty() {
        return Err(CliError::Usage(format!(
            "{name}: {} is valid on the command line only; a service has its log and /metrics",
            refused.join(", ")
        )));
    }
    understood(name, given.into_iter().chain(more))
}

/// Splits a variable into words as a shell does.
fn words(name: &str, text: &str) -> Result<Vec<String>, CliError> {
    shlex::split(text).ok_or_else(|| CliError::Usage(format!("{name}: unclosed quote or trailing backslash")))
}

fn understood<F: Args>(name: &str, words: impl Iterator<Item = String>) -> Result<F, CliError> {
    let line = EmbeddedArgs::<F>::try_parse_from(words);
    line.map(|line| line.flags).map_err(|error| {
        let text = error.render().to_string();
        let text = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        CliError::Usage(format!("{name}: {}", text.split_whitespace().collect::<Vec<_>>().join(" ")))
    })
}

fn collecting(flags: &Flags) -> Result<CollectConfig, CliError> {
    let (options, deadline) =
        collect::served(&parsed("COLLECT_FLAGS", Vec::new(), &["--summary", "--metrics", "--trace-http"])?)?;
    Ok(CollectConfig { options, deadline: deadline.unwrap_or(flags.run_deadline) })
}

fn feeding(flags: &Flags) -> Result<IngestConfig, CliError> {
    let from = env_var("INGEST_FROM").map_or_else(collected_prefix, Ok);
    let to = env_var("INGEST_TO").ok_or_else(|| "INGEST_TO is not set".to_owned());
    let (from, to) = match (from, to) {
        (Ok(from), Ok(to)) => (from, to),
        (from, to) => {
            let wrong: Vec<_> = from.err().into_iter().chain(to.err()).collect();
            return Err(CliError::Usage(wrong.join("; ")));
        }
    };
    let mut given = vec![from, "--to".into(), to];
    for (flag, name) in [("--rejects", "INGEST_REJECTS"), ("--ledger", "INGEST_LEDGER")] {
        given.extend(env_var(name).into_iter().flat_map(|value| [flag.to_owned(), value]));
    }
    let options = ingest::served(&parsed("INGEST_FLAGS", given, &["--summary", "--every"])?)?;
    Ok(IngestConfig { options, deadline: flags.run_deadline })
}

/// Cloud Run sets PORT.
pub(super) fn listen(flag: Option<SocketAddr>, port: Option<String>) -> Result<SocketAddr, CliError> {
    if let Some(address) = flag {
        return Ok(address);
    }
    let Some(port) = port else { return Ok(([127, 0, 0, 1], 8080).into()) };
    let number: Result<u16, _> = port.parse();
    number
        .map(|port| ([0, 0, 0, 0], port).into())
        .map_err(|_| CliError::Usage(format!("PORT is {port:?}; expected a number from 0 to 65535")))
}
