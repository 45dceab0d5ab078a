//! Whether everything is set up: each question on its own, with what to do where the answer is no.

use super::journal::{Found, Journal, refuse_lost_state, state_name};
use super::options::{Options, Task};
use super::plan;
use super::skew::clock_skew;
use super::zoom::{CLASSIC_SCOPE, SCOPE, Trouble, Window, Zoom, scope_cure};
use super::{Date, Error, Observer, Quiet};
use crate::clock::{Clock, instant};
use crate::kept::BACKFILL;
use crate::store::{self, Payload, Store};
use bytes::Bytes;
use futures::TryStreamExt as _;
use std::sync::Arc;

/// An answer.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was asked.
    pub name: &'static str,
    /// What was found, or what is wrong and what to do.
    pub outcome: Result<String, Wrong>,
}

/// What is wrong.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// What was found, and what to do.
    pub text: String,
    /// Whether it is for want of credentials or permission.
    pub access: bool,
}

/// Asks Zoom, the bucket and the state whether a run would go well. Writes a passing object or two, and removes them.
///
/// # Errors
/// Only where no HTTP client can be made: everything else is a finding.
pub async fn check(options: &Options, observer: Arc<dyn Observer>) -> Result<Vec<Finding>, Error> {
    let mut findings = zoom(options, observer).await?;
    findings.extend(bucket(options).await);
    findings.extend(state(options).await);
    Ok(findings)
}

fn finding(name: &'static str, outcome: Result<String, Wrong>) -> Finding {
    Finding { name, outcome }
}

fn wrong(trouble: &Trouble) -> Wrong {
    let access = matches!(trouble, Trouble::Access(_) | Trouble::Unauthorized(_));
    Wrong { text: trouble.message().to_owned(), access }
}

fn unasked(because: &str) -> Result<String, Wrong> {
    Err(Wrong { text: format!("not asked; mend {because} first"), access: false })
}

async fn zoom(options: &Options, observer: Arc<dyn Observer>) -> Result<Vec<Finding>, Error> {
    let mut zoom = Zoom::new(options, observer)?;
    let token = match zoom.token().await {
        Ok(token) => token,
        Err(trouble) => {
            let rest = ["clock", "scope", "permission", "page"];
            let rest = rest.map(|name| finding(name, unasked("the token")));
            return Ok([finding("token", Err(wrong(&trouble)))].into_iter().chain(rest).collect());
        }
    };
    let scopes = || token.scope.split([' ', ',']).filter(|scope| !scope.is_empty());
    let granted = |scope: &&str| {
        [SCOPE, CLASSIC_SCOPE, "report:master", "report:read:operation_logs:master"].contains(scope)
    };
    let scope = match (scopes().next(), scopes().find(granted)) {
        (_, Some(scope)) => Ok(format!("the app has {scope}")),
        (None, _) => Ok("Zoom does not list the app's scopes; the page tells".into()),
        (Some(_), None) => {
            Err(Wrong { text: format!("the app lacks the scope; {}", scope_cure()), access: true })
        }
    };
    let today = Date::of(options.clock.now());
    let window = Window::days(today.plus(-1), today);
    let page = zoom.page(window, None, None).await;
    let refused = |trouble: &Trouble| matches!(trouble, Trouble::Access(text) if text.contains("Role"));
    let scope = match &page {
        Err(trouble @ Trouble::Access(text)) if scope.is_ok() && text.contains(SCOPE) => Err(wrong(trouble)),
        _ => scope,
    };
    let (permission, page) = match &page {
        Ok(page) => (
            Ok("the app's owner may see operation logs".into()),
            Ok(format!("{} records of {} to {today} on the first page", page.items.len(), window.from)),
        ),
        Err(trouble) if refused(trouble) => (Err(wrong(trouble)), unasked("the permission")),
        Err(_) if scope.is_err() => (unasked("the scope"), unasked("the scope")),
        Err(trouble) => (unasked("the page"), Err(wrong(trouble))),
    };
    let api = format!("Zoom gave an access token; the API is at {}", token.api);
    Ok(vec![
        finding("token", Ok(api)),
        finding("clock", clock(token.date, options.clock.now())),
        finding("scope", scope),
        finding("permission", permission),
        finding("page", page),
    ])
}

/// Whether the clock is right, by Zoom's.
fn clock(date: Option<i64>, now: i64) -> Result<String, Wrong> {
    let Some(date) = date else { return Ok("not compared: Zoom's answer has no Date".into()) };
    match clock_skew(date, now, Clock::machine()) {
        Some(text) => Err(Wrong { text, access: false }),
        None => Ok(format!("it shows {}, and Zoom's {}", instant(now), instant(date))),
    }
}

fn of_store(error: &store::Error, cure: &str) -> Wrong {
    let missing = matches!(error, store::Error::NotFound { .. })
        || ["status code: 404", "NoSuchBucket", "404 Not Found"]
            .iter()
            .any(|mark| error.to_string().contains(mark));
    let text = if missing {
        format!("{error}: bucket not found; create it, or correct GCS_BUCKET or --to")
    } else if error.is_access() {
        format!("{error}; {cure}")
    } else {
        format!("{error}; check the network and STORAGE_EMULATOR_HOST, and try again")
    };
    Wrong { text, access: error.is_access() }
}

