//! Errors about a state that is unusable or missing, with what to do.

use crate::collect::config::Options;
use crate::collect::log_kind::LogKind;
use crate::collect::record_counts::RecordCounts;
use crate::collect::state::{CollectorState, StoredState, decode};
use crate::collector_files;
use crate::error::{Failure, RunError};
use crate::store::{self, Location, Store};
use futures::TryStreamExt as _;

/// Returns the error for a state that cannot be used, with what to do.
pub(super) async fn state_error(store: &Store, name: &str, why: &str, now: i64) -> RunError {
    let url = store.location().url(name);
    let hint = match previous_copy(store, name, now).await {
        Some(copy) => restore_command(store, &copy, name),
        None => "no usable copy found: restore a backup, or move the file away and pass --new-state, which \
                 collects the same period again"
            .into(),
    };
    RunError::Corrupt(Failure::new(format!("{url}: {why}"), hint))
}

/// Decodes the object of a state, and refuses that of another kind of log: its counts and days are of other records.
pub(crate) async fn decode_or_explain(
    store: &Store,
    name: &str,
    bytes: &[u8],
    logs: LogKind,
    now: i64,
) -> Result<StoredState, RunError> {
    match decode(bytes) {
        Ok(StoredState::Ours(state)) if state.logs != logs => {
            let (found, wanted) = (state.logs.spec().title, logs.spec().title);
            let what =
                format!("{}: this state belongs to {found}, not to {wanted}", store.location().url(name));
            let hint = format!("name another --to or --state for {wanted}, or pass --logs {}", state.logs);
            Err(RunError::Usage(Failure::new(what, hint)))
        }
        Ok(standing) => Ok(standing),
        Err(why) => Err(state_error(store, name, &why, now).await),
    }
}

/// Fails if no state exists here, but one exists where an earlier run with the same destination and other kinds of logs has
/// it: this run would collect the same records again.
pub(super) async fn refuse_other_state(options: &Options, store: &Store) -> Result<(), RunError> {
    let Some(other) = &options.state.other else { return Ok(()) };
    if store.exists(&options.state.name).await? {
        return Ok(());
    }
    let there = Store::open(&other.location, &options.retry).await?;
    for name in [&other.name[..], collector_files::BACKFILL] {
        let found =
            if there.exists(name).await? { Some(name.to_owned()) } else { find_trace(&there, name).await? };
        if let Some(found) = found {
            let url = there.location().url(&found);
            let what = format!("{url}: an earlier run used this --to with a different --logs");
            return Err(RunError::Usage(Failure::new(what, &other.hint)));
        }
    }
    Ok(())
}

/// Fails if another `--logs` gave `--to` another meaning since the state was saved, so that the logs would continue in
/// another directory, where no feed reads them. A destination that was moved on purpose is accepted.
pub(super) async fn refuse_moved_logs(
    options: &Options,
    url: &str,
    state: &CollectorState,
) -> Result<(), RunError> {
    let (here, directory) = (options.destination(), options.logs.spec().directory);
    let before = match &state.destination[..] {
        "" => match destination_of_0_1_0(options, state).await? {
            Some(before) => before,
            None => return Ok(()),
        },
        before => before.to_owned(),
    };
    let hint = if here == format!("{before}{directory}/") {
        "keep that run as it is, and collect the other logs with a run of their own: --logs NAME --to URL --state URL"
            .to_owned()
    } else if before == format!("{here}{directory}/") {
        format!("pass --to {before}, or the --logs of the earlier runs")
    } else {
        return Ok(());
    };
    let what = format!(
        "{url}: {} are stored in {before}, but --to and --logs now name {here}",
        options.logs.spec().title
    );
    Err(RunError::Usage(Failure::new(what, hint)))
}

