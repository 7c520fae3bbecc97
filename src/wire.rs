//! Frame → Segment: every header between the wire and TCP, tunnels included.

mod key;

pub use key::{Direction, Endpoint, FlowKey};

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

/// One TCP segment, decapsulated and defragmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
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
