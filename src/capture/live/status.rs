//! What the system says of an interface and of this process, asked only when something is odd.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;

use crate::capture::live::kernel;

/// Whether frames can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// It is there and up.
    Up,
    /// It is there, but switched off.
    Down,
    /// There is none of that name.
    Missing,
}

/// The capability that packet sockets need (capabilities(7)).
const CAP_NET_RAW: u32 = 13;

/// The state of the interface with this name. libpcap's `any`, which stands for all, is always up.
pub(super) fn of_name(interface: &str) -> Interface {
    if interface == "any" {
        return Interface::Up;
    }
    match UnixDatagram::unbound() {
        Ok(socket) => of_flags(socket.as_fd(), interface),
        Err(_) => Interface::Up, // without any descriptor left nothing is known, and another error will say so
    }
}

/// The state of the interface that a packet socket is bound to, whatever its name is by now.
pub(super) fn of_socket(socket: BorrowedFd<'_>) -> Interface {
    match kernel::interface_index(socket).map(u32::try_from) {
        Ok(Ok(0)) | Err(_) => Interface::Up,
        Ok(Ok(index)) => {
            kernel::interface_name(index).map_or(Interface::Missing, |name| of_flags(socket, &name))
        }
        Ok(Err(_)) => Interface::Missing,
    }
}

/// The name by now of the interface that a packet socket is bound to.
pub(super) fn name_of(socket: BorrowedFd<'_>) -> Option<String> {
    let index = kernel::interface_index(socket).ok()?;
    kernel::interface_name(u32::try_from(index).ok()?)
}

/// Whether a packet socket is bound to the loopback.
pub(super) fn is_loopback(socket: BorrowedFd<'_>) -> bool {
    let flags = name_of(socket).and_then(|name| kernel::interface_flags(socket, &name).ok());
    flags.is_some_and(|flags| flags & libc::IFF_LOOPBACK != 0)
}

fn of_flags(socket: BorrowedFd<'_>, name: &str) -> Interface {
    match kernel::interface_flags(socket, name) {
        Ok(flags) if flags & libc::IFF_UP != 0 => Interface::Up,
        Ok(_) => Interface::Down,
        Err(_) => Interface::Missing,
    }
}

/// Whether this process may open packet sockets; unknown counts as yes.
pub(super) fn may_capture() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = capabilities.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    capabilities.is_none_or(|set| set >> CAP_NET_RAW & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_known_and_a_made_up_name_is_not() {
        assert_ne!(of_name("lo"), Interface::Missing);
        assert_eq!(of_name("any"), Interface::Up);
        for name in ["no-such-if", "", "a/b", "a-name-that-is-longer-than-names-are", "lo\0"] {
            assert_eq!(of_name(name), Interface::Missing, "{name}");
        }
        assert_eq!(kernel::interface_name(1).as_deref(), Some("lo"));
        assert_eq!(kernel::interface_name(0), None);
    }
}
