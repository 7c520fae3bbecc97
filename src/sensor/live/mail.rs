//! Segments for a worker that another one's socket got: those of fragments and of tunnels, into which the kernel does
//! not look and which all reach the first socket.
//!
//! A flow may come both ways, its long segments in fragments and its acknowledgements whole. What acknowledges bytes
//! must not be pushed some hundred frames before them, or the bytes count as lost. So while there is mail, a worker
//! puts its own segments beside it, lets both wait for some slots, and takes them by time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::limits::{
    HANDED_OVER_BYTES_MAX, HANDED_OVER_MAX, MAIL_ACTIVE_SLOTS, MAIL_BYTES_MAX, MAIL_SEGMENTS_MAX,
    MAIL_WAIT_SLOTS,
};
use crate::time::Timestamp;
use crate::worker::Packed;

/// A segment with its payload.
struct HandedOver {
    packed: Packed,
    payload: Vec<u8>,
}

impl HandedOver {
    const fn bytes(&self) -> usize {
        size_of::<Waiting>() + self.payload.len()
    }
}

/// Where others put segments for a worker.
#[derive(Clone)]
pub(super) struct Slit {
    sender: Sender<HandedOver>,
    /// Bytes that lie in the box.
    bytes: Arc<AtomicUsize>,
}

impl Slit {
    /// Whether there was room for it.
    pub(super) fn put(&self, packed: Packed, payload: &[u8]) -> bool {
        // others may put at the same time: then the box holds a segment of each beyond the bound, no more
        if self.bytes.load(Ordering::Relaxed) + payload.len() > HANDED_OVER_BYTES_MAX {
            return false;
        }
        let handed = HandedOver { packed, payload: payload.to_vec() };
        let bytes = handed.bytes();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let taken = self.sender.try_send(handed).is_ok();
        if !taken {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        taken
    }
}

/// A segment and the slot in which it came.
struct Waiting {
    slot: u64,
    handed: HandedOver,
}

/// The mailbox of one worker.
pub(super) struct Mail {
    mailbox: Receiver<HandedOver>,
    /// Bytes that lie in the mailbox.
    unread: Arc<AtomicUsize>,
    /// Bytes that wait here.
    bytes: usize,
    slot: u64,
    /// Up to here the worker's own segments wait beside the mail.
    active_until: u64,
    handed: VecDeque<Waiting>,
    own: VecDeque<Waiting>,
}

impl Mail {
    /// An empty one, and the way into it.
    pub(super) fn new() -> (Slit, Self) {
        let (sender, mailbox) = bounded(HANDED_OVER_MAX);
        let unread = Arc::new(AtomicUsize::new(0));
        let slit = Slit { sender, bytes: Arc::clone(&unread) };
        let (handed, own) = (VecDeque::new(), VecDeque::new());
        (slit, Self { mailbox, unread, bytes: 0, slot: 0, active_until: 0, handed, own })
    }

    /// The worker's own segments have to wait too.
    pub(super) const fn active(&self) -> bool {
        self.slot < self.active_until
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.handed.is_empty() && self.own.is_empty()
    }

    /// A segment of the worker's own socket. If too much waits, all comes out at once.
    pub(super) fn keep(&mut self, packed: Packed, payload: &[u8], mut take: impl FnMut(&Packed, &[u8])) {
        let handed = HandedOver { packed, payload: payload.to_vec() };
        self.bytes += handed.bytes();
        self.own.push_back(Waiting { slot: self.slot, handed });
        if self.is_full() {
            self.hand_out(Timestamp::MAX, &mut take);
        }
    }

    /// The end of a slot: hands out what has waited for long enough, by time.
    pub(super) fn open(&mut self, mut take: impl FnMut(&Packed, &[u8])) {
        for _ in 0..HANDED_OVER_MAX {
            let Ok(handed) = self.mailbox.try_recv() else { break };
            self.active_until = self.slot + MAIL_ACTIVE_SLOTS;
            self.receive(handed, &mut take);
        }
        self.slot += 1;
        let horizon = if self.active() { self.horizon() } else { Timestamp::MAX };
        self.hand_out(horizon, &mut take);
    }

    /// The end of all: once the others have gone, everything.
    pub(super) fn empty(&mut self, mut take: impl FnMut(&Packed, &[u8])) {
        while let Ok(handed) = self.mailbox.recv() {
            self.receive(handed, &mut take);
        }
        self.hand_out(Timestamp::MAX, &mut take);
    }

    fn receive(&mut self, handed: HandedOver, take: &mut impl FnMut(&Packed, &[u8])) {
        self.unread.fetch_sub(handed.bytes(), Ordering::Relaxed);
        self.bytes += handed.bytes();
        self.handed.push_back(Waiting { slot: self.slot, handed });
        if self.is_full() {
            self.hand_out(Timestamp::MAX, take);
        }
    }

    fn is_full(&self) -> bool {
        self.handed.len() + self.own.len() > MAIL_SEGMENTS_MAX || self.bytes > MAIL_BYTES_MAX
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
                    self.bytes -= one.handed.bytes();
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
            transport: crate::wire::Transport::Tcp,
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
        let (slit, mut mail) = Mail::new();
        let mut out = Vec::new();
        let hand = |nanos| assert!(slit.put(packed(nanos), b""));
        let early = |_: &Packed, _: &[u8]| panic!("it has to wait");
        assert!(!mail.active());
        hand(10);
        mail.open(|packed, _| out.push(packed.stamp.time.as_nanos()));
        assert!(mail.active() && out.is_empty());
        mail.keep(packed(12), b"", early);
        mail.keep(packed(14), b"", early);
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
        mail.keep(packed(19), b"", early);
        drop(slit);
        out.clear();
        mail.empty(|packed, _| out.push(packed.stamp.time.as_nanos()));
        assert_eq!(out, [19, 20]);
    }

    #[test]
    fn the_bytes_that_wait_are_bounded_and_none_is_lost_but_what_the_mailbox_refused() {
        let (slit, mut mail) = Mail::new();
        let payload = vec![7; 64 << 10];
        let taken =
            (1..HANDED_OVER_MAX as u64).take_while(|nanos| slit.put(packed(*nanos), &payload)).count();
        assert!((400..=512).contains(&taken), "{taken} segments of 64 KiB fit into 32 MiB");
        let mut out = 0;
        mail.open(|_, _| out += 1);
        assert!(slit.put(packed(1000), &payload), "what was received makes room");
        assert_eq!(out, 0);
        // its own wait too, until there is too much of it
        let mut kept = 0;
        while out == 0 && kept < MAIL_SEGMENTS_MAX {
            kept += 1;
            mail.keep(packed(1000 + kept as u64), &payload, |_, _| out += 1);
            assert!(mail.bytes <= MAIL_BYTES_MAX);
        }
        assert_eq!(out, taken + kept);
        drop(slit);
        mail.empty(|_, _| out += 1);
        assert_eq!((out, mail.bytes, mail.unread.load(Ordering::Relaxed)), (taken + kept + 1, 0, 0));
    }
}
