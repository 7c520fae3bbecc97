//! The headers that make a record a CloudEvent in binary mode (CloudEvents 1.0, Kafka Protocol Binding §3.2): the
//! attributes as headers with the prefix `ce_`, the record itself as the value.

use std::io::Write;

use rdkafka::message::{Header, OwnedHeaders};

use super::super::Outgoing;

/// Writes headers, reusing its buffer.
pub(super) struct Event {
    source: String,
    scratch: Vec<u8>,
}

impl Event {
    pub(super) fn new(sensor: &str) -> Self {
        Self { source: format!("/eaves/{sensor}"), scratch: Vec::with_capacity(64) }
    }

    pub(super) fn headers(&mut self, record: &Outgoing<'_>) -> OwnedHeaders {
        let headers = OwnedHeaders::new_with_capacity(7)
            .insert(Header { key: "content-type", value: Some("application/json") })
            .insert(Header { key: "ce_specversion", value: Some("1.0") })
            .insert(Header { key: "ce_type", value: Some(record.kind.ce_type()) })
            .insert(Header { key: "ce_source", value: Some(&self.source) });
        self.scratch.clear();
        record.time.write_rfc3339(&mut self.scratch);
        let headers = headers.insert(Header { key: "ce_time", value: Some(&self.scratch) });
        self.scratch.clear();
        self.scratch.extend_from_slice(record.id.as_bytes());
        if let Some(rev) = record.rev {
            // Writing to a Vec can't fail.
            let _ = write!(self.scratch, ".{rev}");
        }
        let headers = headers.insert(Header { key: "ce_id", value: Some(&self.scratch) });
        match record.subject {
            Some(subject) => headers.insert(Header { key: "ce_subject", value: Some(subject) }),
            None => headers,
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;

    use super::super::super::Kind;
    use super::*;
    use crate::time::Timestamp;

    fn text(headers: &OwnedHeaders) -> Vec<(String, String)> {
        let text = |header: Header<'_, &[u8]>| {
            let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
            (header.key.to_owned(), value)
        };
        headers.iter().map(text).collect()
    }

    #[test]
    fn every_attribute_has_its_header() {
        let record = Outgoing {
            kind: Kind::Finding,
            id: "5b0c",
            rev: Some(3),
            time: Timestamp::from_nanos(1),
            key: "k",
            subject: Some("op1"),
            json: b"{}",
        };
        let mut event = Event::new("tap1");
        let expected = [
            ("content-type", "application/json"),
            ("ce_specversion", "1.0"),
            ("ce_type", "io.eaves.finding.v1"),
            ("ce_source", "/eaves/tap1"),
            ("ce_time", "1970-01-01T00:00:00.000000001Z"),
            ("ce_id", "5b0c.3"),
            ("ce_subject", "op1"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(text(&event.headers(&record)), expected);
        let without = event.headers(&Outgoing { rev: None, subject: None, ..record });
        assert_eq!(text(&without).get(5..), Some(&[("ce_id".to_owned(), "5b0c".to_owned())][..]));
    }
}
