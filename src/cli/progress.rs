//! The one progress bar on standard error, and how messages get above it.

use indicatif::{ProgressBar, ProgressStyle};
use std::sync::{Mutex, PoisonError};

/// The bar that is shown, if any. A message that is written past it would leave a copy of it on the terminal.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn current_bar() -> Option<ProgressBar> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Shows a bar of `length` bytes; it takes the place of the one before.
pub(super) fn show(length: u64, style: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    bar
}

/// Removes the bar from the terminal, if one is shown.
pub(super) fn clear() {
    if let Some(bar) = current_bar() {
        bar.finish_and_clear();
    }
}

/// Runs `print`, which writes whole lines to standard error, above the bar.
///
/// `print` must not print through this again: the bar is locked.
pub(super) fn print_above(print: impl FnOnce()) {
    match current_bar() {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}
