//! The names in a server's certificate: its common name, and those of its alternative names that are host names
//! (RFC 5280 §4.1.2.6, §4.2.1.6). Nothing is verified.

use super::{Cursor, text};
use crate::limits::CERTIFICATE_NAMES_MAX;
use crate::tls::Version;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTETS: u8 = 0x04;
/// `[0]`, the certificate's version, and `[3]`, its extensions.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `[2]`, a host name among the alternative names.
const HOST_NAME: u8 = 0x82;
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 29, 17];

/// The names in the first certificate of a Certificate message, each once, in their order.
pub(in crate::tls) fn names(version: Version, body: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    // what can't be read ends the list
    let _ = collect(version, body, &mut |name| {
        let name = text(name);
        if names.len() < CERTIFICATE_NAMES_MAX && !names.contains(&name) {
            names.push(name);
        }
    });
    names
}

fn collect(version: Version, body: &[u8], name: &mut impl FnMut(&[u8])) -> Option<()> {
    let mut cursor = Cursor(body);
    if version == Version::Tls13 {
        cursor.short()?; // the context of a request
    }
    cursor.u24()?;
    let length = cursor.u24()?;
    let mut certificate = Der(cursor.take(length)?);
    let mut signed = Der(Der(certificate.expect(SEQUENCE)?).expect(SEQUENCE)?);
    if signed.next()?.0 == VERSION {
        signed.next()?; // serial number
    }
    signed.expect(SEQUENCE)?; // signature algorithm
    signed.expect(SEQUENCE)?; // issuer
    signed.expect(SEQUENCE)?; // validity
    let mut subject = Der(signed.expect(SEQUENCE)?);
    while let Some((SET, attributes)) = subject.next() {
        let mut attribute = Der(Der(attributes).expect(SEQUENCE)?);
        if attribute.expect(OBJECT_IDENTIFIER)? == COMMON_NAME {
            name(attribute.next()?.1);
        }
    }
    signed.expect(SEQUENCE)?; // public key
    while let Some((tag, content)) = signed.next() {
        if tag == EXTENSIONS {
            alternative_names(Der(Der(content).expect(SEQUENCE)?), name)?;
        }
    }
    Some(())
}

fn alternative_names(mut extensions: Der<'_>, name: &mut impl FnMut(&[u8])) -> Option<()> {
    while let Some((SEQUENCE, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if extension.expect(OBJECT_IDENTIFIER)? != ALTERNATIVE_NAMES {
            continue;
        }
        let value = std::iter::from_fn(|| extension.next()).find(|(tag, _)| *tag == OCTETS)?.1;
        let mut list = Der(Der(value).expect(SEQUENCE)?);
        while let Some((tag, content)) = list.next() {
            if tag == HOST_NAME {
                name(content);
            }
        }
    }
    Some(())
}

/// Values of DER one behind the other (X.690 §8.1).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Tag and content of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let mut cursor = Cursor(self.0);
        let tag = cursor.u8()?;
        let length = match cursor.u8()? {
            short @ ..=0x7f => usize::from(short),
            0x81 => usize::from(cursor.u8()?),
            0x82 => usize::from(cursor.u16()?),
            0x83 => cursor.u24()?,
            _ => return None,
        };
        let content = cursor.take(length)?;
        self.0 = cursor.0;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}
