//! What could not be read: each a sentence with the file, the byte, and what to do about it.

use std::fmt::{Display, Formatter, Result};
use std::io;
use std::path::{Path, PathBuf};

use crate::capture::LinkType;
use crate::limits;

/// Something of the inputs that could not be read. Everything before it was; other inputs go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The input as it was named; `-` is standard input.
    pub input: PathBuf,
    /// The byte where it went wrong, from the start of the file, or of what a compressed file unpacks to.
    pub offset: Option<u64>,
    /// The input is compressed: `offset` counts the uncompressed bytes.
    pub unpacked: bool,
    /// What is wrong.
    pub what: Fault,
}

/// What is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such file.
    Missing,
    /// It may not be opened.
    Denied,
    /// The process has as many files open as it may.
    TooManyOpen,
    /// The operating system does not read it.
    Unreadable(io::ErrorKind),
    /// The compressed stream is damaged, or something else follows it.
    DamagedCompressed,
    /// The compressed stream ends before its end mark.
    CutCompressed,
    /// Neither a file, nor a directory, nor a pipe that was named.
    NotAFile,
    /// There is nothing in it.
    Empty,
    /// Its first bytes are those of no capture.
    NotACapture,
    /// A directory without any capture in it.
    NoCaptures,
    /// A pcap of a version that was never defined, or a pcapng section of one that is not known.
    Version {
        /// Major version in the header.
        major: u16,
        /// Minor version in the header.
        minor: u16,
    },
    /// It ends in the middle of something.
    Cut {
        /// In the middle of what.
        inside: Part,
        /// How many bytes of that are there.
        have: u64,
        /// How many it should have; 0 if that stands in the missing part.
        need: u64,
    },
    /// A length that cannot be true.
    Length {
        /// Of what.
        of: Part,
        /// The length that stands there.
        says: u64,
    },
    /// The length before a pcapng block and the length behind it differ.
    Lengths {
        /// Before.
        before: u32,
        /// Behind.
        behind: u32,
    },
    /// A pcapng section without the magic that tells its byte order.
    ByteOrder,
    /// A packet that names an interface which its section does not describe.
    Interface(u32),
    /// The filter does not work on the frames of this link type; they count as not matching.
    Filter {
        /// The link type.
        link: LinkType,
        /// What libpcap says.
        message: String,
    },
    /// More secrets than are kept; those from here on are left out.
    Secrets,
    /// Frames of a link type that nobody here can read.
    LinkType(LinkType),
}

/// A part of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The header of the file.
    FileHeader,
    /// The header before a packet.
    PacketHeader,
    /// A packet.
    Packet,
    /// A pcapng block.
    Block,
}

impl Problem {
    pub(super) fn new(input: &Path, what: Fault) -> Self {
        Self { input: input.to_path_buf(), offset: None, unpacked: false, what }
    }
}

