//! Asks on their way from shards to a thread for files, which begins with the first of them.

use super::{Ask, Ears, Event, worker};
use crate::log::Log;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

/// What shards put in is bounded by what they may have under way of each file.
pub(super) struct Queue {
    number: usize,
    ears: Vec<Arc<Ears>>,
    log: Log,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    asks: VecDeque<(usize, Ask)>,
    waker: Option<Waker>,
    started: bool,
    /// Why there is no thread.
    refused: Option<String>,
}

impl Queue {
    pub fn new(number: usize, ears: Vec<Arc<Ears>>, log: Log) -> Arc<Queue> {
        Arc::new(Queue { number, ears, log, inside: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn push(self: &Arc<Queue>, shard: usize, ask: Ask) {
        let mut inside = self.lock();
        if inside.refused.is_some() {
            drop(inside);
            return self.turn_away(shard, ask);
        }
        inside.asks.push_back((shard, ask));
        let waker = inside.waker.take();
        let first = !std::mem::replace(&mut inside.started, true);
        drop(inside);
        if let Some(waker) = waker {
            waker.wake();
        } else if first {
            let queue = self.clone();
            let thread = std::thread::Builder::new().name(format!("files-{}", self.number));
            if let Err(e) = thread.spawn(move || worker::run(&queue)) {
                self.refuse(&format!("Could not start a thread for files: {e}"));
            }
        }
    }

    /// The next ask, and whose it is.
    pub async fn next(&self) -> (usize, Ask) {
        poll_fn(|context| {
            let mut inside = self.lock();
            match inside.asks.pop_front() {
                Some(next) => Poll::Ready(next),
                None => {
                    inside.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// There will be no thread: everything fails for this reason.
    pub fn refuse(&self, reason: &str) {
        let mut inside = self.lock();
        inside.refused = Some(reason.to_string());
        let asks = std::mem::take(&mut inside.asks);
        drop(inside);
        asks.into_iter().for_each(|(shard, ask)| self.turn_away(shard, ask));
    }

    fn turn_away(&self, shard: usize, ask: Ask) {
        let error = || self.lock().refused.clone().unwrap_or_default();
        match ask {
            Ask::Create { id, .. } | Ask::Seal { id, .. } | Ask::Read { id, .. } => {
                self.ears[shard].post(Event::Failed { id, error: error() });
            }
            Ask::Abandon { id } | Ask::Remove { id, .. } => self.ears[shard].post(Event::Abandoned { id }),
            Ask::Write { .. } | Ask::Finish { .. } | Ask::Taken { .. } | Ask::Log(_) | Ask::Keep { .. } => {}
        }
    }

    pub fn ears(&self, shard: usize) -> Arc<Ears> {
        self.ears[shard].clone()
    }

    pub fn log(&self) -> &Log {
        &self.log
    }
}
