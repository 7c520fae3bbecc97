//! View, then value: a packet while its headers are taken off, one after the other.
//!
//! A [`View`] knows two lengths: what was captured, and what there was on the wire. Every read checks the first
//! and names the header that was cut when it fails; the difference of both is what the snap length took away.

use super::outcome::{Stop, Undecodable};
use crate::limits;

/// The bytes behind the headers that were read so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    bytes: &'a [u8],
    whole: usize,
}

impl<'a> View<'a> {
    /// Captured bytes, and how many there were on the wire (never fewer than captured).
    pub(super) fn new(bytes: &'a [u8], whole: usize) -> Self {
        Self { bytes, whole: whole.max(bytes.len()) }
    }

    /// What was captured.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How long this was on the wire.
    pub(super) fn whole(&self) -> usize {
        self.whole
    }

    /// The next bytes, without taking them.
    pub(super) fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.first_chunk()
    }

    /// Takes a header of fixed length.
    pub(super) fn take<const N: usize>(&mut self, cut: Undecodable) -> Result<&'a [u8; N], Stop> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(cut)?;
        self.bytes = rest;
        self.whole -= N;
        Ok(head)
    }

    /// Passes over bytes that say nothing of use.
    pub(super) fn skip(&mut self, length: usize, cut: Undecodable) -> Result<(), Stop> {
        self.bytes = self.bytes.get(length..).ok_or(cut)?;
        self.whole -= length;
        Ok(())
    }

    /// Takes a 16-bit field in network order.
    pub(super) fn u16(&mut self, cut: Undecodable) -> Result<u16, Stop> {
        self.take(cut).map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// A header's length field says where its payload ends: what lies behind is padding or a check sum. A length
    /// beyond the end changes nothing.
    pub(super) fn clamp(&mut self, length: usize) {
        self.whole = self.whole.min(length);
        self.bytes = self.bytes.get(..length).unwrap_or(self.bytes);
    }

    /// As [`View::clamp`], but the length is believed also where it reaches beyond the end: IP's total length is
    /// the truth when a mirror or a tool cut the packet and the lengths around it too.
    pub(super) fn set_whole(&mut self, length: usize) {
        self.bytes = self.bytes.get(..length).unwrap_or(self.bytes);
        self.whole = length;
    }
}

/// Source and target of the innermost IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ends {
    /// IPv4.
    V4 {
        /// Who sent it.
        source: [u8; 4],
        /// To whom.
        target: [u8; 4],
    },
    /// IPv6.
    V6 {
        /// Who sent it.
        source: [u8; 16],
        /// To whom.
        target: [u8; 16],
    },
}

/// What the next bytes of a view are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// An Ethernet header.
    Ethernet,
    /// What an Ethernet type names.
    EtherType(u16),
    /// An IEEE 802.2 LLC header.
    Llc,
    /// A stack of MPLS labels.
    Mpls,
    /// A PPP frame, with or without address and control.
    Ppp,
    /// An IP header of either version.
    Ip,
    /// What an IP protocol number names, behind a header with these ends.
    Transport(u8, Ends),
    /// The payload of a UDP datagram that is no tunnel: source and target port, and the ends.
    Datagram([u16; 2], Ends),
}

/// A packet on its way inwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// What is not read yet.
    pub(super) view: View<'a>,
    /// Network id of the innermost tunnel that has one.
    pub(super) vni: Option<u32>,
    /// The bytes lie in a reassembled datagram.
    pub(super) reassembled: bool,
    tunnels: usize,
    datagrams: usize,
}

impl<'a> Packet<'a> {
    /// A frame before its first header.
    pub(super) fn new(view: View<'a>) -> Self {
        Self { view, vni: None, reassembled: false, tunnels: 0, datagrams: 0 }
    }

    /// The same packet, going on in a datagram that its last fragment completed.
    pub(super) fn within(self, datagram: View<'_>) -> Result<Packet<'_>, Stop> {
        let datagrams = self.datagrams + 1;
        if datagrams > limits::NESTED_DATAGRAMS_MAX {
            return Err(Undecodable::FragmentsTooDeep.into());
        }
        let Self { vni, tunnels, .. } = self;
        Ok(Packet { view: datagram, vni, reassembled: true, tunnels, datagrams })
    }

    /// Another tunnel is about to be opened.
    pub(super) fn enter_tunnel(&mut self) -> Result<(), Stop> {
        self.tunnels += 1;
        if self.tunnels > limits::TUNNEL_DEPTH_MAX {
            return Err(Undecodable::TunnelTooDeep.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fail_by_name_and_lengths_stay_true() {
        let mut view = View::new(&[1, 2, 3, 4, 5], 9);
        assert_eq!(view.u16(Undecodable::TruncatedLink), Ok(0x0102));
        assert_eq!((view.bytes(), view.whole()), (&[3, 4, 5][..], 7));
        assert_eq!(view.take::<4>(Undecodable::TruncatedTcp), Err(Undecodable::TruncatedTcp.into()));
        view.clamp(100);
        assert_eq!((view.bytes().len(), view.whole()), (3, 7));
        view.clamp(2);
        assert_eq!((view.bytes(), view.whole()), (&[3, 4][..], 2));
        view.set_whole(6);
        assert_eq!((view.bytes(), view.whole()), (&[3, 4][..], 6));
        assert_eq!(view.skip(3, Undecodable::TruncatedUdp), Err(Undecodable::TruncatedUdp.into()));
        assert_eq!(view.skip(2, Undecodable::TruncatedUdp), Ok(()));
        assert_eq!((view.bytes(), view.whole()), (&[][..], 4));
    }

    #[test]
    fn a_frame_is_never_shorter_on_the_wire_than_captured() {
        assert_eq!(View::new(&[0; 10], 3).whole(), 10);
    }
}
