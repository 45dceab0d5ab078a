//! A proxy that records requests and refuses them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Proxy {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let notes = Arc::clone(&heard);
        std::thread::spawn(move || listener.incoming().flatten().for_each(|caller| refuse(&caller, &notes)));
        Self { address, heard }
    }

    /// Returns the proxy's URL, with a password in it.
    pub fn url(&self) -> String {
        format!("http://user:marked-password@{}", self.address)
    }

    /// Returns the request lines and headers of all requests.
    pub fn request_heads(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn refuse(mut caller: &TcpStream, notes: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(caller).lines();
    let head: Vec<_> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    notes.lock().unwrap().push(head.join("\n"));
    let _ = caller.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
