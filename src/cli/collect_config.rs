//! The settings of the collector: environment variables of Google's reference collector, and flags that override them.

use super::clock;
use super::error::CliError;
use super::parsers::{duration, env_var, lease, location, timeout};
use super::secret::secret;
use crate::clock::Clock;
use crate::collect::{
    API_BASE, Account, Cancellation, Date, MAX_PAGE, Mode, Options, RetryPolicy, Secret, StateLocation,
    TOKEN_URL, ZoomConfig,
};
use crate::collector_files;
use crate::net::is_loopback_host;
use crate::store::{Location, StoreConfig};
use clap::Args;
use reqwest::Url;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where the state is, and how to reach it: arguments of all commands of the collector.
#[derive(Args)]
pub(super) struct StateArgs {
    /// Destination: gs://BUCKET/PREFIX/ or a directory [default: GCS_BUCKET and GCS_PREFIX]
    #[arg(long, value_name = "URL", value_parser = location)]
    to: Option<Location>,
    /// State object [default: STATE_KEY in GCS_BUCKET, or next to --to with `.state` appended]
    #[arg(long, value_name = "URL")]
    state: Option<String>,
    /// Attempts for each request after the first; at most one for `check`
    #[arg(long, value_name = "N", default_value = "6")]
    retries: usize,
    /// Delay before the second attempt
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, hide = true)]
    first_pause: Duration,
}

/// What to collect, and how: arguments of commands that talk to Zoom.
#[derive(Args)]
pub(super) struct SettingsArgs {
    #[command(flatten)]
    state: StateArgs,
    /// Allow state in the data prefix (feeds may delete it)
    #[arg(long)]
    state_in_data_prefix: bool,
    /// How long to re-read each day for late records
    #[arg(long, value_name = "TIME", default_value = "2d", value_parser = duration)]
    look_back: Duration,
    /// Lease duration: another run may take over once it expires
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = lease)]
    lease: Duration,
}

/// Zoom keeps 180 days, and a day must be finalized long before it is gone.
const MAX_LOOK_BACK_DAYS: i64 = 90;

/// The mode-specific settings.
pub(super) struct RunMode {
    pub(super) mode: Option<Mode>,
    pub(super) deadline: Option<Duration>,
    pub(super) max_requests: Option<u64>,
    pub(super) max_rate: Option<NonZeroU64>,
    pub(super) dry_run: bool,
    pub(super) full: bool,
    pub(super) new_state: bool,
}

impl RunMode {
    /// Only inspects.
    pub(super) const INSPECT: Self = Self {
        mode: None,
        deadline: None,
        max_requests: None,
        max_rate: None,
        dry_run: true,
        full: false,
        new_state: false,
    };
}

/// Collects all errors before reporting them.
#[derive(Default)]
struct ErrorList(Vec<String>);

impl ErrorList {
    fn note<T>(&mut self, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|why| self.0.push(why)).ok()
    }

    fn required(&mut self, name: &str) -> String {
        let value = env_var(name);
        if value.is_none() {
            self.0.push(format!("{name} is not set"));
        }
        value.unwrap_or_default()
    }

    fn into_result(self) -> Result<(), CliError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(CliError::Usage(self.0.join("; ")))
    }
}

/// Returns all options of a run, or one usage error that names everything missing or wrong.
pub(super) fn options(args: &SettingsArgs, mode: &RunMode) -> Result<Options, CliError> {
    let now = clock::now()?;
    let mut errors = ErrorList::default();
    let places = places(&args.state, &mut errors);
    let account = account(&mut errors);
    let page_size = errors.note(page_size(env_var("PAGE_SIZE"))).unwrap_or(MAX_PAGE);
    let timeout = errors.note(timeout(env_var("TIMEOUT"))).unwrap_or_default();
    errors.into_result()?;
    let (Some((to, name_prefix, state)), Some(account)) = (places, account) else {
        return Err(CliError::Usage("settings are missing".into()));
    };
    check_disjoint(&to, &name_prefix, &state, args.state_in_data_prefix)?;
    let look_back = days(args.look_back);
    if look_back > MAX_LOOK_BACK_DAYS {
        return Err(CliError::Usage(format!(
            "--look-back of {look_back} days: expected at most {MAX_LOOK_BACK_DAYS} days, because every run \
             re-reads them"
        )));
    }
    let today = Date::from_millis(now.timestamp_millis());
    Ok(Options {
        to,
        name_prefix,
        state,
        zoom: ZoomConfig {
            account,
            page_size,
            timeout,
            retry: RetryPolicy {
                retries: args.state.retries,
                first_pause: args.state.first_pause,
                max_requests: mode.max_requests,
                max_rate: mode.max_rate,
            },
        },
        mode: mode.mode.unwrap_or(Mode::Live { since: today.add_days(-30) }),
        look_back,
        cancellation: Cancellation::new(CancellationToken::new(), mode.deadline),
        dry_run: mode.dry_run,
        full: mode.full,
        new_state: mode.new_state,
        lease: args.lease,
        retry: retry(&args.state, timeout),
        clock: Clock::at(now),
    })
}

