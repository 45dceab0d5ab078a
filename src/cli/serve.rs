//! `zoom-udm serve`: collect, ingest and normalize over HTTP.

use super::collect::LiveArgs;
use super::collect_config::address;
use super::collect_layout::{collected_prefix, kinds_of_variable};
use super::error::{CliError, Exit};
use super::event_args::EventArgs;
use super::ingest::FeedArgs;
use super::parsers::{count, duration, env_var, location, nonzero_duration};
use super::runtime::multi_thread_runtime;
use super::serve_webhook::{self, SECRET_TOKEN};
use super::{clock, collect, ingest, shutdown};
use crate::clock::Clock;
use crate::collect::LogKind;
use crate::logging;
use crate::serve::{
    CollectConfig, GOOGLE_KEYS, IngestConfig, Limits, MIN_REFRESH_INTERVAL, NormalizeConfig, OidcConfig,
    Options,
};
use crate::store::Location;
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, ValueEnum};
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Serve collect, ingest and normalize over HTTP, and a page that explains records
#[derive(Args)]
#[command(after_help = "\
Endpoints:
  POST /collect     with --collect: one run of collect, for a Pub/Sub push, a
                    CloudEvent or a request from Cloud Scheduler
  POST /ingest      with --ingest: for a bucket notification, ingest that
                    object; for an empty request, one run of ingest
  POST /normalize   with --normalize: records in (plain or gzip), events out
  GET  /            with --normalize: a page that explains records
  POST /webhook     with --webhook: events that Zoom sends and signs
  GET  /healthz, /readyz, /metrics
The default is --normalize alone. A push or an event gets 2xx only after
its results are durable.

Environment:
  PORT             port to listen on, on all addresses, without --listen;
                   set by Cloud Run
  ZOOM_…, GCS_…, COLLECT_LOGS
                   see `zoom-udm collect --help`
  ZOOM_WEBHOOK_SECRET_TOKEN, or a file: ZOOM_WEBHOOK_SECRET_TOKEN_FILE
                   secret token of the Zoom app, for --webhook
  COLLECT_FLAGS    flags for collect:
                   --look-back 3d --deadline 4m
  INGEST_FROM      source of ingest
                   [default: gs://GCS_BUCKET/GCS_PREFIX, if that ends in /]
                   required if several kinds of logs are collected
  INGEST_TO, INGEST_REJECTS, INGEST_LEDGER
                   destinations of events, rejects and ledger
  INGEST_FLAGS     flags for ingest:
                   --delete transferred --namespace zoom
  GOOGLE_CLOUD_PROJECT
                   project ID for trace links in the log
  ZOOM_UDM_LOG     log level (info)

Examples:
  zoom-udm serve
  # on Cloud Run, whose IAM authenticates callers
  zoom-udm serve --collect --ingest --allow-unauthenticated
  zoom-udm serve --ingest --listen 0.0.0.0:8080 \\
    --require-oidc https://zoom.example.com \\
    --allow pusher@project.iam.gserviceaccount.com
  # a public service that receives events, and nothing else
  zoom-udm serve --webhook --webhook-to gs://bucket/zoom/webhooks/ \\
    --listen 0.0.0.0:8080

Exit codes: 0 stopped by a signal, 2 usage or missing settings, 3 input or
output failed, 4 storage of events: credentials or permission")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct ServeArgs {
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
    /// Serve POST /webhook
    #[arg(long)]
    webhook: bool,
    /// Destination of webhooks [default: zoom/webhooks/ in GCS_BUCKET]
    #[arg(long, value_name = "URL", requires = "webhook", value_parser = location)]
    webhook_to: Option<Location>,
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
    /// Maximum concurrent requests, and pushes; others get 503
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests, value_parser = positive)]
    concurrency: usize,
    /// Concurrent connections; further ones wait
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, value_parser = positive)]
    max_connections: usize,
    /// Time limit for a request body, and for the response of /normalize
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = nonzero_duration)]
    request_timeout: Duration,
    /// Idle time limit
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = nonzero_duration)]
    idle_timeout: Duration,
    /// Time limit for a request head and for idle connections
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = nonzero_duration)]
    header_timeout: Duration,
    /// Push time limit; an ingest run gets a third
    #[arg(long, value_name = "TIME", default_value = "9m", value_parser = nonzero_duration)]
    run_deadline: Duration,
    /// Log format [default: Cloud Logging JSON, or text on a terminal]
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Shutdown grace period for active requests
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
struct EmbeddedArgs<A: Args> {
    #[command(flatten)]
    args: A,
}

