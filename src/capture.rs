//! Source → Frame: captures on disk and live interfaces.

pub mod file;
pub mod live;

use crate::time::Timestamp;

/// How the first bytes of a frame are to be read: a `LINKTYPE_` value of the pcap registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u32);

/// One captured frame. It borrows from the block of a file or from the ring of an interface.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub time: Timestamp,
    /// Which interface, counted from 0 within its section of its file.
    pub interface: u32,
    /// How to read its first header.
    pub link: LinkType,
    /// How long it was on the wire.
    pub original_len: u32,
    /// What was kept of it.
    pub bytes: &'a [u8],
}
