//! Stops a run with SIGSTOP before one of its storage requests takes effect, and resumes it later, so that another run
//! can work between two requests of the stopped one.

use crate::gcs::{Gate, Gcs};
use std::process::{Child, Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A stopped run. Dropping it without [`Stalled::resume`] kills the run.
pub struct Stalled {
    child: Option<Child>,
    gate: Arc<Gate>,
}

/// Starts a run and stops it before its `nth` storage request (counted from 1) takes effect. Returns the run's output
/// instead if it ends with fewer requests. No other run may use the fake until this returns.
pub fn stall(gcs: &Gcs, nth: u64, start: impl FnOnce() -> Child) -> Result<Stalled, Output> {
    let gate = gcs.hold_request(nth);
    let mut child = start();
    let patience = Instant::now() + Duration::from_secs(20);
    while !gate.is_reached() {
        if child.try_wait().unwrap().is_some() {
            gcs.release_requests();
            return Err(child.wait_with_output().unwrap());
        }
        assert!(Instant::now() < patience, "request {nth} never arrived");
        std::thread::sleep(Duration::from_micros(300));
    }
    send(&child, "-STOP");
    Ok(Stalled { child: Some(child), gate })
}

impl Stalled {
    /// Resumes the run, waits for its end, and returns its output.
    pub fn resume(mut self) -> Output {
        let child = self.child.take().unwrap();
        send(&child, "-CONT");
        self.gate.open();
        child.wait_with_output().unwrap()
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "kill {signal} failed");
}

/// Returns the number of cases of a stall test: `STALL_CASES`, or the default.
pub fn cases(default: u64) -> u64 {
    let told = std::env::var("STALL_CASES").ok();
    told.map_or(default, |told| told.parse().expect("STALL_CASES is a number"))
}

/// Returns the seed of a stall test: `STALL_SEED`, or a constant.
pub fn seed() -> u64 {
    let told = std::env::var("STALL_SEED").ok();
    told.map_or(23, |told| told.parse().expect("STALL_SEED is a number"))
}
