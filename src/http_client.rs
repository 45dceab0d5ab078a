//! HTTP clients: their TLS provider, user agent, and responses of bounded length.

use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, Response, redirect};

/// The user agent.
pub(crate) const USER_AGENT: &str = concat!("zoom-udm/", env!("CARGO_PKG_VERSION"));

/// Installs the TLS provider that is linked.
pub(crate) fn install_crypto_provider() {
    // A second installation fails because there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Returns a client that follows no redirects.
pub(crate) fn builder() -> ClientBuilder {
    install_crypto_provider();
    Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none())
}

/// Reads the body of a response, unless it is longer than `most` bytes.
pub(crate) async fn read_body_limited(
    mut answer: Response,
    most: usize,
) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return Ok(None);
        }
    }
    Ok(Some(body.freeze()))
}
