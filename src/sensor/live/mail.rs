//! Segments for a worker that another one's socket got: those of fragments and of tunnels, into which the kernel does
//! not look and which all reach the first socket.
//!
//! A flow may come both ways, its long segments in fragments and its acknowledgements whole. What acknowledges bytes
//! must not be pushed some hundred frames before them, or the bytes count as lost. So while there is mail, a worker
//! puts its own segments beside it, lets both wait for some slots, and takes them by time.

use std::collections::VecDeque;

use crossbeam_channel::Receiver;

use crate::limits::{HANDED_OVER_MAX, MAIL_ACTIVE_SLOTS, MAIL_SEGMENTS_MAX, MAIL_WAIT_SLOTS};
use crate::time::Timestamp;
use crate::worker::Packed;

/// A segment with its payload.
pub(super) struct HandedOver {
    pub(super) packed: Packed,
    pub(super) payload: Vec<u8>,
}

/// A segment and the slot in which it came.
struct Waiting {
    slot: u64,
    handed: HandedOver,
}

/// The mailbox of one worker.
pub(super) struct Mail {
    mailbox: Receiver<HandedOver>,
    slot: u64,
    /// Up to here the worker's own segments wait beside the mail.
    active_until: u64,
    handed: VecDeque<Waiting>,
    own: VecDeque<Waiting>,
}

impl Mail {
    pub(super) const fn new(mailbox: Receiver<HandedOver>) -> Self {
        Self { mailbox, slot: 0, active_until: 0, handed: VecDeque::new(), own: VecDeque::new() }
    }

    /// The worker's own segments have to wait too.
    pub(super) const fn active(&self) -> bool {
        self.slot < self.active_until
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.handed.is_empty() && self.own.is_empty()
    }

    /// A segment of the worker's own socket.
    pub(super) fn keep(&mut self, packed: Packed, payload: &[u8]) {
        let handed = HandedOver { packed, payload: payload.to_vec() };
        self.own.push_back(Waiting { slot: self.slot, handed });
    }

    /// The end of a slot: hands out what has waited for long enough, by time.
    pub(super) fn open(&mut self, mut take: impl FnMut(&Packed, &[u8])) {
        for handed in self.mailbox.try_iter().take(HANDED_OVER_MAX) {
            self.active_until = self.slot + MAIL_ACTIVE_SLOTS;
            self.handed.push_back(Waiting { slot: self.slot, handed });
        }
        self.slot += 1;
        let full = self.handed.len() + self.own.len() > MAIL_SEGMENTS_MAX;
        let horizon = if self.active() && !full { self.horizon() } else { Timestamp::MAX };
        self.hand_out(horizon, &mut take);
    }

    /// The end of all: once the others have gone, everything.
    pub(super) fn empty(&mut self, mut take: impl FnMut(&Packed, &[u8])) {
        let slot = self.slot;
        self.handed.extend(self.mailbox.iter().map(|handed| Waiting { slot, handed }));
        self.hand_out(Timestamp::MAX, &mut take);
    }

    /// The newest time of what has waited for long enough.
    fn horizon(&self) -> Timestamp {
        let due = |waiting: &&Waiting| waiting.slot + MAIL_WAIT_SLOTS < self.slot;
        let newest = |queue: &VecDeque<Waiting>| {
            queue.iter().take_while(due).map(|waiting| waiting.handed.packed.stamp.time).max()
        };
        newest(&self.handed).max(newest(&self.own)).unwrap_or(Timestamp::ZERO)
    }

    fn hand_out(&mut self, horizon: Timestamp, take: &mut impl FnMut(&Packed, &[u8])) {
        let time = |queue: &VecDeque<Waiting>| queue.front().map(|first| first.handed.packed.stamp.time);
        loop {
            let (handed, own) = (time(&self.handed), time(&self.own));
            let first = match (handed, own) {
                (Some(handed), Some(own)) if own < handed => &mut self.own,
                (None, _) => &mut self.own,
                _ => &mut self.handed,
            };
            match first.pop_front() {
                Some(one) if one.handed.packed.stamp.time <= horizon => {
                    take(&one.handed.packed, &one.handed.payload);
                }
                Some(early) => return first.push_front(early),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Stamp;
    use crate::wire::{Direction, FlowKey, TcpFlags};

    fn packed(nanos: u64) -> Packed {
        let time = Timestamp::from_nanos(nanos);
        let ends = ["10.0.0.1:1".parse().unwrap(), "10.0.0.2:80".parse().unwrap()];
        let (flow, direction) = FlowKey::new(ends[0], ends[1], None);
        let _: Direction = direction;
        Packed {
            stamp: Stamp { time, clock: time },
            ordinal: nanos,
            hash: 0,
            flow,
            direction,
            flags: TcpFlags::ACK,
            block: 0,
            seq: 0,
            ack: 0,
            missing: 0,
            interface: 0,
            start: 0,
            len: 0,
        }
    }

    #[test]
    fn both_ways_come_out_by_time_and_nothing_stays() {
        let (sender, mailbox) = crossbeam_channel::unbounded();
        let mut mail = Mail::new(mailbox);
        let mut out = Vec::new();
        let hand = |nanos| sender.send(HandedOver { packed: packed(nanos), payload: Vec::new() }).unwrap();
        assert!(!mail.active());
        hand(10);
        mail.open(|packed, _| out.push(packed.stamp.time.as_nanos()));
        assert!(mail.active() && out.is_empty());
        mail.keep(packed(12), b"");
        mail.keep(packed(14), b"");
        mail.open(|packed, _| out.push(packed.stamp.time.as_nanos()));
        hand(11);
        hand(13);
        for _ in 0..=MAIL_WAIT_SLOTS {
            mail.open(|packed, _| out.push(packed.stamp.time.as_nanos()));
        }
        assert_eq!(out, [10, 11, 12, 13, 14]);
        for _ in 0..MAIL_ACTIVE_SLOTS {
            mail.open(|_, _| panic!("nothing is left"));
        }
        assert!(!mail.active() && mail.is_empty());
        hand(20);
        mail.keep(packed(19), b"");
        drop(sender);
        out.clear();
        mail.empty(|packed, _| out.push(packed.stamp.time.as_nanos()));
        assert_eq!(out, [19, 20]);
    }
}
