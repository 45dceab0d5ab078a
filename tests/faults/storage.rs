//! Faults of Cloud Storage, and what each of them must come to.

use testkit::gcs::{Act, Gcs, Refusal};

/// How a fault counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It may go well in a moment.
    Passing,
    /// The credentials are not taken, or not for this.
    Access,
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    pub(crate) kind: Kind,
    /// One of these words names it.
    pub(crate) words: &'static [&'static str],
}

/// A page that a proxy puts in the place of an answer.
const PAGE: &str = "<!doctype html><html><body><p>Please log in</p></body></html>";

const fn fault(name: &'static str, act: Act, kind: Kind, words: &'static [&'static str]) -> Fault {
    Fault { name, act, kind, words }
}

const CONNECTION_ERRORS: &[&str] =
    &["onnection", "ended", "reset", "closed", "before message completed", "cut"];
const TIMEOUT_ERRORS: &[&str] = &["timed out", "TIMEOUT", "did not answer"];

/// What comes instead of the object.
const CORRUPTION_ERRORS: &[&str] = &["received", "corrupted in transit", "partial response"];
const FOREIGN_SERVER_ERRORS: &[&str] = &["not from Cloud Storage"];

pub(crate) static FAULTS: [Fault; 23] = [
    fault("reset", Act::Reset, Kind::Passing, CONNECTION_ERRORS),
    fault("lost", Act::ResetAfter, Kind::Passing, CONNECTION_ERRORS),
    fault("hang", Act::Hang, Kind::Passing, TIMEOUT_ERRORS),
    fault("stall", Act::Stall, Kind::Passing, TIMEOUT_ERRORS),
    fault("cut", Act::Cut, Kind::Passing, CONNECTION_ERRORS),
    fault("429", Act::Status(429), Kind::Passing, &["429"]),
    fault("500", Act::Status(500), Kind::Passing, &["500"]),
    fault("503", Act::Status(503), Kind::Passing, &["503"]),
    fault("401", Act::Status(401), Kind::Access, &["401", "credentials"]),
    fault("403", Act::Status(403), Kind::Access, &["403", "permission"]),
    fault("garbled", Act::Garbled, Kind::Passing, &["corrupted in transit"]),
    fault("html", Act::Body(200, PAGE), Kind::Passing, &["not from Cloud Storage"]),
    fault("json", Act::Body(200, "{\"kind\":\"?\"}"), Kind::Passing, &["not from Cloud Storage"]),
    fault("short", Act::Short, Kind::Passing, CORRUPTION_ERRORS),
    fault("long", Act::Long, Kind::Passing, CORRUPTION_ERRORS),
    fault("bit", Act::Flipped, Kind::Passing, CORRUPTION_ERRORS),
    fault("hash", Act::WrongHash, Kind::Passing, CORRUPTION_ERRORS),
    fault("part", Act::Partial, Kind::Passing, CORRUPTION_ERRORS),
    fault("headless", Act::NoHeaders, Kind::Passing, FOREIGN_SERVER_ERRORS),
    fault(
        "no end",
        Act::Page("<IsTruncated>false", "<IsTruncated>true"),
        Kind::Passing,
        FOREIGN_SERVER_ERRORS,
    ),
    fault("other", Act::Page("<Name>", "<Name>other-"), Kind::Passing, FOREIGN_SERVER_ERRORS),
    fault("twice", Act::Twice, Kind::Passing, FOREIGN_SERVER_ERRORS),
    fault("bare", Act::Body(200, "<ListBucketResult/>"), Kind::Passing, FOREIGN_SERVER_ERRORS),
];

/// Requests that are spoiled.
#[derive(Clone, Copy)]
pub(crate) struct FaultPoint {
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) part: &'static str,
    /// What a message about it holds.
    pub(crate) at: &'static str,
}

impl FaultPoint {
    pub(crate) const fn new(
        name: &'static str,
        method: &'static str,
        part: &'static str,
        at: &'static str,
    ) -> Self {
        Self { name, method, part, at }
    }

    /// Whether the program has no use for what the fault spoils: the body of an answer to a PUT, what a DELETE is
    /// answered beside its status.
    pub(crate) fn ignores(&self, fault: &Fault) -> bool {
        match self.method {
            "GET" | "LIST" | "POST" => false,
            "DELETE" => matches!(fault.name, "cut" | "stall" | "html" | "json"),
            _ => matches!(fault.name, "cut" | "stall"),
        }
    }

    /// Whether the fault is worth a cell of its own here.
    fn fits(&self, fault: &Fault) -> bool {
        let reads = matches!(self.method, "GET" | "LIST" | "HEAD");
        match fault.name {
            "500" | "json" | "no end" | "other" | "twice" | "bare" => self.method == "LIST",
            // The checksum that counts is that of the first answer.
            "hash" if self.name == "get the rest" => false,
            // Tokens are not objects.
            "short" | "long" | "bit" | "hash" | "part" => self.method == "GET" && self.at != "token",
            "headless" => matches!(self.method, "GET" | "HEAD") && self.at != "token",
            "lost" => !reads,
            // What `check` writes among the data is empty.
            "garbled" => self.method == "PUT" && self.name != "write the data",
            _ => !self.ignores(fault),
        }
    }

    /// Has the fault strike here.
    pub(crate) fn inject_fault(&self, gcs: &Gcs, fault: &Fault, lasting: bool) {
        let refusal = Refusal::acting(self.method, self.part, fault.act.clone());
        let times = if lasting { u32::MAX } else { 1 };
        gcs.lock().faults.refusals.push(Refusal { times, ..refusal });
    }
}

/// Each place with each fault that fits it, once and lasting.
pub(crate) fn each(places: &[FaultPoint]) -> impl Iterator<Item = (FaultPoint, &'static Fault, bool)> + '_ {
    places.iter().flat_map(|place| {
        let fitting = FAULTS.iter().filter(move |fault| place.fits(fault));
        fitting.flat_map(move |fault| [false, true].map(|lasting| (*place, fault, lasting)))
    })
}

/// What a service is tried with: it does as the verbs do, but for its answers.
pub(crate) const SERVICE_FAULTS: [&str; 6] = ["hang", "503", "401", "403", "bit", "no end"];
