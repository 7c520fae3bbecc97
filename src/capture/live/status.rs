//! What the system says of an interface and of this process, asked only when something is odd.

use std::fs;

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

/// `IFF_UP` of net/if.h.
const UP: u32 = 1;
/// The capability that packet sockets need (capabilities(7)).
const CAP_NET_RAW: u32 = 13;

/// The state of an interface. libpcap's `any`, which stands for all, is always up.
pub(super) fn of(interface: &str) -> Interface {
    if interface == "any" {
        return Interface::Up;
    }
    let flags = fs::read_to_string(format!("/sys/class/net/{interface}/flags"));
    let flags =
        flags.ok().and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    match flags {
        Some(flags) if flags & UP != 0 => Interface::Up,
        Some(_) => Interface::Down,
        None => Interface::Missing,
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
        assert_ne!(of("lo"), Interface::Missing);
        assert_eq!(of("any"), Interface::Up);
        for name in ["no-such-if", "", "../net/nothing", "a/b"] {
            assert_eq!(of(name), Interface::Missing, "{name}");
        }
    }
}
