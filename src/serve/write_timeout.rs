//! A connection with a write timeout, so that slow readers cannot hold memory forever. It also reports when everything
//! was sent, because hyper drops unsent bytes when a body is aborted.

use super::framing::FramingParser;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_io_timeout::TimeoutStream;

/// Reports that a connection has nothing left to send.
#[derive(Debug, Clone, Default)]
pub(super) struct FlushNotifier(Arc<Notify>);

impl FlushNotifier {
    /// Waits until everything that the response has produced so far was sent.
    pub(super) async fn flushed(&self) {
        self.0.notified().await;
    }
}

/// A connection that the service writes to.
pub(super) struct WriteTimeoutStream {
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    flush: FlushNotifier,
    framing: FramingParser,
}

impl WriteTimeoutStream {
    /// Fails writes of which the peer has taken nothing for `timeout`.
    pub(super) fn new(
        stream: TcpStream,
        timeout: Duration,
        flush: FlushNotifier,
        framing: FramingParser,
    ) -> Self {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(timeout));
        Self { stream: Box::pin(stream), flush, framing }
    }
}

impl AsyncRead for WriteTimeoutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = self.stream.as_mut().poll_read(context, buffer);
        self.framing.feed(&buffer.filled()[before..]);
        polled
    }
}

impl AsyncWrite for WriteTimeoutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper calls this only after it has written everything.
        self.flush.0.notify_waiters();
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}
