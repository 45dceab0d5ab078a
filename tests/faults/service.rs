//! Fault cases of `serve --normalize` with failing clients, and of an address in use.

use super::matrix::{FaultCase, FaultOutcome};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use testkit::files::gzip;
use testkit::ingest::{program, records};
use testkit::serve::{Answer, Server};

struct Caller {
    fault: &'static str,
    /// The HTTP status; 0 if the client does not wait for a response.
    status: i32,
    /// A word of the response or of the log.
    word: &'static str,
    call: fn(&Server) -> Answer,
}

const LINES: u64 = 2_000;

/// Sends a request with the given `Content-Length` and the beginning of its body.
fn begin(server: &Server, length: usize, body: &[u8]) -> std::net::TcpStream {
    let mut stream = server.connect();
    stream.write_all(&server.head("POST", "/normalize", &[], length)).unwrap();
    stream.write_all(body).unwrap();
    stream
}

fn posted(server: &Server, body: &[u8]) -> Answer {
    server.post("/normalize", &[], body)
}

fn callers() -> [Caller; 9] {
    let caller = |fault, status, word, call| Caller { fault, status, word, call };
    [
        caller("cut", 0, "/normalize", |server| {
            begin(server, 10_000, records(3, 1).as_bytes()).shutdown(Shutdown::Both).unwrap();
            Answer::default()
        }),
        caller("hang", 408, "in time", |server| {
            Answer::read(&mut begin(server, 10_000, records(3, 1).as_bytes()))
        }),
        caller("leaves", 0, "/normalize", |server| {
            let body = records(LINES, 1);
            let mut stream = begin(server, body.len(), body.as_bytes());
            stream.read_exact(&mut [0; 64]).unwrap();
            Answer::default()
        }),
        caller("gzip cut", 400, "gzip", |server| {
            let body = gzip(records(20, 1));
            posted(server, &body[..body.len() / 2])
        }),
        caller("gzip broken", 400, "gzip", |server| {
            let mut body = gzip(records(2000, 1));
            let middle = body.len() / 2;
            body[middle..middle + 40].fill(0x55);
            posted(server, &body)
        }),
        caller("too large", 413, "exceeds", |server| posted(server, &vec![b' '; 1 << 20])),
        caller("unpacks", 413, "decompresses", |server| posted(server, &gzip(vec![b'\n'; 8 << 20]))),
        caller("html", 200, "", |server| posted(server, b"<!doctype html><p>no record</p>\n")),
        caller("chunks", 400, "", |server| {
            let mut stream = server.connect();
            let head = server.head("POST", "/normalize", &[("Transfer-Encoding", "chunked")], 0);
            stream.write_all(&head).and_then(|()| stream.write_all(b"zz\r\n{}\r\n")).unwrap();
            Answer::read(&mut stream)
        }),
    ]
}

pub(crate) fn fault_cases() -> Vec<FaultCase> {
    let mut fault_cases: Vec<_> = (0..callers().len())
        .map(|index| {
            let run = Box::new(move || run_case(&callers()[index]));
            FaultCase {
                verb: "serve /normalize",
                place: "caller",
                fault: callers()[index].fault,
                lasting: false,
                run,
            }
        })
        .collect();
    let run = Box::new(address_in_use);
    fault_cases.push(FaultCase { verb: "serve", place: "listen", fault: "in use", lasting: true, run });
    fault_cases
}

fn run_case(caller: &Caller) -> FaultOutcome {
    let flags = ["--idle-timeout", "1s", "--max-body", "600000", "--max-unpacked", "2000000"];
    let server = Server::start(program(None, &[&["serve", "--normalize"], &flags[..]].concat()));
    let right = posted(&server, records(100, 1).as_bytes());
    let answer = (caller.call)(&server);
    let said = || format!("{} {} {}", server.said(), String::from_utf8_lossy(&answer.body), answer.summary());
    let seen = FaultOutcome::new(answer.status.into(), said()).expect(&[caller.status]);
    let again = posted(&server, records(100, 1).as_bytes());
    let seen = if answer.status == 200 {
        seen
    } else {
        seen.and(&format!("{:?} is not mentioned: {}", caller.word, said()), said().contains(caller.word))
    };
    seen.and("a rejected record is not counted", caller.fault != "html" || answer.summary()["rejects"] == 1)
        .and("a clean request gets another response", again.status == 200 && again.body == right.body)
}

fn address_in_use() -> FaultOutcome {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let output = program(None, &["serve", "--listen", &address]).output().unwrap();
    FaultOutcome::of(&output).expect(&[2]).naming(&[&["in use"], &[&address]])
}