impl Fault {
    /// What an error means: of the operating system, or of a decompressor, which has no number.
    pub(super) fn of(error: &io::Error, packed: bool) -> Self {
        /// `ENFILE` and `EMFILE` have no stable `ErrorKind`.
        const TOO_MANY_OPEN: [Option<i32>; 2] = [Some(23), Some(24)];
        match error.kind() {
            _ if TOO_MANY_OPEN.contains(&error.raw_os_error()) => Self::TooManyOpen,
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::UnexpectedEof => Self::CutCompressed,
            _ if packed && error.raw_os_error().is_none() => Self::DamagedCompressed,
            kind => Self::Unreadable(kind),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        if self.input.as_os_str() == "-" {
            write!(out, "standard input")?;
        } else {
            write!(out, "{}", self.input.display())?;
        }
        match (self.offset, self.unpacked) {
            (Some(offset), false) => write!(out, ": at byte {offset}")?,
            (Some(offset), true) => write!(out, ": at byte {offset} of the uncompressed data")?,
            (None, _) => {}
        }
        write!(out, ": {}", self.what)
    }
}

/// What was done about damage in the middle of a file.
const BEFORE: &str = "what stands before it was read";

impl Display for Fault {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::Missing => write!(out, "no such file; check the name"),
            Self::Denied => write!(out, "no permission to read it; make it readable for this user"),
            Self::TooManyOpen => write!(out, "too many open files; raise the limit with 'ulimit -n'"),
            Self::Unreadable(kind) => write!(out, "cannot be read ({kind}); {BEFORE}"),
            Self::CutCompressed => {
                write!(out, "the compressed stream ends too early; {BEFORE}, copy the file again")
            }
            Self::DamagedCompressed => {
                write!(out, "the compressed stream is damaged; {BEFORE}, copy the file again")
            }
            Self::NotAFile => write!(out, "not a file; name a capture, a directory, or '-'"),
            Self::Empty => write!(out, "the file is empty; nothing to read"),
            Self::NotACapture => {
                write!(out, "not a capture; pcap and pcapng are read, also packed with gzip or zstd")
            }
            Self::NoCaptures => write!(out, "no capture in this directory; name another"),
            Self::Version { major, minor } => {
                write!(
                    out,
                    "version {major}.{minor} of the format does not exist; {BEFORE}, convert it with 'editcap'"
                )
            }
            Self::Cut { inside, have, need: 0 } => {
                write!(out, "the file ends inside {inside} after {have} bytes; {BEFORE}, copy the file again")
            }
            Self::Cut { inside, have, need } => {
                write!(out, "the file ends inside {inside}, {have} of {need} bytes are there; ")?;
                write!(out, "{BEFORE}, copy the file again")
            }
            Self::Length { of, says } => {
                write!(out, "damaged: {of} says it is {says} bytes long; {BEFORE}, repair it with 'pcapfix'")
            }
            Self::Lengths { before, behind } => {
                write!(out, "damaged: a block is {before} bytes long by its head and {behind} by its end; ")?;
                write!(out, "{BEFORE}, repair it with 'pcapfix'")
            }
            Self::ByteOrder => {
                write!(out, "damaged: a section without byte order; {BEFORE}, repair it with 'pcapfix'")
            }
            Self::Interface(id) => {
                write!(out, "damaged: packets of interface {id}, which is not described, are left out")
            }
            Self::Filter { link, message } => {
                let link = link.0;
                write!(out, "the filter does not work for link type {link} ({message}); ")?;
                write!(out, "its frames count as not matching, choose another filter")
            }
            Self::Secrets => {
                let limit = limits::SECRETS_BYTES_MAX >> 20;
                write!(
                    out,
                    "more than {limit} MiB of TLS secrets; the rest is left out, give them by key log"
                )
            }
            Self::LinkType(LinkType(link)) => {
                write!(out, "frames of link type {link}, which is not known, are left out")
            }
        }
    }
}

impl Display for Part {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        out.write_str(match self {
            Self::FileHeader => "the file header",
            Self::PacketHeader => "a packet header",
            Self::Packet => "a packet",
            Self::Block => "a block",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_file_byte_and_remedy() {
        let cut = Fault::Cut { inside: Part::Packet, have: 7, need: 60 };
        let mut problem = Problem { offset: Some(24), ..Problem::new(Path::new("a.pcap"), cut) };
        assert_eq!(
            problem.to_string(),
            "a.pcap: at byte 24: the file ends inside a packet, 7 of 60 bytes are there; what stands before it \
             was read, copy the file again"
        );
        problem.unpacked = true;
        assert!(
            problem.to_string().starts_with("a.pcap: at byte 24 of the uncompressed data: the file ends")
        );
        let missing = Problem::new(Path::new("-"), Fault::Empty).to_string();
        assert_eq!(missing, "standard input: the file is empty; nothing to read");
    }

    #[test]
    fn errors_of_the_system_are_told_apart() {
        for (code, what) in
            [(2, Fault::Missing), (13, Fault::Denied), (24, Fault::TooManyOpen), (23, Fault::TooManyOpen)]
        {
            assert_eq!(Fault::of(&io::Error::from_raw_os_error(code), true), what);
        }
        let broken = io::Error::from(io::ErrorKind::InvalidData);
        assert_eq!(Fault::of(&broken, true), Fault::DamagedCompressed);
        assert_eq!(Fault::of(&broken, false), Fault::Unreadable(io::ErrorKind::InvalidData));
    }
}
