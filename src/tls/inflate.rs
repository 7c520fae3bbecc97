//! Compression inside TLS, as old clients and servers agreed on it: one zlib stream a direction, cut at the ends of records
//! (RFC 3749 §2).

use flate2::{Decompress, FlushDecompress, Status};

use crate::limits::TLS_PLAINTEXT_BYTES_MAX;

/// The compression method DEFLATE.
pub(super) const DEFLATE: u8 = 1;

/// The stream of one direction.
#[derive(Debug)]
pub(super) struct Inflate {
    stream: Decompress,
    /// A part of the stream is missing, and what follows refers to it.
    broken: bool,
}

impl Inflate {
    /// Memory of one: the window and tables.
    pub(super) const BYTES: usize = 48 << 10;

    pub(super) fn new() -> Self {
        Self { stream: Decompress::new(true), broken: false }
    }

    /// A record is missing.
    pub(super) const fn pass(&mut self) {
        self.broken = true;
    }

    /// Replaces what is compressed by what it means. False: it can't be known.
    pub(super) fn record(&mut self, plaintext: &mut Vec<u8>) -> bool {
        if self.broken {
            return false;
        }
        let mut out = Vec::with_capacity(TLS_PLAINTEXT_BYTES_MAX + 1);
        let before = self.stream.total_in();
        let status = self.stream.decompress_vec(plaintext, &mut out, FlushDecompress::Sync);
        let whole = self.stream.total_in() - before == plaintext.len() as u64;
        self.broken = !matches!(status, Ok(Status::Ok | Status::BufError | Status::StreamEnd))
            || !whole
            || out.len() > TLS_PLAINTEXT_BYTES_MAX;
        *plaintext = out;
        !self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    #[test]
    fn records_share_one_stream_and_nothing_follows_a_missing_one() {
        let mut compress = Compress::new(Compression::best(), true);
        let mut pack = |text: &[u8]| {
            let mut out = Vec::with_capacity(1 << 16);
            compress.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
            out
        };
        let texts = [&b"GET /one HTTP/1.1"[..], b"", b"GET /one HTTP/1.1 again", &[7; 16384]];
        let packed: Vec<Vec<u8>> = texts.iter().map(|text| pack(text)).collect();
        let mut inflate = Inflate::new();
        for (packed, text) in packed.iter().zip(texts) {
            let mut record = packed.clone();
            assert!(inflate.record(&mut record));
            assert_eq!(record, text);
        }
        let mut bomb = pack(&[0; 20_000]);
        assert!(!inflate.record(&mut bomb));

        let mut inflate = Inflate::new();
        assert!(inflate.record(&mut packed[0].clone()));
        inflate.pass();
        assert!(!inflate.record(&mut packed[2].clone()));
    }
}
