//! A live interface → Frame: one libpcap handle for each worker, all of them one fanout group.
//!
//! libpcap reads from a ring that the kernel fills (TPACKET_V3); a frame is borrowed from the ring and not copied. A
//! [`Socket`] belongs to one worker's thread and gives it frames in rounds of one slot, so that a worker on a quiet
//! interface closes its slots too and sees a request to stop soon enough.

mod bpf;
mod error;
mod fanout;
mod kernel;
mod status;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use pcap::{Active, Capture, Precision};

pub use error::{OpenError, ReadError};
pub use fanout::Fanout;

use crate::capture::live::kernel::Group;
use crate::capture::{Frame, LinkType};
use crate::limits;
use crate::time::Timestamp;

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes kept of each frame.
    pub snaplen_bytes: u32,
    /// Size of each socket's ring.
    pub ring_bytes: u32,
    /// Frames for others are wanted too.
    pub promiscuous: bool,
    /// BPF expression that frames must match.
    pub filter: Option<String>,
    /// How many sockets share the frames: one for each worker.
    pub sockets: usize,
}

/// What one round brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Frames delivered.
    pub frames: u64,
    /// The newest time of a frame; none: there was none.
    pub newest: Option<Timestamp>,
    /// The interface is down: nothing comes until it is up again.
    pub down: bool,
}

crate::counters! {
    /// What the kernel counted for one socket since it was opened.
    pub struct Stats {
        /// Frames that matched the filter, those dropped included.
        received,
        /// Frames that the ring had no room for.
        dropped,
        /// Frames that the interface dropped before any socket saw them. This is the interface's count: each socket of
        /// a group tells the same.
        interface_dropped,
    }
}

/// One worker's share of an interface.
pub struct Socket {
    capture: Capture<Active>,
    interface: String,
    link: LinkType,
    fanout: Fanout,
    stats: Stats,
    /// Frames that were handed over since counting began.
    delivered: u64,
    /// libpcap's counters have 32 bits, and they wrap within the hour on a fast link.
    last: [u32; 3],
    /// The kernel has each frame of the loopback twice, as sent and as received; libpcap passes over the first behind the
    /// ring, and does not say how many it passed over.
    loopback: bool,
    /// Whether the interface was found down when it was last looked at.
    down: bool,
}

/// Opens an interface, with one socket for each worker. A frame reaches exactly one of them, and all frames of a
/// connection reach the same: [`Fanout::owner`] says which.
///
/// A socket that is bound but not yet in the group gets every frame, so each is opened with a filter that lets
/// nothing pass, all join, what came in between is thrown away, and only then is the filter set that was asked for.
pub fn open(interface: &str, options: &Options) -> Result<Vec<Socket>, OpenError> {
    let fanout = Fanout::random();
    let count = options.sockets.max(1);
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        sockets.push(Socket::open(interface, options, fanout)?);
    }
    let refused = |error| OpenError::Fanout { interface: interface.into(), error };
    let mut group = Group::New;
    for socket in &sockets {
        kernel::join(socket.descriptor(), group).map_err(refused)?;
        if group == Group::New {
            group = Group::Existing(kernel::group_of(socket.descriptor()).map_err(refused)?);
            kernel::set_program(socket.descriptor(), &fanout.program()).map_err(refused)?;
        }
    }
    // A block of the ring that was begun is handed over after one slot, two if the timer had just run.
    std::thread::sleep(3 * SLOT);
    for socket in &mut sockets {
        socket.drain()?;
        socket.forget_counts()?;
    }
    let filter = options.filter.as_deref().unwrap_or_default();
    for socket in &mut sockets {
        let set = socket.capture.filter(filter, true);
        set.map_err(|error| OpenError::Filter { expression: filter.into(), reason: error::said(&error) })?;
    }
    Ok(sockets)
}

