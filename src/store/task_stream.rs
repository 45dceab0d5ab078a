//! Items produced by a background task. Distinguishes completion from a panic: a panicking producer closes its channel,
//! which would otherwise look like a normal end of stream.

use tokio::sync::mpsc::{self, Sender};
use tokio::task::{JoinError, JoinHandle};

/// The items of a task that runs a few items ahead of its consumer.
#[derive(Debug)]
pub(crate) struct TaskStream<T> {
    items: mpsc::Receiver<T>,
    /// Present until the task's result is known.
    task: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> TaskStream<T> {
    /// Starts the task, which may run this many items ahead. It must end when the receiver is gone.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        ahead: usize,
        feed: impl FnOnce(Sender<T>) -> F,
    ) -> Self {
        let (sender, items) = mpsc::channel(ahead);
        Self { items, task: Some(tokio::spawn(feed(sender))) }
    }

    /// The same for a blocking task.
    pub(crate) fn spawn_blocking(ahead: usize, feed: impl FnOnce(Sender<T>) + Send + 'static) -> Self {
        let (sender, items) = mpsc::channel(ahead);
        Self { items, task: Some(tokio::task::spawn_blocking(move || feed(sender))) }
    }

    /// Returns the next item; `None` after the last one; an error, once, if the task panicked. Cancel-safe: no item is
    /// lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Result<T, JoinError>> {
        if let Some(item) = self.items.recv().await {
            return Some(Ok(item));
        }
        let ended = self.task.as_mut()?.await;
        self.task = None;
        ended.err().map(Err)
    }
}

#[cfg(test)]
mod tests {
    use super::TaskStream;

    async fn all(mut fed: TaskStream<u8>) -> (Vec<u8>, bool) {
        let mut items = Vec::new();
        while let Some(item) = fed.next().await {
            match item {
                Ok(item) => items.push(item),
                Err(_) => return (items, fed.next().await.is_none()),
            }
        }
        (items, false)
    }

    #[tokio::test]
    async fn panicking_producer_is_an_error_not_an_end() {
        let feed = |dies: bool| {
            move |to: tokio::sync::mpsc::Sender<u8>| async move {
                to.send(1).await.unwrap();
                to.send(2).await.unwrap();
                assert!(!dies, "as asked");
            }
        };
        assert_eq!(all(TaskStream::spawn(1, feed(false))).await, (vec![1, 2], false));
        assert_eq!(all(TaskStream::spawn(1, feed(true))).await, (vec![1, 2], true));
        let blocks = TaskStream::spawn_blocking(1, |to: tokio::sync::mpsc::Sender<u8>| {
            to.blocking_send(1).unwrap();
            panic!("as asked");
        });
        assert_eq!(all(blocks).await, (vec![1], true));
    }
}
