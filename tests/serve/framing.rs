//! Tests of requests that a proxy could interpret differently than the service (request smuggling), sent over raw
//! sockets.

use std::io::{Read as _, Write as _};
use testkit::ingest::program;
use testkit::serve::{Answer, Server};

fn start() -> Server {
    Server::start(program(None, &["serve", "--log-format", "json"]))
}

/// Returns all bytes sent in response to a request.
fn answered(server: &Server, request: &str) -> Vec<u8> {
    let mut stream = server.connect();
    stream.write_all(request.replace("HOST", &server.address.to_string()).as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // The client does not close its side, because hyper drops the requests of closed connections. After a reset, the
    // bytes received before it remain.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn answers(bytes: &[u8]) -> usize {
    memchr::memmem::find_iter(bytes, "HTTP/1.1 ").count()
}

const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: HOST\r\n\r\n";

/// Returns ambiguous or malformed requests. Each is followed by a body and another request.
fn bad_heads() -> Vec<String> {
    let heads = [
        "Host: HOST\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        "Host: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
        "Host: HOST\r\nContent-Length: 3\r\nContent-Length: 3",
        "Host: HOST\r\nContent-Length: 3\r\nContent-Length: 4",
        "Host: HOST\r\nContent-Length: +3",
        "Host: HOST\r\nContent-Length: 3, 3",
        "Host: HOST\r\nContent-Length: 0x3",
        "Host: HOST\r\nContent-Length:",
        "Host: HOST\r\nContent-Length: 3\r\n 4",
        "Host: HOST\r\nContent-Length : 3",
        "Host: HOST\nContent-Length: 3",
        "Host: HOST\r\nTransfer-Encoding: gzip, chunked",
        "Host: HOST\r\nTransfer-Encoding: chunked, identity",
        "Host: HOST\r\nTransfer-Encoding: xchunked",
        "Host: HOST\r\nTransfer-Encoding:\u{b}chunked",
        "Host: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Host: HOST\r\nTransfer-Encoding : chunked",
        "Host: HOST\r\nHost: HOST",
        "Host: HOST\r\nhost: evil.example",
        "Host: 127.0.0.1 evil",
        "Host: 127.0.0.1,evil",
        "Host: 127.0.0.1:99999x",
        "Host: 127.0.0.1:99999",
        "Host: user@127.0.0.1",
        "Host: 127.0.0.1/evil",
        "Host:",
        "Accept: */*",
    ];
    let mut all: Vec<_> =
        heads.iter().map(|head| format!("POST /normalize HTTP/1.1\r\n{head}\r\n\r\n")).collect();
    all.push("POST http://evil.example/normalize HTTP/1.1\r\nHost: HOST\r\n\r\n".into());
    all.push("POST /normalize HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n".into());
    all
}

#[test]
fn ambiguous_requests_get_400() {
    let server = start();
    for head in bad_heads() {
        let bytes = answered(&server, &format!("{head}0\r\n\r\n{SMUGGLED}"));
        assert_eq!((Answer::parse(&bytes).status, answers(&bytes)), (400, 1), "{head:?}");
    }
    server.wait_for("both Content-Length and Transfer-Encoding are present");
    server.wait_for("there is more than one Host header");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn invalid_chunk_sizes_get_400() {
    let server = start();
    for size in ["0x2", "-2", "+2", "2 2", "g", "ffffffffffffffffff", "2;a\nb"] {
        let head = "POST /normalize HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n";
        let bytes = answered(&server, &format!("{head}{size}\r\n5\n\r\n0\r\n\r\n{SMUGGLED}"));
        assert_eq!((Answer::parse(&bytes).status, answers(&bytes)), (400, 1), "{size:?}");
    }
}

#[test]
fn valid_requests_share_a_connection() {
    let server = start();
    let requests = "GET /healthz HTTP/1.1\r\nHost: HOST\r\n\r\n\
        POST /normalize HTTP/1.1\r\nhost:HOST\r\ntransfer-encoding: Chunked\r\n\r\n2;a=b\r\n5\n\r\n0\r\nA: b\r\n\r\n\
        POST /normalize HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\n5\n\
        GET http://HOST/healthz HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n";
    let bytes = answered(&server, requests);
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(text.matches(" 200 OK\r\n").count(), 4, "{text}");
    let old = answered(&server, "GET /healthz HTTP/1.0\r\n\r\n");
    assert!(old.starts_with(b"HTTP/1.0 200 OK"), "{}", String::from_utf8_lossy(&old));
}
