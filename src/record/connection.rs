//! A connection that was not turned into calls, as one line of JSON.

use super::json::{Writer, anomalies, member, sockets, tls};
use super::text::{Hex, string};
use crate::call::Connection;
use crate::tls::Session;

impl Writer {
    /// Appends the connection's line, without a line break. Its id is the key of its partition.
    pub fn connection(&mut self, out: &mut Vec<u8>, connection: &Connection) -> Hex<32> {
        let id = Hex::of_128(connection.id);
        out.extend_from_slice(b"{\"type\":\"connection\",\"v\":1,\"id\":\"");
        out.extend_from_slice(id.as_bytes());
        self.place(out, connection.interface);
        if let Some(vni) = connection.vni {
            member(out, b",\"vni\":", u64::from(vni));
        }
        out.extend_from_slice(b",\"time\":\"");
        self.clock.write(out, connection.time);
        member(out, b"\",\"duration_us\":", connection.duration_ns / 1_000);
        sockets(out, connection.client, connection.server);
        let words: [(&[u8], _); 3] = [
            (b",\"roles\":", connection.roles.name()),
            (b",\"protocol\":", connection.protocol),
            (b",\"reason\":", connection.reason),
        ];
        for (name, word) in words {
            out.extend_from_slice(name);
            string(out, word.as_bytes());
        }
        both_ways(out, b",\"packets\":{\"client\":", connection.packets);
        both_ways(out, b",\"bytes\":{\"client\":", connection.bytes);
        member(out, b",\"calls\":", connection.calls);
        if let Some(session) = &connection.tls {
            handshake(out, session);
        }
        if let Some(version) = &connection.quic_version {
            out.extend_from_slice(b",\"quic\":{\"version\":");
            string(out, version.as_bytes());
            out.push(b'}');
        }
        anomalies(out, connection.anomalies);
        out.push(b'}');
        id
    }
}

/// What was seen of the handshake.
fn handshake(out: &mut Vec<u8>, session: &Session) {
    out.extend_from_slice(b",\"tls\":{");
    let before = out.len();
    tls(out, session);
    if let Some(ja4) = &session.ja4 {
        out.extend_from_slice(if out.len() > before { b",\"ja4\":" } else { b"\"ja4\":" });
        string(out, ja4.as_bytes());
    }
    names(out, before, b"\"alpn_offered\":", &session.alpn_offered);
    names(out, before, b"\"certificate_names\":", &session.certificate_names);
    out.push(b'}');
}

/// A list, if there is something in it. `before`: where the first member of the object would stand.
fn names(out: &mut Vec<u8>, before: usize, member: &[u8], names: &[String]) {
    if names.is_empty() {
        return;
    }
    if out.len() > before {
        out.push(b',');
    }
    out.extend_from_slice(member);
    for (index, name) in names.iter().enumerate() {
        out.push(if index == 0 { b'[' } else { b',' });
        string(out, name.as_bytes());
    }
    out.push(b']');
}

fn both_ways(out: &mut Vec<u8>, name: &[u8], [client, server]: [u64; 2]) {
    member(out, name, client);
    member(out, b",\"server\":", server);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Anomalies, Roles};
    use crate::credential::Fingerprinter;
    use crate::record::{Redaction, checked};
    use crate::time::Timestamp;

    #[test]
    fn it_is_as_the_schema_says() {
        let mut connection = Connection {
            id: 7,
            interface: 1,
            vni: None,
            client: "10.0.0.1:4000".parse().unwrap(),
            server: "[2001:db8::1]:443".parse().unwrap(),
            roles: Roles::Content,
            time: Timestamp::from_nanos(1_700_000_000_000_000_000),
            duration_ns: 12_345_678,
            protocol: "tls",
            reason: "undecrypted",
            packets: [3, 4],
            bytes: [300, 4000],
            calls: 0,
            tls: None,
            quic_version: None,
            anomalies: Anomalies::EMPTY,
        };
        let mut writer = Writer::new("s\"1", Redaction::Standard, Fingerprinter::new(&[1; 32]), None);
        let mut line = Vec::new();
        assert_eq!(writer.connection(&mut line, &connection).as_str(), format!("{:032x}", 7));
        let record = checked(&line);
        assert_eq!(record["sensor"], "s\"1");
        assert_eq!(record["bytes"], serde_json::json!({"client": 300, "server": 4000}));
        assert_eq!(record["duration_us"], 12_345);
        assert!(record.get("anomalies").is_none() && record.get("vni").is_none());

        connection.vni = Some(0);
        connection.anomalies = Anomalies::SEGMENT_REWRITTEN;
        line.clear();
        writer.connection(&mut line, &connection);
        let record = checked(&line);
        assert_eq!((&record["vni"], &record["anomalies"][0]), (&0.into(), &"segment_rewritten".into()));
    }
}
