//! Frame → Segment: every header between the wire and TCP or UDP, tunnels included.
//!
//! Each layer takes its header off the packet and says what is inside; [`open`] chains them until a TCP segment or a datagram is
//! reached, or something that has a name in [`Counters`]. Nothing is lost without one: [`Counters::balance`].

mod arbitrary;
mod ether;
mod fragments;
mod ip;
mod key;
mod link;
mod outcome;
mod plain;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;
mod udp;
mod view;
mod wifi;

use crate::capture::{Frame, LinkType};
use crate::limits;
use crate::time::Timestamp;
use fragments::Fragments;
use outcome::{Stop, Undecodable};
use view::{Inside, Packet, View};

pub use arbitrary::read_arbitrary;
pub use key::{Direction, Endpoint, FlowKey};
pub use outcome::{Balance, Counters};

/// The flags of a TCP header that matter to reassembly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number is valid.
    pub const ACK: Self = Self(0x10);

    /// All flags of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What carries a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A segment of TCP.
    #[default]
    Tcp,
    /// A datagram of UDP: it has no numbers and no flags.
    Udp,
}

/// One TCP segment or UDP datagram, decapsulated and defragmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Of which of the two it is one.
    pub transport: Transport,
    /// The connection.
    pub flow: FlowKey,
    /// Who of the two sent it.
    pub direction: Direction,
    /// Sequence number of the first payload byte (of the SYN, if that is set).
    pub seq: u32,
    /// Acknowledgement number; meaningless without ACK.
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// The payload that was captured.
    pub payload: &'a [u8],
    /// Payload bytes that the snap length cut off behind `payload`.
    pub missing: u32,
    /// The payload lies in a datagram put together from fragments, not in the frame.
    pub reassembled: bool,
}

/// Whether frames of that link type can be read.
#[must_use]
pub fn reads(link: LinkType) -> bool {
    link::KNOWN.contains(&link.0)
}

/// Takes frames apart. Its only memory are the fragments of datagrams that are not complete.
#[derive(Debug)]
pub struct Wire {
    fragments: Fragments,
    next_deadline: Timestamp,
    counters: Counters,
}

impl Wire {
    /// Fragments may take `fragment_bytes_max` bytes.
    #[must_use]
    pub fn new(fragment_bytes_max: usize) -> Self {
        Self {
            fragments: Fragments::new(fragment_bytes_max),
            next_deadline: Timestamp::MAX,
            counters: Counters::default(),
        }
    }

    /// One frame in, at most one segment out. `clock` is the capture clock: the running maximum of frame times.
    #[inline]
    pub fn push(&mut self, clock: Timestamp, frame: &Frame<'_>, deliver: impl FnOnce(Segment<'_>)) {
        self.advance(clock);
        self.counters.frames += 1;
        if let Some(segment) = plain::segment(frame) {
            self.counters.segments += 1;
            return deliver(segment);
        }
        self.push_other(clock, frame, deliver);
    }

    /// Gives up fragments that waited too long.
    #[inline]
    pub fn advance(&mut self, clock: Timestamp) {
        if self.next_deadline <= clock {
            self.fragments.advance(clock, &mut self.counters);
            self.next_deadline = self.fragments.next_deadline();
        }
    }

    /// What became of the frames so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    #[inline(never)]
    fn push_other(&mut self, clock: Timestamp, frame: &Frame<'_>, deliver: impl FnOnce(Segment<'_>)) {
        let original_len = usize::try_from(frame.original_len).unwrap_or(usize::MAX);
        let mut packet = Packet::new(View::new(frame.bytes, original_len));
        match link::header(&mut packet.view, frame.link) {
            Ok(inside) => self.settle(clock, packet, inside, deliver),
            Err(stop) => self.book(stop),
        }
    }

    /// Goes inwards and books what is found. A completed datagram goes the same way, to a bounded
    /// depth: prepared datagrams could complete each other by the thousand.
    fn settle(
        &mut self,
        clock: Timestamp,
        mut packet: Packet<'_>,
        inside: Inside,
        deliver: impl FnOnce(Segment<'_>),
    ) {
        match open(&mut packet, inside) {
            Ok(segment) => {
                match segment.transport {
                    Transport::Tcp => self.counters.segments += 1,
                    Transport::Udp => self.counters.datagrams += 1,
                }
                deliver(segment);
            }
            Err(Stop::Fragment(fragment)) => {
                let done = self.fragments.push(clock, &fragment, packet.view, &mut self.counters);
                self.next_deadline = self.fragments.next_deadline();
                if let Some(datagram) = done {
                    let view = View::new(&datagram.bytes, datagram.whole);
                    let inside = Inside::Transport(datagram.protocol, datagram.ends);
                    match packet.within(view) {
                        Ok(packet) => self.settle(clock, packet, inside, deliver),
                        Err(stop) => self.book(stop),
                    }
                }
            }
            Err(stop) => self.book(stop),
        }
    }

    fn book(&mut self, stop: Stop) {
        match stop {
            Stop::Other(kind) => *kind.of(&mut self.counters) += 1,
            Stop::Undecodable(reason) => *reason.of(&mut self.counters) += 1,
            // A link type's header is no fragment; `settle` books those of IP.
            Stop::Fragment(_) => {}
        }
    }
}

/// Takes one header after the other off the packet until TCP, or UDP that is no tunnel, is reached. The one place where layers are chained.
fn open<'a>(packet: &mut Packet<'a>, mut inside: Inside) -> Result<Segment<'a>, Stop> {
    for _ in 0..limits::HEADERS_MAX {
        inside = match inside {
            Inside::Ethernet => ether::header(&mut packet.view)?,
            Inside::EtherType(kind) => ether::payload(packet, kind)?,
            Inside::Llc => ether::llc(&mut packet.view)?,
            Inside::Mpls => ether::mpls(&mut packet.view)?,
            Inside::Ppp => ether::ppp(&mut packet.view)?,
            Inside::Ip => ip::header(packet)?,
            Inside::Transport(ip::number::TCP, ends) => return tcp::segment(packet, ends),
            Inside::Datagram(ports, ends) => return Ok(udp::datagram(packet, ports, ends)),
            Inside::Transport(protocol, ends) => ip::payload(packet, protocol, ends)?,
        };
    }
    Err(Undecodable::TooManyHeaders.into())
}