impl ServeArgs {
    /// Returns whether no endpoint is named.
    fn is_default(&self) -> bool {
        !(self.collect || self.ingest || self.normalize || self.webhook)
    }

    /// Returns whether events are received and nothing else is served.
    fn is_webhook_only(&self) -> bool {
        self.webhook && !(self.collect || self.ingest || self.normalize)
    }
}

pub(super) fn run(args: &ServeArgs) -> Result<Exit, CliError> {
    let options = options(args)?;
    let json = match args.log_format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Human => false,
    };
    logging::init(json, options.clock.clone()).map_err(CliError::Usage)?;
    log_settings(args, &options);
    let runtime = multi_thread_runtime(options.limits.blocking_tasks())?;
    let outcome = runtime.block_on(async { crate::serve::run(options, shutdown::cancel_on_signal()).await });
    // Interrupted work is not awaited.
    runtime.shutdown_background();
    outcome?;
    Ok(Exit::Done)
}

/// Logs what is served, with warnings about surprising settings.
fn log_settings(args: &ServeArgs, options: &Options) {
    if args.is_default() {
        tracing::info!(
            "serving /normalize and the page only; --collect, --ingest and --webhook enable the other endpoints"
        );
    }
    if args.webhook && options.webhook.is_none() {
        tracing::error!(
            "POST /webhook is not served: {SECRET_TOKEN} is not set; set it, or {SECRET_TOKEN}_FILE, to the secret token of the Zoom app"
        );
    }
    if args.webhook && !args.is_webhook_only() && args.allow_unauthenticated {
        tracing::warn!(
            "Zoom cannot authenticate to a proxy, and without a proxy anyone can call the other endpoints; serve --webhook as a service of its own"
        );
    }
    if let Some((to, from)) = serve_webhook::unread(options) {
        tracing::warn!(
            "ingest does not read the webhooks: --webhook-to {to} is not below its source, {from}; set INGEST_FROM to a directory that contains both, or let another ingest read them"
        );
    }
    if args.allow_unauthenticated && !options.listen.ip().is_loopback() {
        tracing::warn!(
            "accepting unauthenticated requests; make sure that an authenticating proxy is in front"
        );
    }
}

fn options(args: &ServeArgs) -> Result<Options, CliError> {
    let listen = listen(args.listen, env_var("PORT"))?;
    let mut errors = Vec::new();
    let mut note = |error: CliError| match error {
        CliError::Usage(message) => {
            errors.push(message);
            Ok(())
        }
        error => Err(error),
    };
    // Zoom's signature authenticates events, and nothing else is public; so metrics are not.
    let guarded = listen.ip().is_loopback() || args.require_oidc.is_some() || args.allow_unauthenticated;
    if !guarded && !args.is_webhook_only() {
        note(CliError::Usage(format!(
            "refusing to listen on public address {listen} without authentication; pass --require-oidc AUDIENCE --allow EMAIL, or --allow-unauthenticated if a proxy such as Cloud Run IAM authenticates callers"
        )))?;
    }
    let oidc = match oidc_config(args) {
        Ok(oidc) => oidc,
        Err(why) => note(CliError::Usage(why)).map(|()| None)?,
    };
    let collect = if args.collect { Some(collect_config(args)) } else { None };
    let collect = collect.transpose().or_else(|error| note(error).map(|()| None))?;
    // COLLECT_FLAGS can override COLLECT_LOGS.
    let kinds = collect
        .as_ref()
        .map(|collect: &CollectConfig| collect.options.iter().map(|options| options.logs).collect());
    let kinds = kinds.map_or_else(kinds_of_variable, Ok);
    let ingest = if args.ingest { Some(ingest_config(args, kinds)) } else { None };
    let ingest = ingest.transpose().or_else(|error| note(error).map(|()| None))?;
    let webhook = if args.webhook { serve_webhook::config(args.webhook_to.clone()) } else { Ok(None) };
    let webhook = webhook.or_else(|why| note(CliError::Usage(why)).map(|()| None))?;
    if !errors.is_empty() {
        return Err(CliError::Usage(errors.join("; ")));
    }
    let normalizes = args.normalize || args.is_default();
    let normalize = if normalizes { Some(normalize_config(args)?) } else { None };
    if normalize.is_none() && parse_args::<EventArgs>("", std::iter::empty())? != args.mapping {
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
        webhook,
        metrics: guarded,
        oidc,
        limits: limits(args),
        clock,
        project: env_var("GOOGLE_CLOUD_PROJECT"),
    })
}

