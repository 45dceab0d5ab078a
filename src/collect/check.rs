//! Checks the set-up: each check stands alone and says what to do if it fails.

use super::config::{Mode, Options};
use super::date::Date;
use super::log_kind::LogKind;
use super::schedule;
use super::state_store::{InitialState, StateStore, refuse_lost_state, state_name};
use super::zoom::{
    CLASSIC_SCOPE, DeniedBy, Window, ZoomClient, ZoomError, ZoomErrorKind, ZoomSession, scope_hint,
};
use crate::clock::format_utc;
use crate::collector_files::BACKFILL;
use crate::error::{Failure, RunError};
use crate::progress::{NoopObserver, Observer};
use crate::store::{self, Payload, Store};
use bytes::Bytes;
use futures::TryStreamExt as _;
use std::sync::Arc;

/// The result of a check.
#[derive(Debug, Clone)]
pub struct CheckResult {
    /// What was checked; with the kind of log, if there are several.
    pub name: String,
    /// What was found, or what is wrong and what to do.
    pub outcome: Result<String, CheckFailure>,
}

/// A failed check.
#[derive(Debug, Clone)]
pub struct CheckFailure {
    /// What is wrong, and what to do.
    pub failure: Failure,
    /// Whether credentials or permissions are missing.
    pub access: bool,
}

/// Checks whether a run of these kinds of logs would succeed with Zoom, the bucket and the state. Writes one or two probe
/// objects for each kind and deletes them.
///
/// # Errors
/// Only if no HTTP client can be created; everything else is a result.
pub async fn check(all: &[Options], observer: Arc<dyn Observer>) -> Result<Vec<CheckResult>, RunError> {
    let session = Arc::<ZoomSession>::default();
    let mut findings = Vec::new();
    for options in all {
        let mut of_kind = zoom(options, Arc::clone(&session), Arc::clone(&observer)).await?;
        // All kinds share the token.
        of_kind.retain(|found| findings.is_empty() || ![TOKEN, CLOCK].contains(&&*found.name));
        of_kind.extend(bucket(options).await);
        of_kind.extend(state(options).await);
        if all.len() > 1 {
            let own = of_kind.iter_mut().filter(|found| ![TOKEN, CLOCK].contains(&&*found.name));
            own.for_each(|found| found.name = format!("{} {}", options.logs, found.name));
        }
        findings.extend(of_kind);
    }
    Ok(findings)
}

/// The checks of what all kinds of logs share.
const TOKEN: &str = "token";
const CLOCK: &str = "clock";

fn finding(name: &str, outcome: Result<String, CheckFailure>) -> CheckResult {
    CheckResult { name: name.into(), outcome }
}

fn zoom_failure(error: &ZoomError) -> CheckFailure {
    CheckFailure { failure: error.failure.clone(), access: error.is_access() }
}

fn skipped(because: &str) -> Result<String, CheckFailure> {
    Err(CheckFailure { failure: Failure::new("skipped", format!("fix {because} first")), access: false })
}

async fn zoom(
    options: &Options,
    session: Arc<ZoomSession>,
    observer: Arc<dyn Observer>,
) -> Result<Vec<CheckResult>, RunError> {
    let (run_clock, cancellation) = (options.clock.clone(), options.cancellation.clone());
    let mut zoom = ZoomClient::new(&options.zoom, options.logs, session, run_clock, cancellation, observer)?;
    let token = match zoom.token().await {
        Ok(token) => token,
        Err(error) => {
            let rest = [CLOCK, "scope", "permission", "page"];
            let rest = rest.map(|name| finding(name, skipped("the token")));
            return Ok([finding(TOKEN, Err(zoom_failure(&error)))].into_iter().chain(rest).collect());
        }
    };
    let scope = scope(options.logs, &token.scope);
    let title = options.logs.spec().title;
    let today = Date::from_millis(options.clock.now());
    let window = Window::days(today.add_days(-1), today);
    let page = zoom.page(window, None, None).await;
    let scope = match &page {
        Err(error) if scope.is_ok() && error.kind == ZoomErrorKind::PermissionDenied(DeniedBy::Scope) => {
            Err(zoom_failure(error))
        }
        _ => scope,
    };
    let (permission, page) = match &page {
        Ok(page) => (
            Ok(format!("the app's owner may read {title}")),
            Ok(format!("{} records of {} to {today} on the first page", page.items.len(), window.from)),
        ),
        Err(error) if error.kind == ZoomErrorKind::PermissionDenied(DeniedBy::Role) => {
            (Err(zoom_failure(error)), skipped("the permission"))
        }
        Err(_) if scope.is_err() => (skipped("the scope"), skipped("the scope")),
        Err(error) => (skipped("the page"), Err(zoom_failure(error))),
    };
    let api = format!("Zoom gave an access token; the API is at {}", token.api);
    Ok(vec![
        finding(TOKEN, Ok(api)),
        finding(CLOCK, clock(token.date, token.clock_skew, options.clock.now())),
        finding("scope", scope),
        finding("permission", permission),
        finding("page", page),
    ])
}

