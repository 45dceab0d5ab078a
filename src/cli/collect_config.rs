//! The settings of the collector: environment variables of Google's reference collector, and flags that override them.

use super::clock;
use super::collect_layout::{self, Place, PlaceArgs};
use super::error::CliError;
use super::parsers::{duration, env_var, lease, timeout};
use super::secret::secret;
use crate::clock::Clock;
use crate::collect::{
    API_BASE, Account, Cancellation, Date, LogKind, MAX_PAGE, Mode, Options, RetryPolicy, Secret,
    StateLocation, TOKEN_URL, ZoomConfig,
};
use crate::net::is_loopback_host;
use crate::store::StoreConfig;
use clap::Args;
use reqwest::Url;
use std::num::NonZeroU64;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where states are, and how to reach them: arguments of all commands of the collector.
#[derive(Args)]
pub(super) struct StateArgs {
    #[command(flatten)]
    place: PlaceArgs,
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

/// Returns all options of a run, for each kind of log, or one usage error that names everything missing or wrong.
pub(super) fn options(args: &SettingsArgs, mode: &RunMode) -> Result<Vec<Options>, CliError> {
    let now = clock::now()?;
    let mut errors = ErrorList::default();
    let kinds = collect_layout::kinds(&args.state.place);
    let places = kinds.and_then(|kinds| collect_layout::places(&args.state.place, &kinds));
    let places = errors.note(places);
    let account = account(&mut errors);
    let page_size = errors.note(page_size(env_var("PAGE_SIZE"))).unwrap_or(MAX_PAGE);
    let timeout = errors.note(timeout(env_var("TIMEOUT"))).unwrap_or_default();
    errors.into_result()?;
    let (Some(places), Some(account)) = (places, account) else {
        return Err(CliError::Usage("settings are missing".into()));
    };
    collect_layout::check_disjoint(&places, args.state_in_data_prefix)?;
    let look_back = days(args.look_back);
    if look_back > MAX_LOOK_BACK_DAYS {
        return Err(CliError::Usage(format!(
            "--look-back of {look_back} days: expected at most {MAX_LOOK_BACK_DAYS} days, because every run \
             re-reads them"
        )));
    }
    let today = Date::from_millis(now.timestamp_millis());
    let (cancellation, clock) = (Cancellation::new(CancellationToken::new(), mode.deadline), Clock::at(now));
    let several = places.len();
    if let Some(total) = mode.max_requests.filter(|total| *total < several as u64) {
        return Err(CliError::Usage(format!(
            "--max-requests {total}: {several} kinds of logs are collected, and each needs at least one request per run"
        )));
    }
    let options = |(number, Place { logs, to, name_prefix, state })| Options {
        logs,
        to,
        name_prefix,
        state,
        zoom: ZoomConfig {
            account: account.clone(),
            page_size,
            timeout,
            retry: RetryPolicy {
                retries: args.state.retries,
                first_pause: args.state.first_pause,
                max_requests: mode.max_requests.map(|total| share(total, number, several)),
                max_rate: mode.max_rate,
            },
        },
        mode: mode.mode.unwrap_or(Mode::Live { since: today.add_days(-30) }),
        look_back,
        cancellation: cancellation.clone(),
        dry_run: mode.dry_run,
        full: mode.full,
        new_state: mode.new_state,
        lease: args.lease,
        retry: retry(&args.state, timeout),
        clock: clock.clone(),
    };
    Ok(places.into_iter().enumerate().map(options).collect())
}

/// Returns the part of a total that one of several kinds of logs may use, so that a large backlog of one kind does not
/// exhaust the budget of another.
fn share(total: u64, number: usize, several: usize) -> u64 {
    let (number, several) = (number as u64, several as u64);
    total / several + u64::from(number < total % several)
}

/// Returns where the states are, for commands that only read them.
pub(super) fn state_locations(
    args: &StateArgs,
) -> Result<(Vec<(LogKind, StateLocation)>, StoreConfig), CliError> {
    let mut errors = ErrorList::default();
    let kinds = collect_layout::kinds(&args.place);
    let states = kinds.and_then(|kinds| collect_layout::state_locations(&args.place, &kinds));
    let states = errors.note(states).unwrap_or_default();
    let timeout = errors.note(timeout(env_var("TIMEOUT"))).unwrap_or_default();
    errors.into_result()?;
    Ok((states, retry(args, timeout)))
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
