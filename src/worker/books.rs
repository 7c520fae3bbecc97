//! What a worker counts.

use super::Worker;
use crate::call::{Causes, Part};
use crate::counters;

counters! {
    /// Calls and connections as they left the workers.
    pub struct Counters {
        /// Calls that were opened.
        calls_opened,
        /// Calls told as complete.
        calls_complete,
        /// Calls told as partial.
        calls_partial,
        /// Calls told as partial with bytes of the request missing.
        calls_gap_in_request,
        /// Calls told as partial with bytes of the response missing.
        calls_gap_in_response,
        /// Calls of which the beginning was before the capture.
        calls_joined_midstream,
        /// Calls that the snap length cut.
        calls_truncated_capture,
        /// Calls that a reset ended.
        calls_connection_reset,
        /// Calls that waited for too long.
        calls_expired,
        /// Calls that the memory budget ended.
        calls_evicted,
        /// Calls that were open when the input ended.
        calls_still_open,
        /// Calls whose sender closed the connection in their middle.
        calls_connection_closed,
        /// Calls whose framing is broken.
        calls_malformed,
        /// Calls told as partial with fields that hang on an HPACK entry that was not seen.
        calls_hpack_unknown,
        /// Calls told as partial because one end reset their stream.
        calls_stream_reset,
        /// Calls told as partial because the TLS around them could not be decrypted any more.
        calls_undecrypted,
        /// Parts of calls that are told in parts, but the last one of each.
        call_parts,
        /// Calls that were in hand on a flow that the sensor failed on.
        calls_failed,
        /// Lines that were handed to the merge.
        lines_told,
        /// Connections told because they were not turned into calls.
        connections,
        /// Connections that had ended, or were evicted, and were told before secrets of TLS came for which they could have
        /// waited: there was no room.
        waits_cut_short,
        /// Flows that were lost because the sensor failed on them.
        flows_failed,
    }
}

impl Counters {
    /// Counts a call that was told. One that is told in parts ends with the last of them.
    pub(super) fn call(&mut self, causes: Causes, part: Option<Part>) {
        let counters = self;
        if part.is_some_and(|part| !part.is_last) {
            counters.call_parts += 1;
            return;
        }
        if causes.is_empty() {
            counters.calls_complete += 1;
            return;
        }
        counters.calls_partial += 1;
        for (cause, count) in [
            (Causes::GAP_IN_REQUEST, &mut counters.calls_gap_in_request),
            (Causes::GAP_IN_RESPONSE, &mut counters.calls_gap_in_response),
            (Causes::JOINED_MIDSTREAM, &mut counters.calls_joined_midstream),
            (Causes::TRUNCATED_CAPTURE, &mut counters.calls_truncated_capture),
            (Causes::CONNECTION_RESET, &mut counters.calls_connection_reset),
            (Causes::EXPIRED, &mut counters.calls_expired),
            (Causes::EVICTED, &mut counters.calls_evicted),
            (Causes::STILL_OPEN, &mut counters.calls_still_open),
            (Causes::CONNECTION_CLOSED, &mut counters.calls_connection_closed),
            (Causes::MALFORMED, &mut counters.calls_malformed),
            (Causes::HPACK_UNKNOWN, &mut counters.calls_hpack_unknown),
            (Causes::STREAM_RESET, &mut counters.calls_stream_reset),
            (Causes::UNDECRYPTED, &mut counters.calls_undecrypted),
        ] {
            *count += u64::from(causes.has(cause));
        }
    }
}

/// Where the flow stood on which the worker failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It is the one that the table had in hand.
    InHand,
    /// It is not in the table: it had ended and waited for its secrets, or it is one of datagrams.
    Apart,
}

impl Worker {
    /// After a failure on one flow: it is lost, and a line that was begun is taken back.
    #[cold]
    pub(super) fn forget_failed(&mut self, failed: Failed) {
        self.office.counters.flows_failed += 1;
        let whole = self.office.lines.lines.last().map_or(0, |line| line.range.end);
        self.office.lines.text.truncate(whole);
        if failed == Failed::InHand {
            self.table.abandon(self.office.clock);
        }
        // what was opened in the piece that failed may not have been counted; the calls in hand are lost
        let open = self.open_calls();
        let counters = &mut self.office.counters;
        let booked = counters.calls_complete + counters.calls_partial + counters.calls_failed + open;
        counters.calls_opened = counters.calls_opened.max(booked);
        counters.calls_failed += counters.calls_opened - booked;
    }
}

/// Connections that were given up under one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// How many.
    pub connections: u64,
    /// Their payload, in bytes.
    pub bytes: u64,
}

impl GivenUp {
    /// Adds the counts of another worker.
    pub const fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_counter() {
        for name in Causes::all_names() {
            let mut counters = Counters::default();
            counters.call(Causes::named(name).unwrap(), None);
            let mut counted = Vec::new();
            counters.each(|name, count| {
                if count > 0 {
                    counted.push(name.to_owned());
                }
            });
            assert_eq!(counted, ["calls_partial".to_owned(), format!("calls_{name}")]);
        }
    }
}
