//! HTTP clients: one that uses the configured proxy, one for loopback hosts.

use crate::error::{Failure, RunError};
use crate::{http_client, net};
use reqwest::{Client, ClientBuilder, Url};
use std::time::Duration;

pub(super) struct HttpClients {
    usual: Client,
    /// Present if there is a proxy to bypass.
    direct: Option<Client>,
}

impl HttpClients {
    pub(super) fn new(timeout: Duration) -> Result<Self, RunError> {
        let made = |builder: ClientBuilder| {
            builder.build().map_err(|error| {
                let what = format!("cannot create an HTTP client: {error}");
                RunError::Usage(Failure::new(what, "check the proxy variables"))
            })
        };
        let usual = made(builder(timeout))?;
        let direct = net::proxy_configured().then(|| made(builder(timeout).no_proxy())).transpose()?;
        Ok(Self { usual, direct })
    }

    pub(super) fn to(&self, url: &Url) -> &Client {
        let direct = self.direct.as_ref();
        direct.filter(|_| net::bypasses_proxy(url.host_str().unwrap_or_default())).unwrap_or(&self.usual)
    }
}

fn builder(timeout: Duration) -> ClientBuilder {
    http_client::builder()
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .read_timeout(timeout)
        .timeout(timeout * 4)
}
