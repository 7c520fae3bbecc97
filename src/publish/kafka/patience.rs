//! How long the sink waits for a broker: until nothing was acknowledged for the whole of the time-out, saying so once
//! on the way. The only place of the publisher that reads a clock.

use std::time::{Duration, Instant};

use crate::limits;

/// What follows from a look at the broker's progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on waiting.
    Wait,
    /// Go on waiting, and say so.
    Say,
    /// After [`Verdict::Say`]: the broker made progress.
    Resumed,
    /// It took too long.
    Over(Duration),
}

/// The progress seen so far and since when there was none.
#[derive(Debug)]
pub(super) struct Patience {
    timeout: Duration,
    since: Instant,
    progress: u64,
    said: bool,
}

impl Patience {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, since: now(), progress: 0, said: false }
    }

    /// Waiting begins: what passed before does not count.
    pub(super) fn begin(&mut self, progress: u64) {
        (self.since, self.progress) = (now(), progress);
    }

    /// `hurried`: somebody asked for the end, so there is less time.
    pub(super) fn look(&mut self, progress: u64, hurried: bool) -> Verdict {
        self.look_at(progress, hurried, now())
    }

    /// Forgets that the waiting was said; tells whether it was.
    pub(super) fn quiet(&mut self) -> bool {
        std::mem::take(&mut self.said)
    }

    fn look_at(&mut self, progress: u64, hurried: bool, at: Instant) -> Verdict {
        if progress != self.progress {
            (self.since, self.progress) = (at, progress);
            return if self.said { Verdict::Resumed } else { Verdict::Wait };
        }
        let waited = at.saturating_duration_since(self.since);
        let hurry = Duration::from_millis(limits::KAFKA_STOPPED_MS);
        if waited >= if hurried { self.timeout.min(hurry) } else { self.timeout } {
            return Verdict::Over(waited);
        }
        if !self.said && waited >= Duration::from_millis(limits::KAFKA_SILENCE_MS) {
            self.said = true;
            return Verdict::Say;
        }
        Verdict::Wait
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a broker is silent is told by the clock on the wall")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_said_once_and_ends_at_the_time_out() {
        let mut patience = Patience::new(Duration::from_secs(10));
        let start = patience.since;
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(patience.look_at(0, false, after(1)), Verdict::Wait);
        assert_eq!(patience.look_at(0, false, after(3)), Verdict::Say);
        assert_eq!(patience.look_at(0, false, after(9)), Verdict::Wait);
        assert_eq!(patience.look_at(5, false, after(9)), Verdict::Resumed);
        assert!(patience.quiet() && !patience.quiet());
        assert_eq!(patience.look_at(5, false, after(18)), Verdict::Say);
        assert_eq!(patience.look_at(5, false, after(19)), Verdict::Over(Duration::from_secs(10)));
    }

    #[test]
    fn whoever_is_asked_to_end_waits_less() {
        let mut patience = Patience::new(Duration::from_secs(60));
        let start = patience.since;
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(patience.look_at(0, true, after(1)), Verdict::Wait);
        assert_eq!(patience.look_at(1, true, after(4)), Verdict::Wait);
        assert_eq!(patience.look_at(1, false, after(20)), Verdict::Say);
        assert_eq!(patience.look_at(1, true, after(20)), Verdict::Over(Duration::from_secs(16)));
    }

    #[test]
    fn any_progress_begins_the_time_anew() {
        let mut patience = Patience::new(Duration::from_secs(10));
        let start = patience.since;
        for second in 1..100 {
            let verdict = patience.look_at(second / 9, false, start + Duration::from_secs(second));
            assert!(!matches!(verdict, Verdict::Over(_)), "{second}");
        }
    }
}