/// Returns where the state is, for commands that only read it.
pub(super) fn state_location(args: &StateArgs) -> Result<(StateLocation, StoreConfig), CliError> {
    if let Some(url) = &args.state {
        let (location, name) =
            parse_state_url(url).map_err(|why| CliError::Usage(format!("--state: {why}")))?;
        let retry = retry(args, timeout(env_var("TIMEOUT")).map_err(CliError::Usage)?);
        return Ok((StateLocation { location, name, legacy: None }, retry));
    }
    let mut errors = ErrorList::default();
    let places = places(args, &mut errors);
    let timeout = errors.note(timeout(env_var("TIMEOUT"))).unwrap_or_default();
    errors.into_result()?;
    let (_, _, state) = places.ok_or_else(|| CliError::Usage("settings are missing".into()))?;
    Ok((state, retry(args, timeout)))
}

fn retry(args: &StateArgs, timeout: Duration) -> StoreConfig {
    StoreConfig {
        timeout,
        retries: args.retries,
        first_pause: args.first_pause.min(StoreConfig::default().first_pause),
        ..StoreConfig::default()
    }
}

/// Parses a duration in days, rounded up.
pub(super) fn days(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs().div_ceil(86_400)).unwrap_or(i64::MAX)
}

/// Returns where the reference collector's variables say that objects are.
struct GcsTarget {
    bucket: String,
    /// The prefix of names: a directory, or, without a `/` at its end, also part of a name.
    prefix: String,
}

fn gcs_target() -> Option<GcsTarget> {
    let bucket = env_var("GCS_BUCKET")?.trim_start_matches("gs://").to_owned();
    Some(GcsTarget { bucket, prefix: env_var("GCS_PREFIX").unwrap_or_else(|| "zoom/operationlogs/".into()) })
}

/// The same for readers of collected objects: a directory.
pub(super) fn collected_prefix() -> Result<String, String> {
    let GcsTarget { bucket, prefix } = gcs_target().ok_or("INGEST_FROM is not set (nor GCS_BUCKET)")?;
    if prefix.ends_with('/') {
        return Ok(format!("gs://{bucket}/{prefix}"));
    }
    Err(format!(
        "GCS_PREFIX {prefix:?} does not end in /: objects are named {prefix}YYYY/MM/DD/… and are not below a directory of that name; end it in /, or set INGEST_FROM"
    ))
}

type Places = (Location, String, StateLocation);

fn places(args: &StateArgs, errors: &mut ErrorList) -> Option<Places> {
    let data = gcs_target();
    let (to, name_prefix) = match (&args.to, &data) {
        (Some(to), _) => (to.clone(), String::new()),
        (None, Some(GcsTarget { bucket, prefix })) => {
            let (directory, rest) = prefix.rsplit_once('/').unwrap_or(("", prefix));
            let to = format!("gs://{bucket}/{directory}").parse();
            (errors.note(to.map_err(|why: String| format!("GCS_BUCKET: {why}")))?, rest.to_owned())
        }
        (None, None) => {
            errors.0.push("GCS_BUCKET is not set (or give --to URL)".into());
            return None;
        }
    };
    // Users who name a destination do not mean the reference collector's state.
    let key = match (&data, &args.to, env_var("STATE_KEY")) {
        (Some(GcsTarget { bucket, .. }), None, Some(key)) => {
            Some(format!("gs://{bucket}/{}", key.trim_start_matches('/')))
        }
        _ => None,
    };
    let legacy = key.as_ref().and_then(|key| parse_legacy_key(key));
    let (location, name) = match args.state.as_ref().or(key.as_ref()) {
        Some(url) => {
            errors.note(parse_state_url(url).map_err(|why| format!("--state or STATE_KEY: {why}")))?
        }
        None => (to.sibling(".state"), "state.json".to_owned()),
    };
    let legacy = legacy
        .or_else(|| Some((to.clone(), "state.json".to_owned())))
        .filter(|legacy| *legacy != (location.clone(), name.clone()));
    Some((to, name_prefix, StateLocation { location, name, legacy }))
}

