//! Which worker a live frame belongs to: the same answer in the kernel and in the sensor.
//!
//! All sockets of a capture are one `PACKET_FANOUT` group (packet(7)), and for each frame the kernel asks a program of
//! ours which of them gets it. The program mixes what both directions of a TCP connection share, so both reach the
//! same socket. The kernel's own hash is symmetric too, but nobody outside can compute it; of this one
//! [`Fanout::owner`] is the twin.
//!
//! Classic BPF rather than eBPF: it needs no file descriptor, no loader and no privilege beyond the socket's.
//!
//! What the kernel can't see from the outer headers all goes to worker 0: tunnels, fragments, extension headers of
//! IPv6, and everything that is not TCP.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use crate::capture::LinkType;
use crate::capture::live::bpf::{Assembler, Instruction, Label};

/// The hash of one capture. Its factors are drawn at random, so that nobody can aim all flows at one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fanout {
    addresses: u32,
    ports: u32,
}

impl Fanout {
    /// With factors that nobody knows.
    #[must_use]
    pub fn random() -> Self {
        let seed = RandomState::new().hash_one("fanout");
        Self::new(seed as u32, (seed >> 32) as u32)
    }

    /// With given factors. An even factor would lose bits, so the lowest bit is set.
    const fn new(addresses: u32, ports: u32) -> Self {
        Self { addresses: addresses | 1, ports: ports | 1 }
    }

    /// The socket that the kernel gives this frame to, of `workers` in the order in which they joined.
    ///
    /// A frame that the snap length cut before the ports may have gone elsewhere.
    #[must_use]
    pub fn owner(self, link: LinkType, frame: &[u8], workers: usize) -> usize {
        let hash =
            ports_and_addresses(link, frame).map_or(0, |(addresses, ports)| self.mix(addresses, ports));
        hash as usize % workers.max(1)
    }

    /// The worker that owns the flow between these two ends, if the kernel can see into its frames. For a flow inside
    /// a tunnel this is not where its frames arrive.
    #[must_use]
    pub fn flow_owner(self, one: SocketAddr, other: SocketAddr, workers: usize) -> usize {
        let addresses = fold(one.ip()) ^ fold(other.ip());
        self.mix(addresses, u32::from(one.port() ^ other.port())) as usize % workers.max(1)
    }

    /// Multiply-and-add over random odd factors; the high bits are the good ones, so they are folded onto the low
    /// ones that the remainder takes.
    const fn mix(self, addresses: u32, ports: u32) -> u32 {
        let sum = addresses.wrapping_mul(self.addresses).wrapping_add(ports.wrapping_mul(self.ports));
        sum ^ sum >> 16
    }

    /// The program for the kernel. It runs before the socket's filter, on the frame as the kernel has it:
    ///
    /// - received: data begins behind the Ethernet header, and the outermost VLAN tag was taken out of the frame, so
    ///   the type of what follows is not in the data but beside it (`SKF_AD_PROTOCOL`);
    /// - sent by this host: data begins with the Ethernet header, which may hold tags; the network header is marked.
    ///
    /// A load past the end of the frame ends the program with 0.
    pub(super) fn program(self) -> Vec<Instruction> {
        let mut code = Assembler::default();
        let [sent, ip, v4, transport, zero] = code.labels();
        code.load_packet_kind();
        code.jump_if_equal(PACKET_OUTGOING, sent);
        code.set_x(0);
        code.load_protocol();
        jump_if_any_of(&mut code, IP, ip);
        for tags in 1..=TAGS_IN_DATA_MAX {
            let [tag] = code.labels();
            jump_if_any_of(&mut code, TAGS, tag);
            code.jump(zero);
            code.place(tag);
            code.load_half(2); // two bytes of tag control, then the type of what follows
            code.set_x(4 * tags);
            jump_if_any_of(&mut code, IP, ip);
        }
        code.give(0);
        code.place(sent);
        code.set_x(NETWORK_HEADER);
        code.load_protocol();
        jump_if_any_of(&mut code, IP, ip);
        jump_if_any_of(&mut code, TAGS, ip);
        code.give(0);
        code.place(ip);
        code.load_byte(0);
        code.and(0xf0);
        code.jump_if_equal(0x40, v4);
        code.jump_unless_equal(0x60, zero);
        ipv6(&mut code, zero);
        code.jump(transport);
        code.place(v4);
        ipv4(&mut code, zero);
        code.place(transport);
        self.give_mix(&mut code);
        code.place(zero);
        code.give(0);
        code.assemble()
    }