fn positive(text: &str) -> Result<usize, String> {
    count(text).map(NonZeroUsize::get)
}

fn limits(args: &ServeArgs) -> Limits {
    Limits {
        connections: args.max_connections,
        requests: args.concurrency,
        body: args.max_body,
        unpacked: args.max_unpacked,
        head_time: args.header_timeout,
        idle_time: args.idle_timeout,
        body_time: args.request_timeout,
        grace: args.grace,
        ..Limits::default()
    }
}

fn normalize_config(args: &ServeArgs) -> Result<NormalizeConfig, CliError> {
    Ok(NormalizeConfig {
        options: args.mapping.options()?,
        requests: args.mapping.requests(),
        default_to_now: args.mapping.defaults_to_now(),
    })
}

fn oidc_config(args: &ServeArgs) -> Result<Option<OidcConfig>, String> {
    let Some(audience) = &args.require_oidc else { return Ok(None) };
    // For tests.
    let keys = env_var("ZOOM_UDM_JWKS_URL").unwrap_or_else(|| GOOGLE_KEYS.to_owned());
    let keys = address("ZOOM_UDM_JWKS_URL", &keys, GOOGLE_KEYS)?;
    let min_refresh_interval = args.keys_apart.unwrap_or(MIN_REFRESH_INTERVAL);
    Ok(Some(OidcConfig {
        audience: audience.clone(),
        emails: args.allow.clone(),
        keys,
        min_refresh_interval,
    }))
}

/// Checks the flags of `collect` and `ingest` in the environment.
#[cfg(any(test, fuzzing))]
pub(super) fn check_embedded_flags(more: &str) -> [Result<(), CliError>; 2] {
    let given = ["gs://bucket/zoom/", "--to", "gs://bucket/udm/"].map(str::to_owned);
    let collect = split_words("COLLECT_FLAGS", more)
        .and_then(|more| parse_args::<LiveArgs>("COLLECT_FLAGS", more.into_iter()))
        .map(|_| ());
    let ingest = split_words("INGEST_FLAGS", more)
        .and_then(|more| parse_args::<FeedArgs>("INGEST_FLAGS", given.into_iter().chain(more)))
        .map(|_| ());
    [collect, ingest]
}

/// Parses the arguments of another command: given ones, then those of a variable.
fn parse_variable<A: Args>(name: &str, given: Vec<String>) -> Result<A, CliError> {
    let more = split_words(name, &env_var(name).unwrap_or_default())?;
    parse_args(name, given.into_iter().chain(more))
}

/// Splits a variable into words as a shell does.
fn split_words(name: &str, text: &str) -> Result<Vec<String>, CliError> {
    shlex::split(text).ok_or_else(|| CliError::Usage(format!("{name}: unclosed quote or trailing backslash")))
}

fn parse_args<A: Args>(name: &str, words: impl Iterator<Item = String>) -> Result<A, CliError> {
    let line = EmbeddedArgs::<A>::try_parse_from(words);
    line.map(|line| line.args).map_err(|error| {
        let text = error.render().to_string();
        let text = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let hint = match error.kind() {
            ErrorKind::UnknownArgument => "; not supported in a service: omit it",
            _ => "",
        };
        CliError::Usage(format!("{name}: {text}{hint}"))
    })
}

fn collect_config(args: &ServeArgs) -> Result<CollectConfig, CliError> {
    let (options, deadline) =
        collect::service_options(&parse_variable::<LiveArgs>("COLLECT_FLAGS", Vec::new())?)?;
    Ok(CollectConfig { options, deadline: deadline.unwrap_or(args.run_deadline) })
}

fn ingest_config(args: &ServeArgs, kinds: Result<Vec<LogKind>, String>) -> Result<IngestConfig, CliError> {
    let from = env_var("INGEST_FROM").map_or_else(|| collected_prefix(&kinds?), Ok);
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
    let options = ingest::service_options(&parse_variable::<FeedArgs>("INGEST_FLAGS", given)?)?;
    Ok(IngestConfig { options, deadline: args.run_deadline })
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
