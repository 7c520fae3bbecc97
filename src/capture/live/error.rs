//! Why an interface can't be listened on, and what to do about it.

use std::{fmt, io};

use crate::capture::live::status;

/// Why a live capture did not start.
#[derive(Debug)]
pub enum OpenError {
    /// There is no interface of that name.
    NoSuchInterface {
        /// The name.
        interface: String,
    },
    /// This process may not open packet sockets.
    NoPermission {
        /// The interface.
        interface: String,
    },
    /// The interface is switched off.
    Down {
        /// The interface.
        interface: String,
    },
    /// The filter is no BPF expression, or not one for this kind of link.
    Filter {
        /// The expression.
        expression: String,
        /// What libpcap says.
        reason: String,
    },
    /// The kernel refuses to share the frames out between sockets.
    Fanout {
        /// The interface.
        interface: String,
        /// What the kernel says.
        error: io::Error,
    },
    /// libpcap refuses for another reason.
    Refused {
        /// The interface.
        interface: String,
        /// What libpcap says.
        reason: String,
    },
    /// It could be opened, but not be read.
    Read(ReadError),
}

/// Why a live capture ended.
#[derive(Debug)]
pub enum ReadError {
    /// The interface is no longer there.
    Removed {
        /// The interface.
        interface: String,
    },
    /// The interface has another name by now. If that happened while it was down, libpcap, which looks for the old
    /// name, does not find it again.
    Renamed {
        /// The interface, as it was called.
        interface: String,
        /// As it is called.
        name: String,
    },
    /// Reading failed for another reason.
    Failed {
        /// The interface.
        interface: String,
        /// What libpcap or the kernel says.
        reason: String,
    },
}

/// What it means that libpcap does not open an interface. It tells by text alone, so the system is asked.
pub(super) fn refused(interface: &str, error: &pcap::Error) -> OpenError {
    let name = interface.to_owned();
    match status::of_name(interface) {
        _ if !status::may_capture() => OpenError::NoPermission { interface: name },
        status::Interface::Missing => OpenError::NoSuchInterface { interface: name },
        status::Interface::Down => OpenError::Down { interface: name },
        status::Interface::Up => OpenError::Refused { interface: name, reason: said(error) },
    }
}

/// libpcap's words without the crate's.
pub(super) fn said(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(reason) => reason.clone(),
        other => other.to_string(),
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchInterface { interface } => {
                write!(
                    formatter,
                    "{interface}: there is no such interface (`ip link` lists those that there are)"
                )
            }
            Self::NoPermission { interface } => write!(
                formatter,
                "{interface}: no permission to listen: run as root, or give the program the capability with \
                 `setcap cap_net_raw+ep`"
            ),
            Self::Down { interface } => {
                write!(formatter, "{interface}: the interface is down: `ip link set {interface} up`")
            }
            Self::Filter { expression, reason } => write!(formatter, "filter '{expression}': {reason}"),
            Self::Fanout { interface, error } => {
                write!(
                    formatter,
                    "{interface}: the kernel does not share frames out between workers: {error}"
                )
            }
            Self::Refused { interface, reason } => {
                write!(formatter, "{interface}: can't be listened on: {reason}")
            }
            Self::Read(error) => error.fmt(formatter),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { interface } => write!(formatter, "{interface}: the interface was removed"),
            Self::Renamed { interface, name } => {
                write!(formatter, "{interface}: the interface was renamed to {name} while it was down")
            }
            Self::Failed { interface, reason } => {
                write!(formatter, "{interface}: can't be read any more: {reason}")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl std::error::Error for ReadError {}
