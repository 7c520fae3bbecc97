//! What comes in datagrams: flows of QUIC, told as connections.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Worker;
use super::books::Failed;
use crate::flow::Stamp;
use crate::flow::table::Host;
use crate::quic::Counters;
use crate::time::Timestamp;
use crate::wire::Segment;

impl Worker {
    /// One datagram. A flow on which the sensor fails is lost, no more.
    #[cold]
    pub(super) fn datagram(&mut self, stamp: Stamp, datagram: &Segment<'_>) {
        let (quic, office) = (&mut self.quic, &mut self.office);
        let push = AssertUnwindSafe(|| {
            quic.push(stamp, office.interface, datagram, |at, key, connection| {
                office.deadline(at);
                office.tell_connection(key, connection);
            });
        });
        if catch_unwind(push).is_err() {
            self.quic.forget(&datagram.flow);
            self.forget_failed(Failed::Apart);
        }
    }

    /// Tells the flows in which nothing has come for a while.
    pub(super) fn close_datagrams(&mut self, clock: Timestamp) {
        let office = &mut self.office;
        self.quic.advance(clock, |at, key, connection| {
            office.deadline(at);
            office.tell_connection(key, connection);
        });
    }

    /// The input has ended: tells all of them.
    pub(super) fn finish_datagrams(&mut self, clock: Timestamp) {
        let office = &mut self.office;
        office.deadline(clock);
        office.ordinal = u64::MAX;
        self.quic.finish(|key, connection| office.tell_connection(key, connection));
    }

    /// What became of datagrams.
    #[must_use]
    pub const fn datagrams(&self) -> &Counters {
        self.quic.counters()
    }
}
