//! What becomes of a frame that brings no segment: each kind of other traffic and each reason why a frame can't
//! be read has a name, a doc line and a counter, so that the books balance.

use super::fragments::Fragment;

crate::counters! {
    /// What became of the frames. Equation: see [`Counters::balance`].
    pub struct Counters {
        /// Frames that came in.
        frames,
        /// Frames that ended as a TCP segment.
        segments,
        /// Frames that ended as a UDP datagram that is no known tunnel.
        datagrams,
        /// Fragments that went into a datagram which was completed by a later frame, and their late copies.
        fragments_joined,
        /// Fragments whose datagram never was completed: in time, or before the bounds pushed it out.
        fragments_expired,
        /// Fragments that wait for the rest of their datagram: a level, not a count.
        fragments_held,
        /// Among the fragments: those that the bounds pushed out, not time (these are in `fragments_expired`).
        fragments_evicted,
        /// Among the fragments: those that brought nothing new (a mirror shows packets twice).
        fragments_duplicate,
        /// Among the fragments: those whose bytes or lengths contradict an earlier one. The first copy won.
        fragments_conflicting,
        /// ARP and RARP.
        other_arp,
        /// ICMP for IPv4.
        other_icmp,
        /// ICMPv6.
        other_icmpv6,
        /// IGMP.
        other_igmp,
        /// SCTP.
        other_sctp,
        /// IPsec ESP: encrypted.
        other_esp,
        /// UDP without a payload.
        other_udp,
        /// Any other IP protocol over IPv4.
        other_ip_protocol,
        /// Any other next header of IPv6, or none.
        other_ipv6_next_header,
        /// An Ethernet type, an address family or a GRE protocol that is not IP.
        other_non_ip,
        /// IEEE 802.2 LLC that carries no IP: spanning tree, IS-IS, Novell.
        other_llc,
        /// MPLS payload that is neither IP nor an Ethernet pseudo-wire.
        other_mpls,
        /// PPP that carries no IP: LCP, IPCP, compressed or encrypted payload; PPPoE discovery.
        other_ppp,
        /// Messages of a tunnel about itself: GTP-U echo, L2TP control, PPTP acknowledgements, Teredo bubbles.
        other_tunnel_control,
        /// IEEE 802.11 management and control frames, and data frames without data.
        other_wifi,
        /// IEEE 802.11 data frames that are encrypted.
        other_wifi_protected,
        /// IEEE 802.11 data frames that hold a fragment of a packet, or several packets (A-MSDU).
        other_wifi_aggregate,
        /// The capture's link type is not known here.
        undecodable_unknown_link_type,
        /// The frame ends inside the header of its link layer.
        undecodable_truncated_link,
        /// The frame ends inside a VLAN or other tag.
        undecodable_truncated_tag,
        /// The frame ends inside an LLC or SNAP header.
        undecodable_truncated_llc,
        /// The frame ends inside the MPLS labels.
        undecodable_truncated_mpls,
        /// The frame ends inside a PPP or PPPoE header.
        undecodable_truncated_ppp,
        /// The frame ends inside an IEEE 802.11 header, or one of the headers that captures put before it.
        undecodable_truncated_wifi,
        /// The packet ends inside an IPv4 header.
        undecodable_truncated_ipv4,
        /// The packet ends inside an IPv6 header.
        undecodable_truncated_ipv6,
        /// The packet ends inside an extension header of IPv6, or the authentication header of either version.
        undecodable_truncated_extension,
        /// The packet ends inside a TCP header.
        undecodable_truncated_tcp,
        /// The packet ends inside a UDP header.
        undecodable_truncated_udp,
        /// The packet ends inside a tunnel's header.
        undecodable_truncated_tunnel,
        /// A link-layer header contradicts itself.
        undecodable_bad_link,
        /// An IP header's version is neither 4 nor 6, or not the one that was announced.
        undecodable_bad_ip_version,
        /// An IP header's lengths contradict each other.
        undecodable_bad_ip_length,
        /// A TCP header's length is less than its fixed part or more than the packet.
        undecodable_bad_tcp_length,
        /// A UDP header's length is less than itself.
        undecodable_bad_udp_length,
        /// A tunnel's header contradicts itself, or is of a version that isn't known.
        undecodable_bad_tunnel,
        /// A fragment is empty, ends beyond 64 KiB, or is not the last and no multiple of eight bytes long.
        undecodable_bad_fragment,
        /// More tunnels in each other than are opened.
        undecodable_tunnel_too_deep,
        /// More fragmented datagrams in each other than are put together.
        undecodable_fragments_too_deep,
        /// More headers after each other than are read.
        undecodable_too_many_headers,
    }
}

/// Both sides of the equation of the wire stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Frames that came in.
    pub received: u64,
    /// Segments + datagrams + fragments {joined, expired, held} + other traffic + undecodable.
    pub accounted: u64,
}

impl Balance {
    /// Every frame is accounted for.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.received == self.accounted
    }
}

