//! IPv4 (RFC 791) and IPv6 (RFC 8200) with extension headers, up to what they carry.
//!
//! Header check sums are not looked at: a capture on the sending host sees them before the card fills them in.

use etherparse::{
    IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice,
};

use super::fragments::{Fragment, Identity};
use super::outcome::{Other, Stop, Undecodable};
use super::view::{Ends, Inside, Packet, View};
use super::{tunnel, udp};

/// Protocol numbers (IANA) that are told apart here.
pub(super) mod number {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IGMP: u8 = 2;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const ESP: u8 = 50;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const DESTINATION: u8 = 60;
    pub(crate) const ETHER_IP: u8 = 97;
    pub(crate) const SCTP: u8 = 132;
    pub(crate) const MOBILITY: u8 = 135;
    pub(crate) const MPLS: u8 = 137;
    pub(crate) const HOST_IDENTITY: u8 = 139;
    pub(crate) const SHIM6: u8 = 140;
}

/// Reads an IP header of the version that its first four bits say.
pub(super) fn header(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    match packet.view.peek::<1>().map(|[first]| first >> 4) {
        Some(4) => v4(packet),
        Some(6) => v6(packet),
        Some(_) => Err(Undecodable::BadIpVersion.into()),
        None => Err(Undecodable::TruncatedIpv4.into()),
    }
}

/// Reads an IPv4 header and its options.
pub(super) fn v4(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let view = &mut packet.view;
    let header = Ipv4HeaderSlice::from_slice(view.bytes()).map_err(|error| v4_error(&error))?;
    let head_len = header.slice().len();
    match usize::from(header.total_len()) {
        // A segment that the card will cut (TSO) has no length yet: the frame's counts.
        0 => {}
        total if total < head_len => return Err(Undecodable::BadIpLength.into()),
        total => view.set_whole(total),
    }
    view.skip(head_len, Undecodable::TruncatedIpv4)?;
    let ends = Ends::V4 { source: header.source(), target: header.destination() };
    let protocol = header.protocol().0;
    if header.is_fragmenting_payload() {
        let id = u32::from(header.identification());
        return Err(Stop::Fragment(Fragment {
            identity: Identity { ends, id, protocol, vni: packet.vni },
            protocol,
            offset: usize::from(header.fragments_offset().value()) * 8,
            more: header.more_fragments(),
        }));
    }
    Ok(Inside::Transport(protocol, ends))
}

/// Reads an IPv6 header; extension headers follow as what it carries.
pub(super) fn v6(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let view = &mut packet.view;
    let header = Ipv6HeaderSlice::from_slice(view.bytes()).map_err(|error| v6_error(&error))?;
    view.skip(header.slice().len(), Undecodable::TruncatedIpv6)?;
    // Zero stands for a jumbogram (RFC 2675) or a segment that the card will cut: the frame's length counts.
    match usize::from(header.payload_length()) {
        0 => {}
        length => view.set_whole(length),
    }
    let ends = Ends::V6 { source: header.source(), target: header.destination() };
    Ok(Inside::Transport(header.next_header().0, ends))
}

/// Goes on to what an IP header or an extension header announced; TCP is the caller's.
pub(super) fn payload(packet: &mut Packet<'_>, protocol: u8, ends: Ends) -> Result<Inside, Stop> {
    let is_v6 = matches!(ends, Ends::V6 { .. });
    match protocol {
        number::UDP => udp::payload(packet, ends),
        number::GRE => tunnel::gre(packet),
        number::IPV4 => {
            packet.enter_tunnel()?;
            v4(packet)
        }
        number::IPV6 => {
            packet.enter_tunnel()?;
            v6(packet)
        }
        number::ETHER_IP => tunnel::ether_ip(packet),
        number::MPLS => {
            packet.enter_tunnel()?;
            Ok(Inside::Mpls)
        }
        number::AUTHENTICATION => authentication(&mut packet.view, ends),
        number::ICMP => Err(Other::Icmp.into()),
        number::ICMPV6 => Err(Other::Icmpv6.into()),
        number::IGMP => Err(Other::Igmp.into()),
        number::SCTP => Err(Other::Sctp.into()),
        number::ESP => Err(Other::Esp.into()),
        number::FRAGMENT if is_v6 => fragment(packet, ends),
        number::HOP_BY_HOP
        | number::ROUTING
        | number::DESTINATION
        | number::MOBILITY
        | number::HOST_IDENTITY
        | number::SHIM6
            if is_v6 =>
        {
            extension(&mut packet.view, ends)
        }
        _ if is_v6 => Err(Other::Ipv6NextHeader.into()),
        _ => Err(Other::IpProtocol.into()),
    }
}

fn extension(view: &mut View<'_>, ends: Ends) -> Result<Inside, Stop> {
    let cut = Undecodable::TruncatedExtension;
    let header = Ipv6RawExtHeaderSlice::from_slice(view.bytes()).map_err(|_| cut)?;
    view.skip(header.slice().len(), cut)?;
    Ok(Inside::Transport(header.next_header().0, ends))
}

/// RFC 4302: what follows is in the clear.
fn authentication(view: &mut View<'_>, ends: Ends) -> Result<Inside, Stop> {
    let cut = Undecodable::TruncatedExtension;
    let header = IpAuthHeaderSlice::from_slice(view.bytes()).map_err(|_| cut)?;
    view.skip(header.slice().len(), cut)?;
    Ok(Inside::Transport(header.next_header().0, ends))
}

fn fragment(packet: &mut Packet<'_>, ends: Ends) -> Result<Inside, Stop> {
    let cut = Undecodable::TruncatedExtension;
    let header = Ipv6FragmentHeaderSlice::from_slice(packet.view.bytes()).map_err(|_| cut)?;
    packet.view.skip(header.slice().len(), cut)?;
    let protocol = header.next_header().0;
    // An atomic fragment is whole by itself (RFC 6946).
    if !header.is_fragmenting_payload() {
        return Ok(Inside::Transport(protocol, ends));
    }
    Err(Stop::Fragment(Fragment {
        identity: Identity { ends, id: header.identification(), protocol: 0, vni: packet.vni },
        protocol,
        offset: usize::from(header.fragment_offset().value()) * 8,
        more: header.more_fragments(),
    }))
}

fn v4_error(error: &etherparse::err::ipv4::HeaderSliceError) -> Undecodable {
    use etherparse::err::ipv4::{HeaderError, HeaderSliceError};
    match error {
        HeaderSliceError::Len(_) => Undecodable::TruncatedIpv4,
        HeaderSliceError::Content(HeaderError::UnexpectedVersion { .. }) => Undecodable::BadIpVersion,
        HeaderSliceError::Content(HeaderError::HeaderLengthSmallerThanHeader { .. }) => {
            Undecodable::BadIpLength
        }
    }
}

fn v6_error(error: &etherparse::err::ipv6::HeaderSliceError) -> Undecodable {
    match error {
        etherparse::err::ipv6::HeaderSliceError::Len(_) => Undecodable::TruncatedIpv6,
        etherparse::err::ipv6::HeaderSliceError::Content(_) => Undecodable::BadIpVersion,
    }
}
