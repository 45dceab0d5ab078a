//! Where the collector's objects and states are: which flags and variables name them, for one kind of log or several.
//!
//! The variables of Google's reference collector, and `--state`, name the place of operation logs, whatever else is
//! collected. Other kinds are stored next to it: adding a kind never moves what is there.

use super::error::CliError;
use super::parsers::{env_var, location};
use crate::collect::{LogKind, OtherState, StateLocation};
use crate::collector_files;
use crate::store::Location;
use clap::Args;
use std::path::Path;

/// What is collected, and where the objects and states are.
#[derive(Args)]
pub(super) struct PlaceArgs {
    /// Logs to collect: operation, sign-in, or both [default: COLLECT_LOGS, or operation]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    logs: Vec<LogKind>,
    /// Destination: gs://BUCKET/PREFIX/ or a directory; with several kinds of logs, their parent [default: GCS_BUCKET and GCS_PREFIX]
    #[arg(long, value_name = "URL", value_parser = location)]
    to: Option<Location>,
    /// State object of operation logs [default: STATE_KEY in GCS_BUCKET, or next to --to with `.state` appended]
    #[arg(long, value_name = "URL")]
    state: Option<String>,
}

/// Where the objects and the state of a kind of log are.
pub(super) struct Place {
    pub(super) logs: LogKind,
    pub(super) to: Location,
    pub(super) name_prefix: String,
    pub(super) state: StateLocation,
}

/// The name of a state that nothing else names.
const STATE: &str = "state.json";
/// The suffix of the directory of a state that nothing else names.
const STATE_DIRECTORY: &str = ".state";

