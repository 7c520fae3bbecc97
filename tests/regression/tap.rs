//! Captures made by hand: one TCP connection, segment by segment, in Ethernet and IPv4.

use super::harness::pcap::{HEADER, with_secrets};

/// First sequence numbers of client and server.
pub(crate) const BEGIN: [u32; 2] = [1_000, 5_000];
const MILLISECOND: u64 = 1_000;

/// A connection between 10.0.0.1:40000 and 10.0.0.2:80 as a tap sees it.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    records: Vec<u8>,
    micros: u64,
    next: [u32; 2],
}

impl Tap {
    /// After the handshake.
    pub(crate) fn connected() -> Self {
        let mut tap = Self { next: BEGIN, ..Self::default() };
        tap.segment(0, "S", BEGIN[0] - 1, 0, b"");
        tap.segment(1, "SA", BEGIN[1] - 1, BEGIN[0], b"");
        tap.segment(0, "A", BEGIN[0], BEGIN[1], b"");
        tap
    }

    /// The client says something that acknowledges all that was said.
    pub(crate) fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.say(0, bytes)
    }

    /// The server says something.
    pub(crate) fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.say(1, bytes)
    }

    fn say(&mut self, side: usize, bytes: &[u8]) -> &mut Self {
        let (seq, ack) = (self.next[side], self.next[1 - side]);
        self.next[side] += bytes.len() as u32;
        self.segment(side, "PA", seq, ack, bytes)
    }

    /// Both sides close, the server first.
    pub(crate) fn close(&mut self) -> &mut Self {
        for side in [1, 0] {
            let (seq, ack) = (self.next[side], self.next[1 - side]);
            self.next[side] += 1;
            self.segment(side, "FA", seq, ack, b"");
        }
        self
    }

    /// Any segment, a millisecond after the one before. Flags by their first letters.
    pub(crate) fn segment(
        &mut self,
        side: usize,
        flags: &str,
        seq: u32,
        ack: u32,
        payload: &[u8],
    ) -> &mut Self {
        self.micros += MILLISECOND;
        let flags = flags.bytes().fold(0_u8, |flags, letter| {
            flags
                | match letter {
                    b'F' => 1,
                    b'S' => 2,
                    b'R' => 4,
                    b'P' => 8,
                    _ => 16,
                }
        });
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        frame.extend_from_slice(&(40 + payload.len() as u16).to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        let (from, to) = if side == 0 { (1, 2) } else { (2, 1) };
        frame.extend_from_slice(&[10, 0, 0, from, 10, 0, 0, to]);
        let ports = if side == 0 { [40_000_u16, 80] } else { [80, 40_000] };
        ports.iter().for_each(|port| frame.extend_from_slice(&port.to_be_bytes()));
        frame.extend_from_slice(&seq.to_be_bytes());
        frame.extend_from_slice(&ack.to_be_bytes());
        frame.extend_from_slice(&[0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        frame.extend_from_slice(payload);
        let (seconds, micros) = (1_700_000_000 + self.micros / 1_000_000, self.micros % 1_000_000);
        for number in [seconds as u32, micros as u32, frame.len() as u32, frame.len() as u32] {
            self.records.extend_from_slice(&number.to_le_bytes());
        }
        self.records.extend_from_slice(&frame);
        self
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, micros: u64) -> &mut Self {
        self.micros += micros;
        self
    }

    /// The file.
    pub(crate) fn capture(&self) -> Vec<u8> {
        [&HEADER[..], &self.records].concat()
    }

    /// As pcapng, in which every frame has the last time that can be written.
    pub(crate) fn capture_at_the_end_of_time(&self) -> Vec<u8> {
        const ENHANCED_PACKET: u8 = 6;
        let mut bytes = with_secrets(&self.capture(), b"", usize::MAX);
        let mut at = 0;
        while let Some(len) = bytes.get(at + 4..at + 8) {
            let len = u32::from_le_bytes(len.try_into().expect("four bytes")) as usize;
            if bytes[at] == ENHANCED_PACKET {
                bytes[at + 12..at + 20].fill(0xff);
            }
            at += len;
        }
        bytes
    }
}