/// The reference collector uses its key as it is, whatever it ends in.
fn parse_legacy_key(url: &str) -> Option<(Location, String)> {
    let (directory, name) = url.rsplit_once('/')?;
    Some((directory.parse().ok()?, name.to_owned())).filter(|(_, name)| !name.is_empty())
}

/// Parses a location and the name of the state in it: `…/NAME.json`, or a directory.
pub(super) fn parse_state_url(url: &str) -> Result<(Location, String), String> {
    let named = |name: &str| Path::new(name).extension().is_some_and(|end| end == "json");
    match url.rsplit_once('/') {
        Some((_, collector_files::BACKFILL)) => Err(format!(
            "{url} is reserved for the state of backfills, next to the live collection's; choose another name, such as state.json"
        )),
        Some((directory, name)) if named(name) => Ok((location(directory)?, name.to_owned())),
        _ => Ok((location(url)?, "state.json".to_owned())),
    }
}

/// Checks that the state's files are outside the feed's prefix, and the data outside the directory that the state
/// cleans up.
fn check_disjoint(
    to: &Location,
    name_prefix: &str,
    state: &StateLocation,
    may_be_within: bool,
) -> Result<(), CliError> {
    let (data, place) = (format!("{}{name_prefix}", to.canonicalized()), state.location.canonicalized());
    let own: Vec<_> = [&*state.name, collector_files::BACKFILL]
        .into_iter()
        .flat_map(|name| {
            [
                name.to_owned(),
                collector_files::previous_state_name(name),
                collector_files::lease_name(name),
                format!("{}/", collector_files::work_dir(name)),
            ]
        })
        .chain([format!("{}/", collector_files::MANIFESTS)])
        .map(|name| place.url(&name))
        .collect();
    if let Some(own) = own.iter().find(|own| own.ends_with('/') && data.starts_with(*own)) {
        return Err(CliError::Usage(format!(
            "the data prefix {data} is inside {own}, where collect deletes files that the state does not name; set STATE_KEY or --state to another location (such as {}state.json)",
            to.sibling(".state")
        )));
    }
    let Some(own) = own.iter().find(|own| own.starts_with(&data)).filter(|_| !may_be_within) else {
        return Ok(());
    };
    Err(CliError::Usage(format!(
        "the state {own} is inside the data prefix {data}: a feed would ingest it as a log and, with \
         \"Delete transferred files\", delete it, and everything would be collected again; set STATE_KEY or \
         --state to another location (such as {}state.json), or pass --state-in-data-prefix",
        to.sibling(".state")
    )))
}

fn account(errors: &mut ErrorList) -> Option<Account> {
    let account_id = errors.required("ZOOM_ACCOUNT_ID");
    let client_id = errors.required("ZOOM_CLIENT_ID");
    let secret = errors.note(client_secret());
    let api_base = env_var("ZOOM_API_BASE");
    let api_base = api_base.map(|url| errors.note(address("ZOOM_API_BASE", &url, API_BASE)));
    let token_url = env_var("ZOOM_TOKEN_URL").unwrap_or_else(|| TOKEN_URL.into());
    let token_url = errors.note(address("ZOOM_TOKEN_URL", &token_url, TOKEN_URL));
    Some(Account {
        account_id,
        client_id,
        secret: secret?,
        api_base: api_base.flatten(),
        token_url: token_url?,
    })
}

fn client_secret() -> Result<Secret, String> {
    secret("ZOOM_CLIENT_SECRET", "a Zoom client secret")?.ok_or_else(|| {
        "ZOOM_CLIENT_SECRET is not set (or name a file with ZOOM_CLIENT_SECRET_FILE)".to_owned()
    })
}

/// Secrets are sent over https only, except to loopback hosts.
pub(super) fn address(name: &str, text: &str, example: &str) -> Result<Url, String> {
    // The text before an `@` or after a `?` may be a secret.
    let shown = if text.contains(['@', '?']) { "not shown here".into() } else { format!("{text:?}") };
    let wrong = |why: &str| format!("{name} is {shown}, {why}; expected a URL like {example}");
    let url: Url = text.parse().map_err(|_| wrong("which is not a URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("which contains a user name or password"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback_host(url.host_str().unwrap_or_default()) => Ok(url),
        "http" => Err(wrong("which would send the secret unencrypted")),
        _ => Err(wrong("which is not a URL")),
    }
}

pub(super) fn page_size(text: Option<String>) -> Result<u16, String> {
    let Some(text) = text else { return Ok(MAX_PAGE) };
    let size = text.parse().ok().filter(|size| (1..=MAX_PAGE).contains(size));
    size.ok_or_else(|| format!("PAGE_SIZE is {text:?}; expected a number from 1 to {MAX_PAGE}"))
}
