//! Captures made up for measurements: the same bytes in every run, but for keys and certificate of `idle`.
//!
//! `calls`: keep-alive connections, 64 open at once, their packets interleaved as on a busy mirror port; requests of
//! about 550 bytes with seven headers, JSON answers of about 1.6 KB in segments of 1,448 bytes. `calls_h2`: such calls over
//! HTTP/2, four under way at once on a connection. `noise`: 400 TCP flows that begin like TLS and go on with random bytes.

#[path = "h2.rs"]
pub(crate) mod h2;
#[path = "secured.rs"]
mod secured;

use std::io::{Result, Write};

use fastrand::Rng;

const CALLS_PER_CONNECTION: u64 = 100;
const OPEN: usize = 64;
const SEGMENT_BYTES: usize = 1448;
const START_US: u64 = 1_700_000_000_000_000;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const FIN: u8 = 0x01;

/// A pcap file in the making.
struct Capture<'a> {
    file: &'a mut dyn Write,
    time_us: u64,
}

impl<'a> Capture<'a> {
    fn new(file: &'a mut dyn Write) -> Result<Self> {
        let mut header = 0xA1B2_C3D4_u32.to_le_bytes().to_vec();
        header.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.extend(262_144_u32.to_le_bytes());
        header.extend(1_u32.to_le_bytes()); // Ethernet
        file.write_all(&header)?;
        Ok(Self { file, time_us: START_US })
    }

    fn frame(&mut self, frame: &[u8]) -> Result<()> {
        self.time_us += 3;
        let (seconds, micros) = ((self.time_us / 1_000_000) as u32, (self.time_us % 1_000_000) as u32);
        for word in [seconds, micros, frame.len() as u32, frame.len() as u32] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(frame)
    }
}

/// Two ends of a connection; 0 is the client.
struct Ends {
    addresses: [[u8; 4]; 2],
    ports: [u16; 2],
    /// What each sends next.
    seqs: [u32; 2],
}

