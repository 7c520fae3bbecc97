//! A BPF expression over frames, compiled and run by libpcap for each link type that occurs.
//!
//! The program sees the captured bytes only: `greater`, `less` and `len` mean the captured length of a frame that was
//! cut by a snap length.

use pcap::{BpfProgram, Capture, Linktype};

use crate::capture::LinkType;

/// A filter expression and its programs.
pub(super) struct Filter {
    expression: String,
    programs: Vec<(LinkType, Option<BpfProgram>)>,
}

impl Filter {
    pub(super) fn new(expression: &str) -> Self {
        Self { expression: expression.to_owned(), programs: Vec::new() }
    }

    /// Compiles the expression for a link type, once. The message is libpcap's; it is given once only, and from
    /// then on no frame of the link type matches.
    pub(super) fn prepare(&mut self, link: LinkType) -> Result<(), String> {
        if self.programs.iter().any(|(known, _)| *known == link) {
            return Ok(());
        }
        let compiled = compile(&self.expression, link);
        let (program, outcome) = match compiled {
            Ok(program) => (Some(program), Ok(())),
            Err(message) => (None, Err(message)),
        };
        self.programs.push((link, program));
        outcome
    }

    /// Whether a frame matches; not if its link type was not prepared.
    pub(super) fn matches(&self, link: LinkType, frame: &[u8]) -> bool {
        let program = self.programs.iter().find(|(known, _)| *known == link);
        program.and_then(|(_, program)| program.as_ref()).is_some_and(|program| program.filter(frame))
    }

    /// Whether the link type was seen before.
    pub(super) fn knows(&self, link: LinkType) -> bool {
        self.programs.iter().any(|(known, _)| *known == link)
    }
}

/// What libpcap says of an expression for a link type; `Ok` if it compiles.
pub(super) fn check(expression: &str, link: LinkType) -> Result<(), String> {
    compile(expression, link).map(|_| ())
}

fn compile(expression: &str, link: LinkType) -> Result<BpfProgram, String> {
    let dead = Capture::dead(Linktype(data_link(link))).map_err(message)?;
    dead.compile(expression, true).map_err(message)
}

fn message(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => message,
        other => other.to_string(),
    }
}

/// libpcap compiles for `DLT_` values, which differ from the `LINKTYPE_` values of files in a few places (libpcap,
/// `pcap-common.c`): those of Linux.
fn data_link(link: LinkType) -> i32 {
    match link.0 {
        100 => 11, // ATM_RFC1483
        101 => 12, // RAW
        102 => 15, // SLIP_BSDOS
        103 => 16, // PPP_BSDOS
        106 => 19, // ATM_CLIP
        same => i32::try_from(same).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP header from port 80 to 4660 in IPv4, without a link header.
    const RAW: [u8; 40] = {
        let mut packet = [0; 40];
        packet[0] = 0x45;
        packet[3] = 40;
        packet[9] = 6;
        (packet[21], packet[22], packet[23], packet[32]) = (80, 0x12, 0x34, 0x50);
        packet
    };

    #[test]
    fn each_link_type_has_its_program() {
        let mut ethernet = vec![0; 12];
        ethernet.extend([8, 0]);
        ethernet.extend(RAW);
        let mut filter = Filter::new("tcp port 80");
        for (link, frame) in [(1, &ethernet[..]), (101, &RAW[..]), (228, &RAW[..])] {
            let link = LinkType(link);
            assert!(!filter.matches(link, frame), "not prepared yet");
            assert_eq!(filter.prepare(link), Ok(()));
            assert!(filter.matches(link, frame), "{link:?}");
        }
        assert!(!filter.matches(LinkType(101), &RAW[..20]), "cut before the ports");
    }

    #[test]
    fn what_does_not_compile_is_said_once() {
        let mut filter = Filter::new("ether host 02:00:00:00:00:01");
        assert!(filter.prepare(LinkType(101)).unwrap_err().contains("ethernet"));
        assert_eq!(filter.prepare(LinkType(101)), Ok(()));
        assert!(!filter.matches(LinkType(101), &RAW));
        assert!(check("tcp prot 80", LinkType(1)).unwrap_err().contains("syntax error"));
        assert_eq!(check("", LinkType(1)), Ok(()));
    }
}