const LIST: &str = "it needs storage.objects.list: grant roles/storage.objectViewer on the bucket to the account that this runs as";
const WRITE: &str = "it needs storage.objects.create, and where the state is storage.objects.get and .delete too: grant \
                     roles/storage.objectUser on the bucket to the account that this runs as";

async fn bucket(options: &Options) -> Vec<Finding> {
    let names = ["bucket list", "bucket write", "conditional write"];
    let place = match Store::open(&options.to, &options.retry).await {
        Ok(place) => place,
        Err(error) => {
            let first = finding(names[0], Err(of_store(&error, LIST)));
            return [
                first,
                finding(names[1], unasked("the bucket")),
                finding(names[2], unasked("the bucket")),
            ]
            .into();
        }
    };
    let list = match place.list().try_next().await {
        Ok(_) => Ok(format!("{} can be listed", options.to)),
        // A directory that is not there yet is made by the first run.
        Err(store::Error::NotFound { .. }) if matches!(options.to, store::Location::File(_)) => {
            Ok(format!("{} is made by the first run", options.to))
        }
        Err(error) => Err(of_store(&error, LIST)),
    };
    let write = match write(&place).await {
        Ok(()) => Ok(format!("an object below {} can be written", options.to)),
        Err(error) => Err(of_store(&error, WRITE)),
    };
    let conditional = match Store::open(&options.state.location, &options.retry).await {
        Err(error) => Err(of_store(&error, WRITE)),
        Ok(store) => match swap(&store).await {
            Ok(true) => {
                Ok(format!("below {} only the version that was read is replaced", options.state.location))
            }
            Ok(false) => Err(Wrong {
                text: format!(
                    "{}: a write that should have been refused was done: this store cannot keep two runs apart; use \
                     Cloud Storage itself or a local directory",
                    options.state.location
                ),
                access: false,
            }),
            Err(error) => Err(of_store(&error, WRITE)),
        },
    };
    vec![finding(names[0], list), finding(names[1], write), finding(names[2], conditional)]
}

fn passing_name() -> String {
    format!("zoom-udm-check-{:016x}", fastrand::Rng::new().u64(..))
}

async fn write(store: &Store) -> Result<(), store::Error> {
    let name = passing_name();
    let put = store.put_new(&name, Payload::Bytes(Bytes::new())).await;
    // It may stand though its answer was lost.
    let deleted = store.delete(&name).await;
    put?;
    match deleted {
        // Whoever may only create leaves an empty object, which no feed makes anything of.
        Err(error) if error.is_access() => Ok(()),
        deleted => deleted,
    }
}

/// Whether a swap against a version that has been replaced is refused.
async fn swap(store: &Store) -> Result<bool, store::Error> {
    let name = passing_name();
    let swapped = async {
        let first = store.update(&name, Bytes::from_static(b"1"), None).await?;
        let second = store.update(&name, Bytes::from_static(b"2"), first.clone()).await?;
        let third = store.update(&name, Bytes::from_static(b"3"), first).await?;
        Ok(second.is_some() && third.is_none())
    };
    let swapped = swapped.await;
    let deleted = store.delete(&name).await;
    let swapped = swapped?;
    deleted.map(|()| swapped)
}

/// The state of the live collection, and that of backfills where there is one.
async fn state(options: &Options) -> Vec<Finding> {
    let store = match Store::open(&options.state.location, &options.retry).await {
        Ok(store) => store,
        Err(error) => return vec![finding("state", Err(of_store(&error, WRITE)))],
    };
    let today = Date::of(options.clock.now());
    let backfill = Options { task: Task::Backfill { from: today, until: today }, ..options.clone() };
    let mut findings = vec![finding("state", look(options, &store).await.map_err(|error| of_run(&error)))];
    match store.read(BACKFILL).await {
        Ok(None) => {
            let lost = refuse_lost_state(&store, BACKFILL, options.clock.now()).await;
            findings.extend(lost.err().map(|error| finding("backfill state", Err(of_run(&error)))));
        }
        Ok(Some(_)) => {
            let looked = look(&backfill, &store).await.map_err(|error| of_run(&error));
            findings.push(finding("backfill state", looked));
        }
        Err(error) => findings.push(finding("backfill state", Err(of_store(&error, WRITE)))),
    }
    findings
}

/// Reads what a run of this task would read before it asks for pages, and what it might.
async fn look(options: &Options, store: &Store) -> Result<String, Error> {
    let options = Options { dry_run: true, ..options.clone() };
    let today = Date::of(options.clock.now());
    let stores = (store.clone(), store.clone());
    let journal = Journal::open(&options, stores, Arc::new(Quiet), today).await?;
    journal.verify().await?;
    let url = store.location().url(&state_name(&options));
    let mut text = match journal.found {
        Found::Recipe => {
            format!("{url} is made by the first run, which takes over from the recipe's collector")
        }
        Found::Ours => format!("{url} and what it names can be read"),
        Found::Nothing => format!(
            "{url} is made by the first run, which collects the last 30 days or what --since says; Zoom keeps {}",
            plan::KEPT
        ),
    };
    if let Some(held) = journal.held_by_another().await? {
        text.push_str(&format!("; {held}"));
    }
    Ok(text)
}

fn of_run(error: &Error) -> Wrong {
    let text = match error {
        Error::Access(why) => format!("{why}; {WRITE}"),
        Error::Store(why) => format!("{why}; check the network and STORAGE_EMULATOR_HOST, and try again"),
        other => other.to_string(),
    };
    Wrong { text, access: matches!(error, Error::Access(_)) }
}
