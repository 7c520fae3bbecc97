//! The calls to the kernel that libpcap does not make: joining a fanout group, waiting for a frame, and asking what
//! became of the interface.
//!
//! This is the only file of the capture stage with `unsafe` in it. Each call gets a descriptor that is borrowed for
//! the call, and pointers to values that live on this stack or in a slice for as long as the call lasts.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::capture::live::bpf::Instruction;

/// `BPF_RET | BPF_K` of linux/bpf_common.h.
const RETURN_CONSTANT: u16 = 0x06;

/// Which group a socket joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// One that no other process has: the kernel chooses its number.
    New,
    /// The one with this number.
    Existing(u16),
}

/// Joins a fanout group whose sockets are chosen by a classic BPF program (packet(7), `PACKET_FANOUT_CBPF`).
pub(super) fn join(socket: BorrowedFd<'_>, group: Group) -> io::Result<()> {
    let (number, flags) = match group {
        Group::New => (0, libc::PACKET_FANOUT_FLAG_UNIQUEID),
        Group::Existing(number) => (u32::from(number), 0),
    };
    // The kernel reads the number from the low half, mode and flags from the high half.
    let argument = number | (libc::PACKET_FANOUT_CBPF | flags) << 16;
    set_option(socket, libc::PACKET_FANOUT, &argument)
}

/// The number of the group that a socket is in.
#[expect(unsafe_code, reason = "getsockopt takes pointers")]
pub(super) fn group_of(socket: BorrowedFd<'_>) -> io::Result<u16> {
    let mut argument = 0_u32;
    let mut len = size_of::<u32>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `argument`, and `len` is its size; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            (&raw mut argument).cast(),
            &raw mut len,
        )
    };
    succeeded(result).map(|_| argument as u16)
}

/// Sets the program of the group that a socket is in (`PACKET_FANOUT_DATA`).
pub(super) fn set_program(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let lines = program.iter().map(|line| libc::sock_filter {
        code: line.code,
        jt: line.jump_true,
        jf: line.jump_false,
        k: line.k,
    });
    let mut lines: Vec<_> = lines.collect();
    let len = u16::try_from(lines.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel copies the program during the call, so `lines` need not live longer than that.
    let argument = libc::sock_fprog { len, filter: lines.as_mut_ptr() };
    set_option(socket, libc::PACKET_FANOUT_DATA, &argument)
}

/// From now on the socket takes no frame: a filter that lets nothing pass, set behind libpcap's back, which would
/// apply a filter of its own to the frames that the ring holds already.
pub(super) fn close_gate(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut nothing = [libc::sock_filter { code: RETURN_CONSTANT, jt: 0, jf: 0, k: 0 }];
    // The kernel copies the program during the call.
    let argument = libc::sock_fprog { len: 1, filter: nothing.as_mut_ptr() };
    set_option_at(libc::SOL_SOCKET, socket, libc::SO_ATTACH_FILTER, &argument)
}

/// Waits until a socket has something to read or reports an error, at most so long. A signal ends the wait early.
#[expect(unsafe_code, reason = "poll takes a pointer")]
pub(super) fn wait(socket: BorrowedFd<'_>, at_most: Duration) -> io::Result<()> {
    let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let millis = c_int::try_from(at_most.as_micros().div_ceil(1_000)).unwrap_or(c_int::MAX);
    // SAFETY: the pointer is to one `pollfd` that outlives the call, and the count says one.
    let result = unsafe { libc::poll(&raw mut polled, 1, millis) };
    match succeeded(result) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        other => other.map(drop),
    }
}

/// The index of the interface that a packet socket is bound to: 0 stands for all, below 0 for one that was removed.
#[expect(unsafe_code, reason = "getsockname takes pointers")]
pub(super) fn interface_index(socket: BorrowedFd<'_>) -> io::Result<c_int> {
    // SAFETY: `sockaddr_ll` is made of integers alone, for which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `address`, and `len` is its size; both outlive the call.
    let result = unsafe { libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut len) };
    succeeded(result).map(|_| address.sll_ifindex)
}

/// The name that an interface has now, in the network namespace of this process.
#[expect(unsafe_code, reason = "if_indextoname takes a pointer")]
pub(super) fn interface_name(index: u32) -> Option<String> {
    let mut name: [c_char; libc::IF_NAMESIZE] = [0; libc::IF_NAMESIZE];
    // SAFETY: the call writes at most IF_NAMESIZE bytes, with a zero behind the name, and `name` has that many.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
    let bytes = name.map(|byte| byte as u8);
    let name = CStr::from_bytes_until_nul(&bytes).ok().filter(|_| !found.is_null())?;
    name.to_str().ok().map(str::to_owned)
}

/// The flags (`IFF_UP` …) of the interface with this name, in the network namespace of the socket, whichever kind of
/// socket that is. Unlike /sys, which may show another namespace.
#[expect(unsafe_code, reason = "ioctl takes a pointer")]
pub(super) fn interface_flags(socket: BorrowedFd<'_>, name: &str) -> io::Result<c_int> {
    // SAFETY: `ifreq` is made of integers and of a union of integers and a pointer, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as c_char;
    }
    // SAFETY: SIOCGIFFLAGS reads the name, which ends with a zero as it is shorter than its place, and writes the flags
    // into the same `ifreq`, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) };
    succeeded(result)?;
    // SAFETY: the call succeeded, so the kernel has written this member of the union; any bits are a value of it.
    Ok(c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
}

fn set_option<T>(socket: BorrowedFd<'_>, name: c_int, value: &T) -> io::Result<()> {
    set_option_at(libc::SOL_PACKET, socket, name, value)
}

#[expect(unsafe_code, reason = "setsockopt takes a pointer")]
fn set_option_at<T>(level: c_int, socket: BorrowedFd<'_>, name: c_int, value: &T) -> io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes from `value`, which is its size, and `value` outlives the call. Of the two
    // types that are passed, `u32` has no pointers; `sock_fprog` has one to `len` instructions that its caller keeps
    // alive over the call. The kernel checks the contents of both.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), len) };
    succeeded(result).map(drop)
}

fn succeeded(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
