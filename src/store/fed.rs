//! What a task of its own brings, item by item. Its end is told from its death: a task that panics takes its end of a
//! channel with it, and what came until then would pass for all there is.

use tokio::sync::mpsc::{self, Sender};
use tokio::task::{JoinError, JoinHandle};

/// Items of a task that goes a few ahead of who takes them.
#[derive(Debug)]
pub(crate) struct Fed<T> {
    items: mpsc::Receiver<T>,
    /// Until it is known how it ended.
    task: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Fed<T> {
    /// Starts the task, which may go so many items ahead. It is to end where nobody takes them any more.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        ahead: usize,
        feed: impl FnOnce(Sender<T>) -> F,
    ) -> Self {
        let (sender, items) = mpsc::channel(ahead);
        Self { items, task: Some(tokio::spawn(feed(sender))) }
    }

    /// The same of work that blocks.
    pub(crate) fn spawn_blocking(ahead: usize, feed: impl FnOnce(Sender<T>) + Send + 'static) -> Self {
        let (sender, items) = mpsc::channel(ahead);
        Self { items, task: Some(tokio::task::spawn_blocking(move || feed(sender))) }
    }

    /// The next item, `None` behind the last; an error, once, where the task came to no end. Nothing is lost where this
    /// is given up while it waits.
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
    use super::Fed;

    async fn all(mut fed: Fed<u8>) -> (Vec<u8>, bool) {
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
    async fn an_end_is_told_from_a_death() {
        let feed = |dies: bool| {
            move |to: tokio::sync::mpsc::Sender<u8>| async move {
                to.send(1).await.unwrap();
                to.send(2).await.unwrap();
                assert!(!dies, "as asked");
            }
        };
        assert_eq!(all(Fed::spawn(1, feed(false))).await, (vec![1, 2], false));
        assert_eq!(all(Fed::spawn(1, feed(true))).await, (vec![1, 2], true));
        let blocks = Fed::spawn_blocking(1, |to: tokio::sync::mpsc::Sender<u8>| {
            to.blocking_send(1).unwrap();
            panic!("as asked");
        });
        assert_eq!(all(blocks).await, (vec![1], true));
    }
}
