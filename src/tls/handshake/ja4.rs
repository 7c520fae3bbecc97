//! JA4: what a ClientHello looks like, as one word (FoxIO, JA4 technical details).
//!
//! ```text
//!   t or q │ version │ d or i │ ciphers │ extensions │ ALPN _ hash of the ciphers _ hash of extensions and signatures
//! ```

use sha2::{Digest, Sha256};

/// What goes into it.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    pub(super) version: u16,
    pub(super) ciphers: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) signatures: Vec<u16>,
    /// The first protocol that is offered.
    pub(super) alpn: Vec<u8>,
    pub(super) has_server_name: bool,
    /// It came in QUIC.
    pub(super) in_quic: bool,
}

impl Offer {
    pub(super) fn fingerprint(mut self) -> String {
        for numbers in [&mut self.ciphers, &mut self.extensions, &mut self.signatures] {
            numbers.retain(|number| !is_grease(*number));
        }
        let version = match self.version {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        };
        let (ciphers, extensions) = (self.ciphers.len().min(99), self.extensions.len().min(99));
        let name = if self.has_server_name { 'd' } else { 'i' };
        let alpn = ends(&self.alpn);
        self.ciphers.sort_unstable();
        // server name and ALPN stand in the first part
        self.extensions.retain(|kind| !matches!(kind, 0 | 16));
        self.extensions.sort_unstable();
        let mut second = list(&self.extensions);
        if !self.signatures.is_empty() {
            second = format!("{second}_{}", list(&self.signatures));
        }
        let (first, second) = (digest(&list(&self.ciphers)), digest(&second));
        let carrier = if self.in_quic { 'q' } else { 't' };
        format!("{carrier}{version}{name}{ciphers:02}{extensions:02}{alpn}_{first}_{second}")
    }
}

/// Values that clients put in to keep servers from relying on a list (RFC 8701).
pub(super) const fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// First and last letter of a protocol's name; of what is no letter the digits.
fn ends(alpn: &[u8]) -> String {
    let (Some(first), Some(last)) = (alpn.first(), alpn.last()) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [*first as char, *last as char].iter().collect()
    } else {
        format!("{:x}{:x}", first >> 4, last & 0x0f)
    }
}

fn list(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("{number:04x}")).collect::<Vec<_>>().join(",")
}

fn digest(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    Sha256::digest(text.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_its_description() {
        let numbers = |text: &str| text.split(',').map(|one| u16::from_str_radix(one, 16).unwrap()).collect();
        let offer = Offer {
            version: 0x0304,
            ciphers: numbers(
                "7a7a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
            ),
            extensions: numbers(
                "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015",
            ),
            signatures: numbers("0403,0804,0401,0503,0805,0501,0806,0601"),
            alpn: b"h2".to_vec(),
            has_server_name: true,
            in_quic: false,
        };
        assert_eq!(offer.fingerprint(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(Offer::default().fingerprint(), "t00i000000_000000000000_000000000000");
    }
}