/// Returns the parent of the destination if a state that names no destination has its objects there.
async fn destination_of_0_1_0(options: &Options, state: &CollectorState) -> Result<Option<String>, RunError> {
    let directory = options.logs.spec().directory;
    let Some((parent, _)) = options.to.split_last().filter(|(_, name)| name == directory) else {
        return Ok(None);
    };
    if state.sequence == 0 {
        return Ok(None);
    }
    let store = Store::open(&parent, &options.retry).await?;
    // Years sort before the names of directories.
    match store.list().try_next().await {
        Ok(Some(first)) if is_dated(&first.name) => Ok(Some(parent.canonicalized().to_string())),
        Ok(_) | Err(store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether a name is that of an object of a day: `YYYY/MM/DD/…`.
fn is_dated(name: &str) -> bool {
    let parts: Vec<_> = name.split('/').collect();
    parts.len() == 4 && parts[..3].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Fails if the state is missing but its objects exist, because the same period would be collected again.
pub(crate) async fn refuse_lost_state(store: &Store, name: &str, now: i64) -> Result<(), RunError> {
    let Some(trace) = find_trace(store, name).await? else { return Ok(()) };
    // A run that began meanwhile may have made both.
    if store.exists(name).await? {
        return Ok(());
    }
    let url = store.location().url(name);
    let hint = match previous_copy(store, name, now).await {
        Some(copy) => restore_command(store, &copy, name),
        None => "restore a backup of it".into(),
    };
    let what = format!("{url}: state not found, but its file {} exists", store.location().url(&trace));
    let hint = format!("{hint}; or pass --new-state, which collects the same period again");
    Err(RunError::Corrupt(Failure::new(what, hint)))
}

/// Returns an object that exists only after a state was written.
async fn find_trace(store: &Store, name: &str) -> Result<Option<String>, RunError> {
    let previous = collector_files::previous_state_name(name);
    if store.exists(&previous).await? {
        return Ok(Some(previous));
    }
    for directory in [
        collector_files::work_dir(name),
        format!("{}/{}", collector_files::MANIFESTS, collector_files::state_stem(name)),
    ] {
        match store.subdir(&directory).list().try_next().await {
            Ok(Some(listed)) => return Ok(Some(format!("{directory}/{}", listed.name))),
            Ok(None) | Err(store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Returns the name of the previous copy of the state, if the copy and all that it names can be read.
async fn previous_copy(store: &Store, name: &str, now: i64) -> Option<String> {
    let previous = collector_files::previous_state_name(name);
    let (bytes, _) = store.read(&previous).await.ok()??;
    let Ok(StoredState::Ours(copy)) = decode(&bytes) else { return None };
    (copy.clock_skew(now).is_none() && is_complete(store, name, &copy).await).then_some(previous)
}

async fn is_complete(store: &Store, name: &str, copy: &CollectorState) -> bool {
    let work = store.subdir(&collector_files::work_dir(name));
    for list in copy.count_refs() {
        let read = work.read(&list.name).await.ok().flatten();
        if read.is_none_or(|(bytes, _)| RecordCounts::decode(&bytes).is_err()) {
            return false;
        }
    }
    for pending in &copy.pending {
        if !work.exists(&pending.staged).await.is_ok_and(|exists| exists) {
            return false;
        }
    }
    true
}

fn restore_command(store: &Store, copy: &str, name: &str) -> String {
    let command = match store.location() {
        Location::File(root) => {
            let path = |name: &str| shell_quote(&root.join(name).display().to_string());
            format!("cp {} {}", path(copy), path(name))
        }
        location => {
            format!(
                "gcloud storage cp {} {}",
                shell_quote(&location.url(copy)),
                shell_quote(&location.url(name))
            )
        }
    };
    format!("restore the previous copy with `{command}`: records written after it are collected again")
}

/// Quotes a word for the shell.
fn shell_quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=+@,".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_paths_are_quoted_for_the_shell() {
        assert_eq!(shell_quote("gs://b/a-b_c/state.json"), "gs://b/a-b_c/state.json");
        assert_eq!(shell_quote("/a b/it's"), r"'/a b/it'\''s'");
    }
}
