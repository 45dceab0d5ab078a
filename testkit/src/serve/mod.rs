//! Helpers for the tests of `serve`: a running server, and a client that exposes every byte of a response.

pub mod pushes;
pub mod webhooks;

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// The time limit for a response in tests.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A running `zoom-udm serve`.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    listening: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Starts the command that `program` prepared, and waits until it listens.
    pub fn start(program: Command) -> Self {
        Self::start_logging(program, "info,object_store=error")
    }

    /// Like [`Server::start`], with a log filter.
    pub fn start_logging(mut program: Command, what: &str) -> Self {
        program.env("ZOOM_UDM_LOG", what);
        if !program.get_args().any(|argument| argument == "--listen") {
            program.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = program.spawn().unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let (lines, heard) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        let listening = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                heard.lock().unwrap().push(line);
            }
        });
        let mut server =
            Self { address: ([127, 0, 0, 1], 0).into(), child, said, listening: Some(listening) };
        let line = server.wait_for("listening");
        server.address = line["address"].as_str().unwrap().parse().unwrap();
        server
    }

    /// Returns all log lines.
    pub fn log(&self) -> Vec<Value> {
        let said = self.said.lock().unwrap();
        said.iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }

    pub fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// Waits for a log line whose message contains `part`, and returns the first one.
    pub fn wait_for(&self, part: &str) -> Value {
        let until = Instant::now() + TEST_TIMEOUT;
        loop {
            let found = self
                .log()
                .into_iter()
                .find(|line| line["message"].as_str().is_some_and(|text| text.contains(part)));
            match found {
                Some(line) => return line,
                None if Instant::now() > until => panic!("{part:?} was not logged: {}", self.said()),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send("POST", path, headers, body)
    }

    /// Posts a Pub/Sub push.
    pub fn push(&self, path: &str, body: &Value) -> Answer {
        self.post(path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        // Returns an empty response if the server was killed.
        let Ok(mut stream) = TcpStream::connect(self.address) else { return Answer::default() };
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        // The server may reject a request before it has read the body.
        let head = self.head(method, path, headers, body.len());
        let _ = stream.write_all(&head).and_then(|()| stream.write_all(body));
        Answer::read(&mut stream)
    }

    /// Sends a request without reading its response. Dropping the stream disconnects the client.
    pub fn begin(&self, method: &str, path: &str, body: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        let head = self.head(method, path, &[], body.len());
        stream.write_all(&head).and_then(|()| stream.write_all(body)).unwrap();
        stream
    }

    pub fn head(&self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if method == "POST" && !headers.iter().any(|(name, _)| *name == "Transfer-Encoding") {
            head += &format!("Content-Length: {length}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the server exits. Returns its status and how long that took.
    pub fn ended(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                if let Some(listening) = self.listening.take() {
                    listening.join().unwrap();
                }
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < TEST_TIMEOUT, "the server does not exit: {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Returns the sum of the metric samples whose lines start with a prefix.
    pub fn metric(&self, begins: &str) -> f64 {
        let text = self.get("/metrics").text();
        let values = text.lines().filter(|line| line.starts_with(begins));
        values.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// Returns the peak memory of the server in KiB.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response, byte for byte.
#[derive(Debug, Default)]
pub struct Answer {
    /// 0 if there was no response.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// Whether the response is complete.
    pub whole: bool,
}

impl Answer {
    /// Reads until the server closes the connection.
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // After a reset, the bytes received before it remain.
        let _ = stream.read_to_end(&mut bytes);
        Self::parse(&bytes)
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Self::default() };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = fields(lines);
        let mut answer = Self { status, headers, ..Self::default() };
        let mut rest = &bytes[end + 4..];
        if answer.header("transfer-encoding").is_some() {
            while let Some(line) = memchr::memmem::find(rest, b"\r\n") {
                let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
                rest = &rest[line + 2..];
                if size == 0 {
                    let text = String::from_utf8_lossy(rest).into_owned();
                    answer.whole = text.ends_with("\r\n");
                    answer.trailers = fields(text.split("\r\n"));
                    return answer;
                }
                if rest.len() < size + 2 {
                    answer.body.extend_from_slice(rest);
                    return answer;
                }
                answer.body.extend_from_slice(&rest[..size]);
                rest = &rest[size + 2..];
            }
            return answer;
        }
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.whole = rest.len() == length;
        answer.body = rest.to_vec();
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Returns the summary of a normalization, from the header or the trailer.
    pub fn summary(&self) -> Value {
        let text = self.header("zoom-udm-summary").or_else(|| find(&self.trailers, "zoom-udm-summary"));
        text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
    }

    #[track_caller]
    pub fn expect(self, status: u16, outcome: &str) -> Self {
        assert_eq!(
            (self.status, self.json()["outcome"].as_str()),
            (status, Some(outcome)),
            "{}",
            self.text()
        );
        self
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let pairs = lines.filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
}