    /// X stands at the TCP header, the folded addresses are in `ADDRESSES`.
    fn give_mix(self, code: &mut Assembler) {
        code.load_half(0);
        code.store(SCRATCH);
        code.load_half(2);
        code.xor_memory(SCRATCH);
        code.multiply(self.ports);
        code.store(SCRATCH);
        code.load_memory(ADDRESSES);
        code.multiply(self.addresses);
        code.add_memory(SCRATCH);
        code.store(SCRATCH);
        code.shift_right(16);
        code.xor_memory(SCRATCH);
        code.give_accumulator();
    }
}

const ETHERNET: LinkType = LinkType(1);
const RAW: LinkType = LinkType(101);
const LINUX_SLL: LinkType = LinkType(113);
const LINUX_SLL2: LinkType = LinkType(276);

/// The types of IPv4 and IPv6.
const IP: [u32; 2] = [0x0800, 0x86dd];
/// The types of 802.1Q and 802.1ad tags.
const TAGS: [u32; 2] = [0x8100, 0x88a8];
const TCP: u32 = 6;
/// `PACKET_OUTGOING` of linux/if_packet.h.
const PACKET_OUTGOING: u32 = 4;
/// `SKF_NET_OFF` of linux/filter.h: offsets from here count from the network header.
const NETWORK_HEADER: u32 = -0x0010_0000_i32 as u32;
/// More fragments to come, or an offset (RFC 791 §3.1).
const FRAGMENT: u32 = 0x3fff;
/// VLAN tags that the kernel left in the frame.
const TAGS_IN_DATA_MAX: u32 = 2;

// The program's memory.
const ADDRESSES: u32 = 0;
const BASE: u32 = 1;
const SCRATCH: u32 = 2;

fn jump_if_any_of(code: &mut Assembler, types: [u32; 2], target: Label) {
    for one in types {
        code.jump_if_equal(one, target);
    }
}

/// X stands at an IPv4 header; leaves it at the TCP header.
fn ipv4(code: &mut Assembler, zero: Label) {
    code.load_byte(9);
    code.jump_unless_equal(TCP, zero);
    code.load_half(6);
    code.jump_if_any(FRAGMENT, zero);
    code.store_x(BASE);
    code.load_word(12);
    code.store(ADDRESSES);
    code.load_word(16);
    code.xor_memory(ADDRESSES);
    code.store(ADDRESSES);
    code.load_x(BASE);
    code.load_byte(0);
    code.and(0x0f);
    code.shift_left(2);
    code.add_memory(BASE);
    code.accumulator_to_x();
}

/// X stands at an IPv6 header; leaves it at the TCP header.
fn ipv6(code: &mut Assembler, zero: Label) {
    code.load_byte(6);
    code.jump_unless_equal(TCP, zero);
    code.store_x(BASE);
    code.load_word(8);
    code.store(ADDRESSES);
    for word in 1..8 {
        code.load_word(8 + 4 * word);
        code.xor_memory(ADDRESSES);
        code.store(ADDRESSES);
        code.load_x(BASE);
    }
    code.load_immediate(40);
    code.add_memory(BASE);
    code.accumulator_to_x();
}

/// What the program mixes: both addresses folded, both ports folded.
fn ports_and_addresses(link: LinkType, frame: &[u8]) -> Option<(u32, u32)> {
    let packet = ip_packet(link, frame)?;
    let (addresses, transport) = match packet.first()? >> 4 {
        4 => {
            let fragment = u32::from(half(packet, 6)?) & FRAGMENT != 0;
            if u32::from(*packet.get(9)?) != TCP || fragment {
                return None;
            }
            (word(packet, 12)? ^ word(packet, 16)?, usize::from(packet.first()? & 0x0f) * 4)
        }
        6 => {
            if u32::from(*packet.get(6)?) != TCP {
                return None;
            }
            let words = (0..8).map(|index| word(packet, 8 + 4 * index));
            (words.into_iter().try_fold(0, |sum, next| Some(sum ^ next?))?, 40)
        }
        _ => return None,
    };
    Some((addresses, u32::from(half(packet, transport)? ^ half(packet, transport + 2)?)))
}

/// What follows the link header and up to three VLAN tags: the one that libpcap put back, and two more.
fn ip_packet(link: LinkType, frame: &[u8]) -> Option<&[u8]> {
    let (mut type_at, mut packet_at) = match link {
        ETHERNET => (12, 14),
        LINUX_SLL => (14, 16),
        LINUX_SLL2 => (0, 20),
        RAW => return Some(frame),
        _ => return None,
    };
    for _ in 0..=1 + TAGS_IN_DATA_MAX {
        let ethertype = u32::from(half(frame, type_at)?);
        if IP.contains(&ethertype) {
            return frame.get(packet_at..);
        }
        if !TAGS.contains(&ethertype) {
            return None;
        }
        (type_at, packet_at) = (packet_at + 2, packet_at + 4);
    }
    None
}

fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (bits ^ bits >> 32 ^ bits >> 64 ^ bits >> 96) as u32
        }
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests;