/// Looks for a scope of a report among those of the app, which are separated by spaces or commas.
fn scope(logs: LogKind, listed: &str) -> Result<String, CheckFailure> {
    let spec = logs.spec();
    let sufficient = [spec.scope, CLASSIC_SCOPE, "report:master", spec.master_scope];
    let mut scopes = listed.split([' ', ',']).filter(|scope| !scope.is_empty()).peekable();
    if scopes.peek().is_none() {
        return Ok("Zoom does not list the app's scopes; see the page check".into());
    }
    if let Some(scope) = scopes.find(|scope| sufficient.contains(scope)) {
        return Ok(format!("the app has {scope}"));
    }
    Err(CheckFailure { failure: Failure::new("the app lacks the scope", scope_hint(logs)), access: true })
}

/// Reports the comparison of the clock with Zoom's.
fn clock(date: Option<i64>, skew: Option<Failure>, now: i64) -> Result<String, CheckFailure> {
    let Some(date) = date else { return Ok("not compared: no Date header in Zoom's response".into()) };
    match skew {
        Some(failure) => Err(CheckFailure { failure, access: false }),
        None => Ok(format!("local {}, Zoom {}", format_utc(now), format_utc(date))),
    }
}

fn of_store(error: &store::Error, access_hint: &str) -> CheckFailure {
    let hint = match error {
        store::Error::NotFound { .. } | store::Error::NoBucket { .. } => {
            "if the name is wrong, correct GCS_BUCKET or --to"
        }
        _ if error.is_access() => access_hint,
        _ => UNREACHABLE_HINT,
    };
    let failure = Failure::new(error.to_string(), hint);
    CheckFailure { failure, access: error.is_access() }
}

const UNREACHABLE_HINT: &str = "check the network and STORAGE_EMULATOR_HOST, and try again";

const LIST: &str = "missing storage.objects.list: grant roles/storage.objectViewer on the bucket to the account of this process";
const WRITE: &str = "missing storage.objects.create, or, for the state, storage.objects.get or .delete: grant roles/storage.objectUser on the bucket to the account of this process";

async fn bucket(options: &Options) -> Vec<CheckResult> {
    let names = ["bucket list", "bucket write", "conditional write"];
    let place = match Store::open(&options.to, &options.retry).await {
        Ok(place) => place,
        Err(error) => {
            let first = finding(names[0], Err(of_store(&error, LIST)));
            return [
                first,
                finding(names[1], skipped("the bucket")),
                finding(names[2], skipped("the bucket")),
            ]
            .into();
        }
    };
    let list = match place.list().try_next().await {
        Ok(_) => Ok(format!("{} can be listed", options.to)),
        // The first run creates a missing directory.
        Err(store::Error::NotFound { .. }) if matches!(options.to, store::Location::File(_)) => {
            Ok(format!("{} will be created by the first run", options.to))
        }
        Err(error) => Err(of_store(&error, LIST)),
    };
    let write = match write(&place).await {
        Ok(()) => Ok(format!("an object below {} can be written", options.to)),
        Err(error) => Err(of_store(&error, WRITE)),
    };
    let conditional = match Store::open(&options.state.location, &options.retry).await {
        Err(error) => Err(of_store(&error, WRITE)),
        Ok(store) => match probe_cas(&store).await {
            Ok(true) => Ok(format!("conditional writes below {} are enforced", options.state.location)),
            Ok(false) => Err(CheckFailure {
                failure: Failure::new(
                    format!(
                        "{}: a conditional write that should have failed succeeded, so concurrent runs would conflict",
                        options.state.location
                    ),
                    "use Cloud Storage itself or a local directory",
                ),
                access: false,
            }),
            Err(error) => Err(of_store(&error, WRITE)),
        },
    };
    vec![finding(names[0], list), finding(names[1], write), finding(names[2], conditional)]
}

