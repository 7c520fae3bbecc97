//! What a worker has told and the merge has not taken yet.
//!
//! The worker never waits: lines that find no room stay here, up to a bound, and go with those of a later slot. A
//! quiet worker says now and then how far the capture clock is, so that what is due by event time comes out.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Sender, TrySendError};

use crate::limits::{LINES_BEHIND_BYTES_MAX, QUIET_ANSWER_NS};
use crate::sensor::pipeline::Answered;
use crate::time::Timestamp;
use crate::worker::Lines;

/// Lines on their way to the merge.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Lines,
    /// The capture clock that the merge was told last.
    told: Timestamp,
}

impl Outbox {
    /// The lines of one more slot, which ended at `clock`. Returns how many lines were dropped.
    pub(super) fn send(
        &mut self,
        lines: Lines,
        clock: Timestamp,
        worker: usize,
        answer: &Sender<(usize, Answered)>,
        stop: &AtomicBool,
    ) -> u64 {
        self.waiting.append(lines);
        if self.waiting.lines.is_empty() && clock.since(self.told) < QUIET_ANSWER_NS {
            return 0;
        }
        let lines = std::mem::take(&mut self.waiting);
        match answer.try_send((worker, Answered { lines, clock, last: false })) {
            Ok(()) => self.told = clock,
            Err(TrySendError::Full((_, answered))) => {
                if answered.lines.bytes() > LINES_BEHIND_BYTES_MAX {
                    return answered.lines.lines.len() as u64;
                }
                self.waiting = answered.lines;
            }
            // nobody writes any more: the thread behind failed, and that is told
            Err(TrySendError::Disconnected(_)) => stop.store(true, Ordering::Relaxed),
        }
        0
    }

    /// The end: everything that is left, with these behind.
    pub(super) fn close(mut self, lines: Lines) -> Lines {
        self.waiting.append(lines);
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_worker_tells_the_clock_once_a_second() {
        let (answer, answers) = crossbeam_channel::unbounded();
        let (mut outbox, stop) = (Outbox::default(), AtomicBool::new(false));
        // slots of 20 ms from some second on
        for slot in 0..=500 {
            let clock = Timestamp::from_nanos(1_700_000_000_000_000_000 + slot * 20_000_000);
            assert_eq!(outbox.send(Lines::default(), clock, 3, &answer, &stop), 0);
        }
        let told: Vec<_> = answers.try_iter().collect();
        assert!(told.iter().all(|(worker, told)| *worker == 3 && told.lines.lines.is_empty()));
        let clocks: Vec<u64> =
            told.iter().map(|(_, told)| told.clock.as_nanos() % 1_000_000_000_000 / 1_000_000_000).collect();
        assert_eq!(clocks, (0..=10).collect::<Vec<_>>());
        // the clock stands still: nothing more
        let clock = Timestamp::from_nanos(1_700_000_010_000_000_000);
        outbox.send(Lines::default(), clock, 3, &answer, &stop);
        assert!(answers.is_empty() && !stop.load(Ordering::Relaxed));
        drop(answers);
        outbox.send(Lines::default(), clock.plus(QUIET_ANSWER_NS), 3, &answer, &stop);
        assert!(stop.load(Ordering::Relaxed));
    }
}
