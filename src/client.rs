//! HTTP clients: the TLS that all of them share, who they say they are, and answers of a bounded length.

use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, Response, redirect};

/// Who is asking.
pub(crate) const AGENT: &str = concat!("zoom-udm/", env!("CARGO_PKG_VERSION"));

/// Has clients use the one implementation of TLS that is linked.
pub(crate) fn use_ring() {
    // A second installation says that there is one already: as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that goes where it is sent and nowhere else.
pub(crate) fn builder() -> ClientBuilder {
    use_ring();
    Client::builder().user_agent(AGENT).redirect(redirect::Policy::none())
}

/// The body of an answer, unless it is longer than `most` bytes.
pub(crate) async fn body(mut answer: Response, most: usize) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return Ok(None);
        }
    }
    Ok(Some(body.freeze()))
}
