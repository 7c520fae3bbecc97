//! Chunk → HttpEvent: the events that every version of HTTP speaks.

pub mod grpc;
pub mod h1;
pub mod h2;
pub mod sniff;
pub mod websocket;

use crate::call::Anomalies;
use crate::flow::EndReason;
use crate::time::Timestamp;
use h1::head::Lines;

/// Where a message begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Position of its first byte in its direction.
    pub offset: u64,
    /// When the packet of that byte came.
    pub time: Timestamp,
    /// What that packet acknowledges, as a position of the other direction.
    pub ack: Option<u64>,
    /// It follows the end of the message before it; otherwise it was found at the start of a segment.
    pub in_sequence: bool,
}

/// Why a message is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Bytes of it are not in the capture.
    Lost,
    /// The snap length cut bytes of it off.
    SnapLength,
    /// Its sender closed the connection in its middle.
    Closed,
    /// The connection was reset in its middle.
    Reset,
    /// Nothing came for too long.
    Expired,
    /// The memory budget needed the place.
    Evicted,
    /// The input ended in its middle.
    InputEnded,
    /// Its framing is broken: where it ends can't be known.
    Malformed,
}

impl Cut {
    /// What the end of a direction does to a message in its middle.
    #[must_use]
    pub const fn by(reason: EndReason) -> Self {
        match reason {
            EndReason::Fin => Self::Closed,
            EndReason::Reset | EndReason::Replaced => Self::Reset,
            EndReason::Expired => Self::Expired,
            EndReason::Evicted => Self::Evicted,
            EndReason::InputEnded => Self::InputEnded,
        }
    }
}

/// What one direction of a connection says.
#[derive(Clone, Copy, Debug)]
pub enum HttpEvent<'a> {
    /// A head: start line and headers.
    Head(Head<'a>),
    /// Bytes of the body, the transfer coding undone.
    Body {
        /// The bytes.
        bytes: &'a [u8],
        /// When their packet came.
        time: Timestamp,
    },
    /// Bytes of the body that are missing; their number is known.
    Missing {
        /// How many.
        len: u64,
        /// Why, unless they were there and not kept.
        cut: Option<Cut>,
    },
    /// The message ends.
    End(MessageEnd),
    /// An unknown number of messages may be hidden here.
    Lost,
    /// Bytes stand at this place that are no head.
    Junk(Place),
}

/// The head of a message.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The head as it lay; of a cut one, its whole lines.
    pub bytes: &'a [u8],
    /// What stands in it.
    pub lines: &'a Lines,
    /// Where it begins.
    pub place: Place,
    /// Why it is not whole.
    pub cut: Option<Cut>,
}

/// The end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageEnd {
    /// Position behind its last byte, if its framing tells.
    pub offset: Option<u64>,
    /// When the packet of its last byte came, if that was seen.
    pub time: Option<Timestamp>,
    /// Size of the body after the transfer coding was undone, if the framing tells.
    pub body_bytes: Option<u64>,
    /// Why it is not whole.
    pub cut: Option<Cut>,
    /// What was odd about its body.
    pub anomalies: Anomalies,
}

/// What the receiver of a head knows of what follows: the answer to a HEAD has no body, whatever its lengths say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A body as the head says.
    Framing,
    /// No body (RFC 9110 §9.3.2, HEAD).
    NoBody,
    /// There is no head, all bytes up to the end are body (RFC 1945 §6, Simple-Response).
    Headless,
    /// The request is not known. It may have been a HEAD: what stands behind the head says whether a body follows.
    Unasked,
    /// The connection is a tunnel from here on (RFC 9110 §9.3.6), or speaks another protocol (§7.8).
    Switch,
    /// What follows the message depends on its answer: a CONNECT, or a request to upgrade.
    Verdict,
}