impl Counters {
    /// Frames = segments + datagrams + fragments {joined, expired, held} + other {kind} + undecodable {reason}.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let fragments = self.fragments_joined + self.fragments_expired + self.fragments_held;
        Balance {
            received: self.frames,
            accounted: self.segments + self.datagrams + fragments + self.other() + self.undecodable(),
        }
    }

    /// Traffic that is neither TCP nor UDP.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.sum("other_")
    }

    /// Frames that could not be read.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.sum("undecodable_")
    }

    fn sum(&self, prefix: &str) -> u64 {
        let mut sum = 0;
        self.each(|name, count| sum += if name.starts_with(prefix) { count } else { 0 });
        sum
    }
}

/// Why the way inwards ended before a segment or a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Well formed, but neither TCP nor UDP.
    Other(Other),
    /// Not readable.
    Undecodable(Undecodable),
    /// A part of a datagram.
    Fragment(Fragment),
}

impl From<Other> for Stop {
    fn from(kind: Other) -> Self {
        Self::Other(kind)
    }
}

impl From<Undecodable> for Stop {
    fn from(reason: Undecodable) -> Self {
        Self::Undecodable(reason)
    }
}

/// Traffic that is not TCP, by kind; the counters' docs say what each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    Arp,
    Icmp,
    Icmpv6,
    Igmp,
    Sctp,
    Esp,
    Udp,
    IpProtocol,
    Ipv6NextHeader,
    NonIp,
    Llc,
    Mpls,
    Ppp,
    TunnelControl,
    Wifi,
    WifiProtected,
    WifiAggregate,
}

impl Other {
    /// The counter of this kind.
    pub(super) fn of(self, counters: &mut Counters) -> &mut u64 {
        match self {
            Self::Arp => &mut counters.other_arp,
            Self::Icmp => &mut counters.other_icmp,
            Self::Icmpv6 => &mut counters.other_icmpv6,
            Self::Igmp => &mut counters.other_igmp,
            Self::Sctp => &mut counters.other_sctp,
            Self::Esp => &mut counters.other_esp,
            Self::Udp => &mut counters.other_udp,
            Self::IpProtocol => &mut counters.other_ip_protocol,
            Self::Ipv6NextHeader => &mut counters.other_ipv6_next_header,
            Self::NonIp => &mut counters.other_non_ip,
            Self::Llc => &mut counters.other_llc,
            Self::Mpls => &mut counters.other_mpls,
            Self::Ppp => &mut counters.other_ppp,
            Self::TunnelControl => &mut counters.other_tunnel_control,
            Self::Wifi => &mut counters.other_wifi,
            Self::WifiProtected => &mut counters.other_wifi_protected,
            Self::WifiAggregate => &mut counters.other_wifi_aggregate,
        }
    }
}

/// Why a frame can't be read; the counters' docs say what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecodable {
    UnknownLinkType,
    TruncatedLink,
    TruncatedTag,
    TruncatedLlc,
    TruncatedMpls,
    TruncatedPpp,
    TruncatedWifi,
    TruncatedIpv4,
    TruncatedIpv6,
    TruncatedExtension,
    TruncatedTcp,
    TruncatedUdp,
    TruncatedTunnel,
    BadLink,
    BadIpVersion,
    BadIpLength,
    BadTcpLength,
    BadUdpLength,
    BadTunnel,
    BadFragment,
    TunnelTooDeep,
    FragmentsTooDeep,
    TooManyHeaders,
}

impl Undecodable {
    /// The counter of this reason.
    pub(super) fn of(self, counters: &mut Counters) -> &mut u64 {
        match self {
            Self::UnknownLinkType => &mut counters.undecodable_unknown_link_type,
            Self::TruncatedLink => &mut counters.undecodable_truncated_link,
            Self::TruncatedTag => &mut counters.undecodable_truncated_tag,
            Self::TruncatedLlc => &mut counters.undecodable_truncated_llc,
            Self::TruncatedMpls => &mut counters.undecodable_truncated_mpls,
            Self::TruncatedPpp => &mut counters.undecodable_truncated_ppp,
            Self::TruncatedWifi => &mut counters.undecodable_truncated_wifi,
            Self::TruncatedIpv4 => &mut counters.undecodable_truncated_ipv4,
            Self::TruncatedIpv6 => &mut counters.undecodable_truncated_ipv6,
            Self::TruncatedExtension => &mut counters.undecodable_truncated_extension,
            Self::TruncatedTcp => &mut counters.undecodable_truncated_tcp,
            Self::TruncatedUdp => &mut counters.undecodable_truncated_udp,
            Self::TruncatedTunnel => &mut counters.undecodable_truncated_tunnel,
            Self::BadLink => &mut counters.undecodable_bad_link,
            Self::BadIpVersion => &mut counters.undecodable_bad_ip_version,
            Self::BadIpLength => &mut counters.undecodable_bad_ip_length,
            Self::BadTcpLength => &mut counters.undecodable_bad_tcp_length,
            Self::BadUdpLength => &mut counters.undecodable_bad_udp_length,
            Self::BadTunnel => &mut counters.undecodable_bad_tunnel,
            Self::BadFragment => &mut counters.undecodable_bad_fragment,
            Self::TunnelTooDeep => &mut counters.undecodable_tunnel_too_deep,
            Self::FragmentsTooDeep => &mut counters.undecodable_fragments_too_deep,
            Self::TooManyHeaders => &mut counters.undecodable_too_many_headers,
        }
    }
}