impl Ends {
    fn send(&mut self, capture: &mut Capture<'_>, from: usize, flags: u8, payload: &[u8]) -> Result<()> {
        let to = 1 - from;
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
        frame.extend([0x45, 0]);
        frame.extend((40 + payload.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend(self.addresses[from]);
        frame.extend(self.addresses[to]);
        frame.extend(self.ports[from].to_be_bytes());
        frame.extend(self.ports[to].to_be_bytes());
        frame.extend(self.seqs[from].to_be_bytes());
        let ack = if flags & ACK == 0 { 0 } else { self.seqs[to] };
        frame.extend(ack.to_be_bytes());
        frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(payload);
        let taken = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.seqs[from] = self.seqs[from].wrapping_add(taken);
        capture.frame(&frame)
    }
}

impl Ends {
    /// The client and the server of the connection of that number.
    fn of(random: &mut Rng, number: u64) -> Self {
        let [.., b, c, d] = number.to_be_bytes();
        Self {
            addresses: [[10, b, c, d], [10, 200, 0, (number % 40) as u8 + 1]],
            ports: [1024 + (number % 60_000) as u16, 80],
            seqs: [random.u32(..), random.u32(..)],
        }
    }
}

/// A connection whose packets mingle with those of others.
trait Talk {
    /// Its next packets. Returns whether it goes on.
    fn advance(&mut self, capture: &mut Capture<'_>, random: &mut Rng) -> Result<bool>;
}

/// A keep-alive connection, one step at a time.
struct Connection {
    ends: Ends,
    number: u64,
    calls_left: u64,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Syn,
    Accept,
    Ask,
    Answer,
    Close,
}

impl Connection {
    fn new(random: &mut Rng, number: u64, calls: u64) -> Self {
        Self { ends: Ends::of(random, number), number, calls_left: calls, step: Step::Syn }
    }
}

impl Talk for Connection {
    fn advance(&mut self, capture: &mut Capture<'_>, random: &mut Rng) -> Result<bool> {
        let call = self.number * CALLS_PER_CONNECTION + self.calls_left;
        let ends = &mut self.ends;
        self.step = match self.step {
            Step::Syn => {
                ends.send(capture, 0, SYN, &[])?;
                Step::Accept
            }
            Step::Accept => {
                ends.send(capture, 1, SYN | ACK, &[])?;
                ends.send(capture, 0, ACK, &[])?;
                Step::Ask
            }
            Step::Ask if self.calls_left == 0 => Step::Close,
            Step::Ask => {
                ends.send(capture, 0, PSH | ACK, request(random, self.number, call).as_bytes())?;
                Step::Answer
            }
            Step::Answer => {
                for part in response(random, call).as_bytes().chunks(SEGMENT_BYTES) {
                    ends.send(capture, 1, PSH | ACK, part)?;
                }
                ends.send(capture, 0, ACK, &[])?;
                self.calls_left -= 1;
                Step::Ask
            }
            Step::Close => {
                ends.send(capture, 0, FIN | ACK, &[])?;
                ends.send(capture, 1, FIN | ACK, &[])?;
                ends.send(capture, 0, ACK, &[])?;
                return Ok(false);
            }
        };
        Ok(true)
    }
}

/// One request of a customer's app.
pub(crate) fn request(random: &mut Rng, customer: u64, call: u64) -> String {
    let head = format!(
        "Host: api{}.shop.test\r\nAuthorization: Bearer eyJhbGciOiJIUzI1NiJ9.{customer:012x}.{:024x}\r\n\
         Accept: application/json\r\nUser-Agent: shop-ios/3.2 (iPhone15,2; iOS 19.1)\r\nX-Request-Id: {call:016x}\r\n\
         Accept-Language: en-GB,en;q=0.9\r\nCookie: sid={customer:032x}\r\n",
        customer % 8,
        customer * 7919,
    );
    if call % 4 == 3 {
        let body = format!(r#"{{"sku": "SKU-{:05}", "qty": {}}}"#, random.u32(..100_000), random.u8(1..9));
        let framing = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        return format!("POST /api/v1/users/{customer}/cart HTTP/1.1\r\n{head}{framing}\r\n{body}");
    }
    let (product, page) = (random.u32(..1_000_000), call % 50);
    format!("GET /api/v1/products/{product}?page={page}&sort=price HTTP/1.1\r\n{head}\r\n")
}

/// One answer: a list of 8 to 39 things.
pub(crate) fn response(random: &mut Rng, call: u64) -> String {
    let count = random.usize(8..40);
    let items: Vec<String> = (0..count)
        .map(|quantity| {
            let (id, sku) = (random.u32(..1_000_000), random.u32(..100_000));
            let price = f64::from(random.u32(..9_900)) / 100.0;
            format!(r#"{{"id": {id}, "sku": "SKU-{sku:05}", "qty": {quantity}, "price": {price}}}"#)
        })
        .collect();
    let body = format!(r#"{{"items": [{}], "total": {count}}}"#, items.join(", "));
    let status =
        random.choice(["200 OK", "200 OK", "200 OK", "201 Created", "404 Not Found"]).unwrap_or("200 OK");
    format!(
        "HTTP/1.1 {status}\r\nServer: nginx\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Type: application/json\r\n\
         X-Call: {call:016x}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A connection of HTTP/2: what is left of what its ends write, last first.
struct Streams {
    ends: Ends,
    left: Vec<h2::Written>,
    begun: bool,
}

impl Talk for Streams {
    fn advance(&mut self, capture: &mut Capture<'_>, _: &mut Rng) -> Result<bool> {
        let ends = &mut self.ends;
        if !std::mem::replace(&mut self.begun, true) {
            ends.send(capture, 0, SYN, &[])?;
            ends.send(capture, 1, SYN | ACK, &[])?;
            ends.send(capture, 0, ACK, &[])?;
            return Ok(true);
        }
        let Some(h2::Written { end, bytes }) = self.left.pop() else {
            ends.send(capture, 0, FIN | ACK, &[])?;
            ends.send(capture, 1, FIN | ACK, &[])?;
            ends.send(capture, 0, ACK, &[])?;
            return Ok(false);
        };
        for part in bytes.chunks(SEGMENT_BYTES) {
            ends.send(capture, end, PSH | ACK, part)?;
        }
        Ok(true)
    }
}

/// Connections with `count` calls in all, [`OPEN`] of them at once.
fn mingle<T: Talk>(
    file: &mut dyn Write,
    count: u64,
    mut open_one: impl FnMut(&mut Rng, u64, u64) -> Result<T>,
) -> Result<()> {
    let (mut random, mut capture) = (Rng::with_seed(7), Capture::new(file)?);
    let (mut left, mut open) = (count, Vec::new());
    for number in 0.. {
        let calls = left.min(CALLS_PER_CONNECTION);
        left -= calls;
        if calls > 0 {
            open.push(open_one(&mut random, number, calls)?);
        }
        while open.len() >= OPEN || (left == 0 && !open.is_empty()) {
            let turn = random.usize(..open.len());
            let goes_on = open.get_mut(turn).map(|one| one.advance(&mut capture, &mut random)).transpose()?;
            if goes_on == Some(false) {
                open.swap_remove(turn);
            }
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// A capture of so many calls.
pub(crate) fn calls(file: &mut dyn Write, count: u64) -> Result<()> {
    mingle(file, count, |random, number, calls| Ok(Connection::new(random, number, calls)))
}

/// A capture of so many calls over HTTP/2.
pub(crate) fn calls_h2(file: &mut dyn Write, count: u64) -> Result<()> {
    mingle(file, count, |random, number, calls| {
        let ends = Ends::of(random, number);
        let mut left = h2::conversation(random, number, number * CALLS_PER_CONNECTION, calls)?;
        left.reverse();
        Ok(Streams { ends, left, begun: false })
    })
}

/// A capture of so many connections of HTTP/2 over TLS that stay open behind a few calls each, and their key log.
pub(crate) fn idle(file: &mut dyn Write, count: u64, calls: u64) -> Result<String> {
    let (mut random, mut capture) = (Rng::with_seed(7), Capture::new(file)?);
    let peers = secured::Peers::new()?;
    for number in 0..count {
        let written = peers.converse(&mut random, number, calls)?;
        let mut ends = Ends::of(&mut random, number);
        ends.send(&mut capture, 0, SYN, &[])?;
        ends.send(&mut capture, 1, SYN | ACK, &[])?;
        for part in &written {
            for segment in part.bytes.chunks(SEGMENT_BYTES) {
                ends.send(&mut capture, part.end, PSH | ACK, segment)?;
            }
        }
        for end in [0, 1] {
            ends.send(&mut capture, end, ACK, &[])?;
        }
    }
    Ok(peers.key_log())
}

/// A capture of about so many bytes of TCP that is not HTTP.
pub(crate) fn noise(file: &mut dyn Write, bytes: u64) -> Result<()> {
    const FRAME_BYTES: u64 = 16 + 54 + SEGMENT_BYTES as u64;
    let (mut random, mut capture) = (Rng::with_seed(3), Capture::new(file)?);
    let noise: Vec<u8> = (0..1 << 20).map(|_| random.u8(..)).collect();
    let mut flows: Vec<_> = (0..400_u16)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            let addresses = [[10, 1, high, low], [10, 2, 0, 1]];
            (Ends { addresses, ports: [20_000 + number, 443], seqs: [1, 1] }, [true; 2])
        })
        .collect();
    for _ in 0..bytes / FRAME_BYTES {
        let (flow, side) = (random.usize(..flows.len()), usize::from(random.u8(..) < 205));
        let at = random.usize(..noise.len() - SEGMENT_BYTES);
        let mut payload = noise[at..at + SEGMENT_BYTES].to_vec();
        let (ends, first) = &mut flows[flow];
        if std::mem::take(&mut first[side]) {
            payload[..6].copy_from_slice(b"\x16\x03\x01\x05\xa3\x01"); // a TLS record with a ClientHello
        }
        ends.send(&mut capture, side, PSH | ACK, &payload)?;
    }
    Ok(())
}
