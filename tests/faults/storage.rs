//! Faults of Cloud Storage, and the places where they occur.

use testkit::gcs::{Act, Gcs, Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A transient error.
    Passing,
    /// The credentials are invalid, or lack a permission.
    Access,
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    pub(crate) kind: Kind,
    /// The message contains one of these words.
    pub(crate) words: &'static [&'static str],
}

/// A page that a proxy sends instead of the response.
const PAGE: &str = "<!doctype html><html><body><p>Please log in</p></body></html>";

const fn fault(name: &'static str, act: Act, kind: Kind, words: &'static [&'static str]) -> Fault {
    Fault { name, act, kind, words }
}

const CONNECTION_ERRORS: &[&str] =
    &["onnection", "ended", "reset", "closed", "before message completed", "cut"];
const TIMEOUT_ERRORS: &[&str] = &["timed out", "TIMEOUT", "did not answer"];

/// Errors for content that differs from the stored object.
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

/// A kind of request at which faults occur.
#[derive(Clone, Copy)]
pub(crate) struct FaultPoint {
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) part: &'static str,
    /// A part of the location in the error message.
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

    /// Returns whether the fault spoils a part of the response that the program does not use: the body after a PUT, or
    /// everything but the status after a DELETE.
    pub(crate) fn ignores(&self, fault: &Fault) -> bool {
        match self.method {
            "GET" | "LIST" | "POST" => false,
            "DELETE" => matches!(fault.name, "cut" | "stall" | "html" | "json"),
            _ => matches!(fault.name, "cut" | "stall"),
        }
    }

    /// Returns whether the fault makes sense at this place.
    fn fits(&self, fault: &Fault) -> bool {
        let reads = matches!(self.method, "GET" | "LIST" | "HEAD");
        match fault.name {
            "500" | "json" | "no end" | "other" | "twice" | "bare" => self.method == "LIST",
            // Only the checksum of the first response counts.
            "hash" if self.name == "get the rest" => false,
            // Tokens are not objects.
            "short" | "long" | "bit" | "hash" | "part" => self.method == "GET" && self.at != "token",
            "headless" => matches!(self.method, "GET" | "HEAD") && self.at != "token",
            "lost" => !reads,
            // The object that `check` writes to the data is empty.
            "garbled" => self.method == "PUT" && self.name != "write the data",
            _ => !self.ignores(fault),
        }
    }

    /// Makes the fake respond with the fault, once or always.
    pub(crate) fn inject_fault(&self, gcs: &Gcs, fault: &Fault, lasting: bool) {
        let refusal = Refusal::acting(self.method, self.part, fault.act.clone());
        let times = if lasting { u32::MAX } else { 1 };
        gcs.lock().faults.refusals.push(Refusal { times, ..refusal });
    }
}

/// Combines each place with each fault that fits it, once and persistent.
pub(crate) fn each(places: &[FaultPoint]) -> impl Iterator<Item = (FaultPoint, &'static Fault, bool)> + '_ {
    places.iter().flat_map(|place| {
        let fitting = FAULTS.iter().filter(move |fault| place.fits(fault));
        fitting.flat_map(move |fault| [false, true].map(|lasting| (*place, fault, lasting)))
    })
}

/// The faults for services. They are few, because a service differs from the commands only in its responses.
pub(crate) const SERVICE_FAULTS: [&str; 6] = ["hang", "503", "401", "403", "bit", "no end"];
