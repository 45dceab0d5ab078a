//! `zoom-udm serve`: collect, ingest and normalize behind HTTP.

use super::{Exit, Fault, feed};
use crate::serve::Options;
use clap::Args;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Notify;

/// Serve collect, ingest and normalize over HTTP, and a page that explains records
#[derive(Args)]
pub(super) struct Flags {
    /// Where to listen; port 0 is any that is free [default: 0.0.0.0:$PORT where PORT is set, or 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(flags: &Flags) -> Result<Exit, Fault> {
    let options = Options { listen: listen(flags.listen)?, grace: Duration::from_secs(8) };
    feed::log_as_json();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from)?;
    let outcome = runtime.block_on(async {
        let stop = Arc::new(Notify::new());
        feed::stop_at_signals(&stop, &Arc::new(AtomicBool::new(false)));
        crate::serve::run(options, stop).await
    });
    runtime.shutdown_background();
    outcome?;
    Ok(Exit::Done)
}

/// Cloud Run says with PORT where it expects the service.
fn listen(flag: Option<SocketAddr>) -> Result<SocketAddr, Fault> {
    if let Some(address) = flag {
        return Ok(address);
    }
    match std::env::var("PORT") {
        Err(_) => Ok(([127, 0, 0, 1], 8080).into()),
        Ok(port) => {
            let number: Result<u16, _> = port.parse();
            number
                .map(|port| ([0, 0, 0, 0], port).into())
                .map_err(|_| Fault::Usage(format!("PORT is {port:?}; expected a number from 0 to 65535")))
        }
    }
}
