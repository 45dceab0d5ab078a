//! HTTP clients: their TLS provider, user agent, and responses of bounded length.

use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, Response, redirect};

/// The user agent.
pub(crate) const AGENT: &str = concat!("zoom-udm/", env!("CARGO_PKG_VERSION"));

/// Installs the TLS provider that is linked.
pub(crate) fn use_ring() {
    // A second installation fails because there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Returns a client that follows no redirects.
pub(crate) fn builder() -> ClientBuilder {
    use_ring();
    Client::builder().user_agent(AGENT).redirect(redirect::Policy::none())
}

/// Reads the body of a response, unless it is longer than `most` bytes.
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