impl Socket {
    /// Reads what there is, and waits for more until a slot is over. Frames borrow from the ring: whoever wants to
    /// keep bytes copies them.
    #[expect(clippy::disallowed_methods, reason = "a slot of live capture is a slot of real time")]
    pub fn round(&mut self, mut deliver: impl FnMut(Frame<'_>)) -> Result<Round, ReadError> {
        let start = Instant::now();
        let mut round = Round::default();
        let mut elapsed = Duration::ZERO;
        while elapsed < SLOT {
            let frames = self.read(&mut round, &mut deliver)?;
            elapsed = start.elapsed();
            if frames == 0 && elapsed < SLOT {
                kernel::wait(self.descriptor(), SLOT - elapsed)
                    .map_err(|error| self.failed(error.to_string()))?;
                elapsed = start.elapsed();
            }
        }
        if round.frames == 0 {
            self.look_after_interface()?;
        }
        round.down = self.down;
        Ok(round)
    }

    /// Takes no further frame, and reads what the kernel took until now: at the end of a capture, so that its books
    /// close however much traffic goes on.
    pub fn finish(&mut self, mut deliver: impl FnMut(Frame<'_>)) -> Result<(), ReadError> {
        kernel::close_gate(self.descriptor()).map_err(|error| self.failed(error.to_string()))?;
        for quiet in 0..limits::LIVE_END_SLOTS {
            // A block of the ring that was begun is handed over after a slot or two.
            while self.round(&mut deliver)?.frames > 0 {}
            let stats = self.stats()?;
            if quiet > 0 && stats.received == self.delivered + stats.dropped {
                break;
            }
        }
        Ok(())
    }

    /// What the kernel counted until now. Of the loopback its count of received frames tells nothing: there it is what was
    /// handed over and what was dropped.
    pub fn stats(&mut self) -> Result<Stats, ReadError> {
        let now = self.capture.stats().map_err(|error| self.failed(error::said(&error)))?;
        let now = [now.received, now.dropped, now.if_dropped];
        let [received, dropped, interface] = self.last;
        self.stats.received += u64::from(now[0].wrapping_sub(received));
        self.stats.dropped += u64::from(now[1].wrapping_sub(dropped));
        self.stats.interface_dropped += u64::from(now[2].wrapping_sub(interface));
        self.last = now;
        if self.loopback {
            self.stats.received = self.delivered + self.stats.dropped;
        }
        Ok(self.stats)
    }

    /// How to read the first header of its frames.
    #[must_use]
    pub const fn link(&self) -> LinkType {
        self.link
    }

    /// How the frames are shared out between the sockets.
    #[must_use]
    pub const fn fanout(&self) -> Fanout {
        self.fanout
    }

    fn open(interface: &str, options: &Options, fanout: Fanout) -> Result<Self, OpenError> {
        let refused = |error: pcap::Error| error::refused(interface, &error);
        let int = |bytes: u32| i32::try_from(bytes).unwrap_or(i32::MAX);
        let capture = Capture::from_device(interface).map_err(refused)?;
        let capture = capture
            .snaplen(int(options.snaplen_bytes))
            .buffer_size(int(options.ring_bytes))
            .promisc(options.promiscuous)
            .precision(Precision::Nano)
            .timeout(limits::SLOT_MS as i32) // a block of the ring that is not full is handed over after this
            .open()
            .map_err(refused)?;
        let mut capture = capture.setnonblock().map_err(refused)?;
        capture.filter(LET_NOTHING_PASS, false).map_err(refused)?;
        let link = link_type(capture.get_datalink());
        let (stats, last) = (Stats::default(), [0; 3]);
        let loopback = status::is_loopback(capture.as_fd());
        Ok(Self {
            capture,
            interface: interface.into(),
            link,
            fanout,
            stats,
            delivered: 0,
            last,
            loopback,
            down: false,
        })
    }

    /// Hands over what is in the ring, a batch at most, so that the end of a slot is noticed.
    fn read(&mut self, round: &mut Round, deliver: &mut impl FnMut(Frame<'_>)) -> Result<usize, ReadError> {
        let link = self.link;
        let read = self.capture.dispatch(Some(limits::LIVE_BATCH_FRAMES), |packet| {
            let frame = frame(&packet, link);
            round.frames += 1;
            round.newest = round.newest.max(Some(frame.time));
            deliver(frame);
        });
        let frames = read.map_err(|error| self.failed(error::said(&error)))?;
        self.delivered += frames as u64;
        Ok(frames)
    }

    /// Throws away what the ring holds.
    fn drain(&mut self) -> Result<(), OpenError> {
        while self.read(&mut Round::default(), &mut |_| ()).map_err(OpenError::Read)? > 0 {}
        Ok(())
    }

    /// What was counted until now belongs to nobody.
    fn forget_counts(&mut self) -> Result<(), OpenError> {
        self.stats().map_err(OpenError::Read)?;
        (self.stats, self.delivered) = (Stats::default(), 0);
        Ok(())
    }

    /// On an idle interface: is it still there, and up?
    fn look_after_interface(&mut self) -> Result<(), ReadError> {
        match status::of_socket(self.descriptor()) {
            status::Interface::Up => self.down = false,
            status::Interface::Down => self.down = true,
            status::Interface::Missing => {
                return Err(ReadError::Removed { interface: self.interface.clone() });
            }
        }
        Ok(())
    }

    fn failed(&self, reason: String) -> ReadError {
        let interface = self.interface.clone();
        match (status::of_socket(self.descriptor()), status::name_of(self.descriptor())) {
            (status::Interface::Missing, _) => ReadError::Removed { interface },
            (_, Some(name)) if name != interface => ReadError::Renamed { interface, name },
            _ => ReadError::Failed { interface, reason },
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

const SLOT: Duration = Duration::from_millis(limits::SLOT_MS);
/// No frame is this short. (libpcap's optimiser would refuse it as an expression that rejects everything.)
const LET_NOTHING_PASS: &str = "less 0";

fn frame<'a>(packet: &pcap::Packet<'a>, link: LinkType) -> Frame<'a> {
    let header = packet.header;
    let (seconds, nanos) = (header.ts.tv_sec as u64, header.ts.tv_usec as u64); // nanoseconds, as asked for
    Frame {
        time: Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)),
        interface: 0,
        link,
        original_len: header.len,
        bytes: packet.data,
    }
}

/// libpcap gives raw IP a number of the platform's own (`DLT_RAW`); everything else that Linux has is the same in
/// the registry of link types.
fn link_type(datalink: pcap::Linktype) -> LinkType {
    const DLT_RAW: i32 = 12;
    const LINKTYPE_RAW: u32 = 101;
    LinkType(if datalink.0 == DLT_RAW { LINKTYPE_RAW } else { datalink.0 as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(sockets: usize) -> Options {
        let (snaplen_bytes, ring_bytes) = (limits::SNAPLEN_BYTES_MAX, limits::RING_BYTES_MIN);
        Options { snaplen_bytes, ring_bytes, promiscuous: false, filter: None, sockets }
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        let Err(error) = open("no-such-if", &options(2)) else { panic!("opened what is not there") };
        if status::may_capture() {
            assert!(matches!(error, OpenError::NoSuchInterface { .. }), "{error:?}");
        } else {
            assert!(matches!(error, OpenError::NoPermission { .. }), "{error:?}");
        }
        assert!(error.to_string().starts_with("no-such-if: "), "{error}");
    }

    #[test]
    fn loopback_brings_each_frame_once_and_the_books_balance() {
        if !status::may_capture() {
            return;
        }
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        for filter in [format!("udp port {port}"), format!("udp dst port {port} or udp src port {port}")] {
            let mut sockets = open("lo", &Options { filter: Some(filter.clone()), ..options(2) }).unwrap();
            for number in 0..20_u8 {
                receiver.send_to(&[number], ("127.0.0.1", port)).unwrap();
            }
            let (mut frames, mut received) = (0, 0);
            for socket in &mut sockets {
                socket.round(|_| frames += 1).unwrap();
                socket.finish(|_| frames += 1).unwrap();
                received += socket.stats().unwrap().received;
            }
            assert_eq!((frames, received), (20, 20), "{filter}");
        }
    }

    #[test]
    fn raw_ip_has_another_number_in_the_registry() {
        assert_eq!(link_type(pcap::Linktype(12)), LinkType(101));
        assert_eq!(link_type(pcap::Linktype(1)), LinkType(1));
    }
}
