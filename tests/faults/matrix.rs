//! Runs the cases of the fault matrix and prints the results.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;
use std::sync::Mutex;

/// The number of cases that run in parallel. Most of them wait for a timeout, not for a CPU.
const PARALLEL_CASES: usize = 12;

/// A command, a place and a fault.
pub(crate) struct FaultCase {
    pub(crate) verb: &'static str,
    pub(crate) place: &'static str,
    pub(crate) fault: &'static str,
    /// Whether the fault persists. Otherwise it occurs once.
    pub(crate) lasting: bool,
    pub(crate) run: Box<dyn FnOnce() -> FaultOutcome + Send>,
}

/// The result of a case.
pub(crate) struct FaultOutcome {
    /// The exit code, or the HTTP status.
    pub(crate) code: i32,
    pub(crate) wrong: Vec<String>,
    pub(crate) said: String,
}

impl FaultOutcome {
    pub(crate) fn new(code: i32, said: impl Into<String>) -> Self {
        let said = said.into();
        let panicked = said.contains("panicked");
        let wrong = panicked.then(|| "the program panicked".into()).into_iter().collect();
        Self { code, wrong, said }
    }

    pub(crate) fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Self::new(output.status.code().unwrap_or(-1), said)
    }

    /// Requires one of the documented codes.
    pub(crate) fn expect(mut self, codes: &[i32]) -> Self {
        if !codes.contains(&self.code) {
            self.wrong.push(format!("code {}, not one of {codes:?}", self.code));
        }
        self
    }

    /// Requires that the message contains one word of each list (the cause, the location), unless the run succeeded.
    pub(crate) fn naming(mut self, each: &[&[&str]]) -> Self {
        if self.code == 0 || self.code == 200 {
            return self;
        }
        for words in each {
            if !words.is_empty() && !words.iter().any(|word| self.said.contains(word)) {
                self.wrong.push(format!("the message contains none of {words:?}"));
            }
        }
        self
    }

    /// Requires a condition; `what` describes the failure.
    pub(crate) fn and(mut self, what: &str, holds: bool) -> Self {
        if !holds {
            self.wrong.push(what.to_owned());
        }
        self
    }
}

type Row = (&'static str, &'static str);

/// Runs the cases that `FAULTS` selects, prints the matrix, and returns the failures.
pub(crate) fn run(fault_cases: Vec<FaultCase>) -> Vec<String> {
    let only = std::env::var("FAULTS").unwrap_or_default();
    let chosen = |cell: &FaultCase| format!("{} {} {}", cell.verb, cell.place, cell.fault).contains(&only);
    let queue = Mutex::new(fault_cases.into_iter().filter(chosen).collect::<Vec<_>>().into_iter());
    let (shown, wrong) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL_CASES {
            scope.spawn(|| {
                loop {
                    let Some(FaultCase { verb, place, fault, lasting, run }) = queue.lock().unwrap().next()
                    else {
                        return;
                    };
                    let seen = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|why| {
                        let text = why.downcast_ref::<String>().cloned().unwrap_or_default();
                        FaultOutcome {
                            code: -1,
                            wrong: vec![format!("the test panicked: {text}")],
                            said: String::new(),
                        }
                    });
                    let well = seen.wrong.is_empty();
                    shown.lock().unwrap().insert(((verb, place), fault, lasting), (seen.code, well));
                    let how = if lasting { "lasting" } else { "once" };
                    if !well {
                        let FaultOutcome { wrong: why, said, .. } = seen;
                        let text = format!("{verb}, {place}, {fault}, {how}: {}\n{said}", why.join("; "));
                        wrong.lock().unwrap().push(text);
                    } else if !only.is_empty() {
                        println!("{verb}, {place}, {fault}, {how}: {}\n{}", seen.code, seen.said);
                    }
                }
            });
        }
    });
    println!("{}", table(&shown.into_inner().unwrap()));
    wrong.into_inner().unwrap()
}

/// Returns a table per command, with a row per place and a column per fault. A cell has the code after a single fault
/// and after a persistent one; `!` marks a failure.
fn table(shown: &BTreeMap<(Row, &str, bool), (i32, bool)>) -> String {
    let mut text = String::new();
    let verbs: BTreeSet<_> = shown.keys().map(|((verb, _), ..)| *verb).collect();
    for verb in verbs {
        let of: Vec<_> = shown.keys().filter(|((of, _), ..)| *of == verb).collect();
        let places: BTreeSet<_> = of.iter().map(|((_, place), ..)| *place).collect();
        let faults: BTreeSet<_> = of.iter().map(|(_, fault, _)| *fault).collect();
        let first = places.iter().map(|place| place.len()).max().unwrap_or(0).max(verb.len());
        let cell = |place: &'static str, fault: &str| {
            let one = |lasting| {
                let seen = shown.iter().find(|(key, _)| **key == ((verb, place), fault, lasting));
                seen.map_or("-".into(), |(_, (code, well))| format!("{code}{}", if *well { "" } else { "!" }))
            };
            match (one(false).as_str(), one(true).as_str()) {
                ("-", "-") => String::new(),
                (once, lasting) => format!("{once}/{lasting}"),
            }
        };
        let _ = write!(text, "\n{verb:first$}");
        for fault in &faults {
            let _ = write!(text, " | {fault:^9}");
        }
        for place in &places {
            let _ = write!(text, "\n{place:first$}");
            for fault in &faults {
                let _ = write!(text, " | {:^width$}", cell(place, fault), width = fault.len().max(9));
            }
        }
        text.push('\n');
    }
    let (fault_cases, wrong) = (shown.len(), shown.values().filter(|(_, well)| !well).count());
    text + &format!(
        "\n{fault_cases} cases, {wrong} wrong; single/persistent fault: the exit code or HTTP status\n"
    )
}