fn probe_name() -> String {
    format!("zoom-udm-check-{:016x}", fastrand::Rng::new().u64(..))
}

async fn write(store: &Store) -> Result<(), store::Error> {
    let name = probe_name();
    let put = store.put_if_absent(&name, Payload::Bytes(Bytes::new())).await;
    // The object may exist although the response was lost.
    let deleted = store.delete(&name).await;
    put?;
    match deleted {
        // An account that may only create leaves an empty object, which feeds ignore.
        Err(error) if error.is_access() => Ok(()),
        deleted => deleted,
    }
}

/// Checks that a compare-and-swap against a replaced version is refused.
async fn probe_cas(store: &Store) -> Result<bool, store::Error> {
    let name = probe_name();
    let swapped = async {
        let first = store.compare_and_swap(&name, Bytes::from_static(b"1"), None).await?;
        let second = store.compare_and_swap(&name, Bytes::from_static(b"2"), first.clone()).await?;
        let third = store.compare_and_swap(&name, Bytes::from_static(b"3"), first).await?;
        Ok(second.is_some() && third.is_none())
    };
    let swapped = swapped.await;
    let deleted = store.delete(&name).await;
    let swapped = swapped?;
    deleted.map(|()| swapped)
}

/// Checks the state of the live collection, and that of backfills if there is one.
async fn state(options: &Options) -> Vec<CheckResult> {
    let store = match Store::open(&options.state.location, &options.retry).await {
        Ok(store) => store,
        Err(error) => return vec![finding("state", Err(of_store(&error, WRITE)))],
    };
    let today = Date::from_millis(options.clock.now());
    let backfill = Options { mode: Mode::Backfill { from: today, until: today }, ..options.clone() };
    let mut findings =
        vec![finding("state", inspect_state(options, &store).await.map_err(|error| of_run(&error)))];
    match store.read(BACKFILL).await {
        Ok(None) => {
            let lost = refuse_lost_state(&store, BACKFILL, options.clock.now()).await;
            findings.extend(lost.err().map(|error| finding("backfill state", Err(of_run(&error)))));
        }
        Ok(Some(_)) => {
            let looked = inspect_state(&backfill, &store).await.map_err(|error| of_run(&error));
            findings.push(finding("backfill state", looked));
        }
        Err(error) => findings.push(finding("backfill state", Err(of_store(&error, WRITE)))),
    }
    findings
}

/// Reads what a run of this kind reads before it requests pages, and what it may need later.
async fn inspect_state(options: &Options, store: &Store) -> Result<String, RunError> {
    let options = Options { dry_run: true, ..options.clone() };
    let today = Date::from_millis(options.clock.now());
    let stores = (store.clone(), store.clone());
    let state_store = StateStore::open(&options, stores, Arc::new(NoopObserver), today).await?;
    state_store.verify().await?;
    let url = store.location().url(&state_name(&options));
    let mut text = match state_store.found {
        InitialState::Legacy => {
            format!(
                "{url} will be created by the first run, which imports the state of Google's reference collector"
            )
        }
        InitialState::Existing => format!("{url} and the objects that it names can be read"),
        InitialState::Absent => format!(
            "{url} will be created by the first run, which collects the last 30 days or from --since; Zoom keeps {}",
            schedule::RETENTION_DAYS
        ),
    };
    if let Some(held) = state_store.held_by_another().await? {
        text.push_str(&format!("; {held}"));
    }
    Ok(text)
}

fn of_run(error: &RunError) -> CheckFailure {
    let with_hint = |failure: &Failure, hint: &str| {
        let hint = failure.hint.clone().unwrap_or_else(|| hint.to_owned());
        Failure::new(&failure.what, hint)
    };
    let failure = match error {
        RunError::Access(failure) => with_hint(failure, WRITE),
        RunError::Storage(failure) => with_hint(failure, UNREACHABLE_HINT),
        RunError::Usage(failure)
        | RunError::Locked(failure)
        | RunError::Corrupt(failure)
        | RunError::Zoom(failure) => failure.clone(),
        RunError::Output(error) => error.to_string().into(),
    };
    CheckFailure { failure, access: matches!(error, RunError::Access(_)) }
}