/// Returns what to collect, in order and without repetition.
pub(super) fn kinds(args: &PlaceArgs) -> Result<Vec<LogKind>, String> {
    let mut kinds = if args.logs.is_empty() { kinds_of_variable()? } else { args.logs.clone() };
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

/// Returns what `COLLECT_LOGS` says is collected.
pub(super) fn kinds_of_variable() -> Result<Vec<LogKind>, String> {
    let Some(text) = env_var("COLLECT_LOGS") else { return Ok(vec![LogKind::default()]) };
    let kinds = text.split(',').map(str::parse);
    kinds.collect::<Result<_, String>>().map_err(|why| format!("COLLECT_LOGS: {why}"))
}

fn list(kinds: &[LogKind]) -> String {
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Returns where each of these kinds of logs is stored.
pub(super) fn places(args: &PlaceArgs, kinds: &[LogKind]) -> Result<Vec<Place>, String> {
    let target = gcs_target();
    let destination = Destination::new(args.to.as_ref(), target.as_ref(), kinds)?;
    // Users who name a destination do not mean the reference collector's state.
    let key = match (&target, &args.to, env_var("STATE_KEY")) {
        (Some(GcsTarget { bucket, .. }), None, Some(key)) => {
            Some(format!("gs://{bucket}/{}", key.trim_start_matches('/')))
        }
        _ => None,
    };
    let named = args
        .state
        .as_ref()
        .or(key.as_ref())
        .map(|url| parse_state_url(url).map_err(|why| format!("--state or STATE_KEY: {why}")));
    let named = named.transpose()?;
    let legacy = key.as_deref().and_then(parse_legacy_key);
    let place = |logs: LogKind| {
        let (to, name_prefix) = destination.of(logs);
        let mut state = match &named {
            Some(named) => named_state(named, logs),
            None => StateLocation {
                location: to.sibling(STATE_DIRECTORY),
                name: STATE.to_owned(),
                legacy: None,
                other: destination.other_state(logs),
            },
        };
        if logs.is_default() {
            let here = (state.location.clone(), state.name.clone());
            let legacy = legacy.clone().or_else(|| Some((to.clone(), STATE.to_owned())));
            state.legacy = legacy.filter(|legacy| *legacy != here);
        }
        Place { logs, to, name_prefix, state }
    };
    Ok(kinds.iter().copied().map(place).collect())
}

/// Returns the states of these kinds of logs, for commands that only read them.
pub(super) fn state_locations(
    args: &PlaceArgs,
    kinds: &[LogKind],
) -> Result<Vec<(LogKind, StateLocation)>, String> {
    if let Some(url) = &args.state {
        let named = parse_state_url(url).map_err(|why| format!("--state: {why}"))?;
        return Ok(kinds.iter().map(|logs| (*logs, named_state(&named, *logs))).collect());
    }
    Ok(places(args, kinds)?.into_iter().map(|place| (place.logs, place.state)).collect())
}

/// Returns the state of a kind of log, where `--state` or `STATE_KEY` names that of operation logs: others have a
/// directory next to it, because a backfill's state and manifests have fixed names next to each state.
fn named_state((location, name): &(Location, String), logs: LogKind) -> StateLocation {
    let location = if logs.is_default() {
        location.clone()
    } else {
        location.child(&format!("{}{STATE_DIRECTORY}", logs.spec().directory))
    };
    StateLocation { location, name: name.clone(), legacy: None, other: None }
}

/// What names the place of objects.
enum Destination {
    /// `--to` for one kind of log.
    Own(Location),
    /// `--to` for several.
    Parent(Location),
    /// Variables: the directory of operation logs, and what else their names begin with.
    Variables(Location, String),
}

impl Destination {
    fn new(to: Option<&Location>, target: Option<&GcsTarget>, kinds: &[LogKind]) -> Result<Self, String> {
        let Some(to) = to else {
            let target = target.ok_or("GCS_BUCKET is not set (or give --to URL)")?;
            let (directory, rest) = target.prefix.rsplit_once('/').unwrap_or(("", &target.prefix));
            let to = format!("gs://{}/{directory}", target.bucket).parse();
            return Ok(Self::Variables(to.map_err(|why| format!("GCS_BUCKET: {why}"))?, rest.to_owned()));
        };
        let last = to.split_last();
        let owner = last
            .as_ref()
            .and_then(|(_, name)| LogKind::ALL.into_iter().find(|logs| logs.spec().directory == name));
        match (kinds, owner, last) {
            ([only], Some(owner), Some((parent, _))) if owner.is_default() && owner != *only => Err(format!(
                "--to {to} is the directory of {}; to collect {}, pass --to {}",
                owner.spec().title,
                only.spec().title,
                parent.child(only.spec().directory)
            )),
            ([_], ..) => Ok(Self::Own(to.clone())),
            (_, Some(owner), Some((parent, _))) => Err(format!(
                "--to {to} is the directory of {}; with --logs {}, --to names the parent of their directories: pass --to {parent}",
                owner.spec().title,
                list(kinds)
            )),
            _ => Ok(Self::Parent(to.clone())),
        }
    }

    /// Returns the location of a kind of log, and what else names of objects begin with.
    fn of(&self, logs: LogKind) -> (Location, String) {
        let directory = logs.spec().directory;
        match self {
            Self::Own(to) => (to.clone(), String::new()),
            Self::Parent(to) => (to.child(directory), String::new()),
            Self::Variables(to, rest) if logs.is_default() => (to.clone(), rest.clone()),
            Self::Variables(to, rest) => {
                // `signins` is next to `operationlogs`. Next to another name it begins with that name, because several
                // accounts may have their logs in one directory.
                let location = match to.split_last() {
                    _ if !rest.is_empty() => to.child(&format!("{directory}-{}", rest.trim_end_matches('-'))),
                    Some((parent, name)) if name == LogKind::default().spec().directory => {
                        parent.child(directory)
                    }
                    Some((parent, name)) => parent.child(&format!("{name}-{directory}")),
                    None => to.child(directory),
                };
                (location, String::new())
            }
        }
    }

    /// Returns the directory that contains those of all kinds of logs, if there is one.
    fn parent(&self) -> Option<Location> {
        match self {
            Self::Own(_) => None,
            Self::Variables(to, rest) if rest.is_empty() => Some(to.split_last()?.0),
            Self::Parent(to) | Self::Variables(to, _) => Some(to.clone()),
        }
    }

    /// Returns where the state of an earlier run is if `--to` meant something else for it.
    fn other_state(&self, logs: LogKind) -> Option<OtherState> {
        let (location, hint) = match self {
            Self::Own(to) => {
                let own = to.child(logs.spec().directory);
                let all = list(&LogKind::ALL);
                let hint = format!("pass --logs {all}, or --to {own}, to continue it");
                (own.sibling(STATE_DIRECTORY), hint)
            }
            Self::Parent(to) => {
                let hint = "keep that run as it is, and collect the other logs with a run of their own: --logs NAME --to URL";
                (to.sibling(STATE_DIRECTORY), hint.to_owned())
            }
            Self::Variables(..) => return None,
        };
        let hint = format!("{hint}; or pass --new-state, which collects the same period again");
        Some(OtherState { location, name: STATE.to_owned(), hint })
    }
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

/// Returns the directory of collected objects, for their readers.
pub(super) fn collected_prefix(kinds: &[LogKind]) -> Result<String, String> {
    let target = gcs_target().ok_or("INGEST_FROM is not set (nor GCS_BUCKET)")?;
    let destination = Destination::new(None, Some(&target), kinds)?;
    let [logs] = kinds else {
        let (own, _) = destination.of(LogKind::default());
        let parent = destination.parent().unwrap_or(own);
        return Err(format!(
            "INGEST_FROM is not set, and {} have a directory each; set INGEST_FROM to their parent, {parent}",
            kinds.iter().map(|logs| logs.spec().title).collect::<Vec<_>>().join(" and ")
        ));
    };
    let GcsTarget { prefix, .. } = target;
    match destination.of(*logs) {
        (to, rest) if rest.is_empty() => Ok(to.to_string()),
        _ => Err(format!(
            "GCS_PREFIX {prefix:?} does not end in /: objects are named {prefix}YYYY/MM/DD/… and are not below a directory of that name; end it in /, or set INGEST_FROM"
        )),
    }
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
        _ => Ok((location(url)?, STATE.to_owned())),
    }
}

/// Checks that all states are outside the prefixes of feeds, that all data is outside the directories that a state cleans
/// up, and that no kind of log is stored inside another.
pub(super) fn check_disjoint(places: &[Place], state_may_be_within: bool) -> Result<(), CliError> {
    for place in places {
        for state in places {
            check_state(place, &state.state, state_may_be_within)?;
        }
        let (data, own) = (data_prefix(place), place.logs.spec().title);
        let inner =
            places.iter().find(|other| other.logs != place.logs && data_prefix(other).starts_with(&data));
        if let Some(inner) = inner {
            return Err(CliError::Usage(format!(
                "the prefix of {} is inside that of {own}, {data}; set GCS_PREFIX to a directory of operation logs alone, such as zoom/operationlogs/",
                inner.logs.spec().title
            )));
        }
    }
    Ok(())
}

fn data_prefix(place: &Place) -> String {
    format!("{}{}", place.to.canonicalized(), place.name_prefix)
}

/// Checks that the data of a place and the files of a state do not contain each other.
fn check_state(place: &Place, state: &StateLocation, may_be_within: bool) -> Result<(), CliError> {
    let (data, location) = (data_prefix(place), state.location.canonicalized());
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
        .map(|name| location.url(&name))
        .collect();
    if let Some(own) = own.iter().find(|own| own.ends_with('/') && data.starts_with(*own)) {
        return Err(CliError::Usage(format!(
            "the data prefix {data} is inside {own}, where collect deletes files that the state does not name; set STATE_KEY or --state to another location (such as {}{STATE})",
            place.to.sibling(STATE_DIRECTORY)
        )));
    }
    let Some(own) = own.iter().find(|own| own.starts_with(&data)).filter(|_| !may_be_within) else {
        return Ok(());
    };
    Err(CliError::Usage(format!(
        "the state {own} is inside the data prefix {data}: a feed would ingest it as a log and, with \
         \"Delete transferred files\", delete it, and everything would be collected again; set STATE_KEY or \
         --state to another location (such as {}{STATE}), or pass --state-in-data-prefix",
        place.to.sibling(STATE_DIRECTORY)
    )))
}
