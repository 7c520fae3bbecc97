//! Sessions of TLS that one worker learned, on their way to all others: a connection that resumes one may be another's.

use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};

use crate::tls::Keys;

/// The ways to all workers. No worker waits for another: what finds no room waits here.
pub(super) struct Sessions {
    workers: Vec<(Sender<Arc<Keys>>, Keys)>,
}

impl Sessions {
    pub(super) fn new(workers: Vec<Sender<Arc<Keys>>>) -> Self {
        Self { workers: workers.into_iter().map(|worker| (worker, Keys::default())).collect() }
    }

    /// Sends what was learned, and what had no room before.
    pub(super) fn send(&mut self, learned: Keys) {
        let learned = Arc::new(learned);
        for (worker, unsent) in &mut self.workers {
            let all = if unsent.is_empty() {
                Arc::clone(&learned)
            } else {
                unsent.merge(&learned);
                Arc::new(std::mem::take(unsent))
            };
            if all.is_empty() {
                continue;
            }
            // one that has gone needs none
            if let Err(TrySendError::Full(all)) = worker.try_send(all) {
                *unsent = Arc::unwrap_or_clone(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_comes_later_and_nobody_waits() {
        let keys = |number: u8| {
            let mut keys = Keys::default();
            let line = format!("CLIENT_RANDOM {} {}", format!("{number:02x}").repeat(32), "ab".repeat(48));
            keys.take(line.as_bytes());
            keys
        };
        let (quick, slow) = (crossbeam_channel::unbounded(), crossbeam_channel::bounded(1));
        let mut sessions = Sessions::new(vec![quick.0, slow.0]);
        (1..=3).for_each(|number| sessions.send(keys(number)));
        sessions.send(Keys::default());
        let names = |keys: Arc<Keys>| {
            let mut names: Vec<u8> = keys.names().map(|random| random[0]).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(quick.1.try_iter().map(names).collect::<Vec<_>>(), [[1], [2], [3]]);
        assert_eq!(slow.1.try_iter().map(names).collect::<Vec<_>>(), [[1]]);
        sessions.send(Keys::default());
        assert_eq!(slow.1.try_iter().map(names).collect::<Vec<_>>(), [[2, 3]]);
        drop(slow.1);
        sessions.send(keys(4));
        assert_eq!(quick.1.try_iter().map(names).collect::<Vec<_>>(), [[4]]);
    }
}
