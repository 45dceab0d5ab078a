//! Standard streams that wait. Whoever started the program may have made them non-blocking (`O_NONBLOCK`), which holds
//! for all that share them; a read or write that has to wait fails with `WouldBlock` then.

use std::io::{self, Read, Write};

/// What can be waited for.
#[cfg(unix)]
pub(crate) use std::os::fd::AsFd as Pollable;

/// What can be waited for: elsewhere no stream is non-blocking.
#[cfg(not(unix))]
pub(crate) trait Pollable {}
#[cfg(not(unix))]
impl<T> Pollable for T {}

/// A stream whose reads and writes wait, whatever its mode.
#[derive(Debug)]
pub(crate) struct PollingStream<T>(pub(crate) T);

/// Standard output.
pub(crate) fn stdout() -> PollingStream<io::Stdout> {
    PollingStream(io::stdout())
}

/// Standard error.
pub(crate) fn stderr() -> PollingStream<io::Stderr> {
    PollingStream(io::stderr())
}

#[derive(Clone, Copy)]
enum Readiness {
    Readable,
    Writable,
}

impl<T: Pollable> PollingStream<T> {
    /// The result of an operation, tried again as long as it would block. One that fails so has taken or given nothing.
    fn retry<R>(
        &mut self,
        until: Readiness,
        mut operation: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            match operation(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&self.0, until, error)?,
                done => return done,
            }
        }
    }
}

#[cfg(unix)]
fn wait(stream: &impl Pollable, until: Readiness, _: io::Error) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let flags = match until {
        Readiness::Readable => PollFlags::POLLIN,
        Readiness::Writable => PollFlags::POLLOUT,
    };
    // An error or an end of the stream ends the wait, too: the next try returns it.
    match poll(&mut [PollFd::new(stream.as_fd(), flags)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn wait(_: &impl Pollable, _: &Readiness, error: io::Error) -> io::Result<()> {
    Err(error)
}

impl<T: Read + Pollable> Read for PollingStream<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(Readiness::Readable, |stream| stream.read(buffer))
    }
}

impl<T: Write + Pollable> Write for PollingStream<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(Readiness::Writable, |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.retry(Readiness::Writable, T::flush)
    }
}
