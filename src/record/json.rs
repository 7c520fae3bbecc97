//! A call as one line of JSON, written in the worker without an allocation for each.
//!
//! What the analysis adds comes last: [`append_labels`] puts it in front of the closing brace.

use std::net::{IpAddr, SocketAddr};

use super::memo::Memo;
use super::names::Names;
use super::redact::{Redaction, Redactor, SecretFinder};
use super::text::{self, Clock, Hex, number, string};
use super::view::{Path, View};
use crate::analysis::Labels;
use crate::call::{Anomalies, Call, Protocol, Seen};
use crate::credential::{Fingerprinter, Header};
use crate::http::grpc;
use crate::tls::{Alpn, Session};

/// Writes the records of one worker.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(super) redaction: Redaction,
    pub(super) redactor: Redactor,
    pub(super) names: Names<Header>,
    /// `","sensor":"…","interface":`
    sensor: Vec<u8>,
    pub(super) clock: Clock,
    /// The text in place of a value that is masked.
    pub(super) shown: Vec<u8>,
}

/// What a sink must know of a line besides the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The record's id.
    pub id: Hex<32>,
    /// The record's route: the key of its partition.
    pub route: Hex<16>,
}

impl Writer {
    /// For the sensor of that name. `secrets` finds what is masked besides credentials in their known places.
    #[must_use]
    pub fn new(
        sensor: &str,
        redaction: Redaction,
        fingerprinter: Fingerprinter,
        secrets: Option<SecretFinder>,
    ) -> Self {
        let mut rendered = b"\",\"sensor\":".to_vec();
        string(&mut rendered, sensor.as_bytes());
        rendered.extend_from_slice(b",\"interface\":");
        Self {
            redaction,
            redactor: Redactor::new(fingerprinter, secrets),
            names: Names::new(Header::of),
            sensor: rendered,
            clock: Clock::default(),
            shown: Vec::new(),
        }
    }

    /// Appends the call's line, without a line break. `memo` is that of the call's connection.
    pub fn call(&mut self, out: &mut Vec<u8>, call: &Call, memo: &mut Memo) -> Written {
        let view = View::of(call, &mut self.names, &mut self.redactor.parameters);
        let id = Hex::of_128(call.id);
        out.extend_from_slice(b"{\"type\":\"call\",\"v\":1,\"id\":\"");
        out.extend_from_slice(id.as_bytes());
        self.place(out, call.interface);
        out.extend_from_slice(b",\"connection\":\"");
        out.extend_from_slice(Hex::of_128(call.connection).as_bytes());
        out.push(b'"');
        if let Some(vni) = call.vni {
            member(out, b",\"vni\":", u64::from(vni));
        }
        let route = self.route(&view, call.client.ip(), memo);
        out.extend_from_slice(b",\"route\":\"");
        out.extend_from_slice(route.as_bytes());
        out.extend_from_slice(b"\",\"time\":\"");
        self.clock.write(out, call.time);
        out.push(b'"');
        optional(out, b",\"duration_us\":", call.duration_ns.map(|nanos| nanos / 1_000));
        optional(out, b",\"ttfb_us\":", call.ttfb_ns.map(|nanos| nanos / 1_000));
        sockets(out, call.client, call.server);
        out.extend_from_slice(b",\"protocol\":\"");
        out.extend_from_slice(call.protocol.name().as_bytes());
        out.push(b'"');
        optional(out, b",\"stream_id\":", call.stream_id.map(u64::from));
        if let Some(part) = call.part {
            member(out, b",\"part\":", u64::from(part.number));
            out.extend_from_slice(b",\"first\":\"");
            out.extend_from_slice(Hex::of_128(part.first).as_bytes());
            out.push(b'"');
        }
        if let Some(session) = &call.tls {
            out.extend_from_slice(b",\"tls\":{");
            tls(out, session);
            out.push(b'}');
        }
        self.start_line(out, &view);
        optional(out, b",\"status\":", call.status.map(u64::from));
        optional(out, b",\"grpc_status\":", call.grpc_status.map(u64::from));
        self.grpc(out, call, &view);
        self.half(out, b",\"request\":", call, &call.request, &view.request, memo);
        self.half(out, b",\"response\":", call, &call.response, &view.response, memo);
        match view.credential {
            Seen::Known(found) => {
                out.extend_from_slice(b",\"credential\":");
                let found = memo.credential(&found, &mut self.redactor, self.redaction);
                out.extend_from_slice(&found.json);
            }
            Seen::None => out.extend_from_slice(b",\"credential\":null"),
            Seen::Unknown => {}
        }
        if call.causes.is_empty() {
            out.extend_from_slice(b",\"quality\":\"complete\"");
        } else {
            out.extend_from_slice(b",\"quality\":\"partial\",\"causes\":");
            text::names(out, call.causes.names());
        }
        anomalies(out, call.anomalies);
        out.push(b'}');
        memo.trim();
        Written { id, route }
    }

    /// Sensor and interface, behind the id.
    pub(super) fn place(&self, out: &mut Vec<u8>, interface: u32) {
        out.extend_from_slice(&self.sensor);
        number(out, u64::from(interface));
    }

    /// The call's own credential, else the client's address.
    pub(super) fn route(&mut self, view: &View<'_>, client: IpAddr, memo: &mut Memo) -> Hex<16> {
        match &view.credential {
            Seen::Known(found) => memo.credential(found, &mut self.redactor, self.redaction).route,
            Seen::None | Seen::Unknown => memo.route_of_address(client, &self.redactor),
        }
    }

    /// Method, effective method, authority and path.
    fn start_line(&mut self, out: &mut Vec<u8>, view: &View<'_>) {
        if let Some(method) = view.method {
            out.extend_from_slice(b",\"method\":");
            self.text(out, method);
        }
        match view.effective_method {
            Seen::Known(method) => self.effective_method(out, method),
            Seen::None => out.extend_from_slice(b",\"effective_method\":null"),
            Seen::Unknown => {}
        }
        match view.authority {
            Seen::Known(authority) => {
                out.extend_from_slice(b",\"authority\":");
                self.text(out, authority);
            }
            Seen::None => out.extend_from_slice(b",\"authority\":null"),
            Seen::Unknown => {}
        }
        if let Some(path) = view.path
            && self.redaction != Redaction::Strict
        {
            out.extend_from_slice(b",\"path\":");
            self.path(out, path);
        }
    }

    /// What gRPC says besides: the words of the path, the deadline, what went wrong.
    fn grpc(&mut self, out: &mut Vec<u8>, call: &Call, view: &View<'_>) {
        let messages = [&call.request, &call.response].map(|half| half.messages.as_ref());
        let is_grpc = messages.into_iter().flatten().any(|messages| messages.opcodes.is_none());
        if !is_grpc && call.protocol != Protocol::Grpc {
            return;
        }
        out.extend_from_slice(b",\"grpc\":");
        let start = out.len();
        if self.redaction != Redaction::Strict {
            if let Some((service, method)) = view.path.and_then(|path| grpc::names(path.rest)) {
                out.extend_from_slice(b",\"service\":");
                self.text(out, service);
                out.extend_from_slice(b",\"method\":");
                self.text(out, method);
            }
            if let Some(message) = call.grpc_message {
                out.extend_from_slice(b",\"message\":");
                self.text(out, &grpc::message(message.of(&call.buffer)));
            }
        }
        let timeout = call.header(&call.request, "grpc-timeout").known();
        optional(out, b",\"timeout_us\":", timeout.and_then(grpc::timeout_us));
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }

    fn effective_method(&mut self, out: &mut Vec<u8>, method: &[u8]) {
        let method = method.to_ascii_uppercase();
        let registered = METHODS.iter().any(|known| known.as_bytes() == method);
        if registered || self.redaction != Redaction::Strict {
            out.extend_from_slice(b",\"effective_method\":");
            self.text(out, &method);
        }
    }

    fn path(&mut self, out: &mut Vec<u8>, path: Path<'_>) {
        if path.before.is_empty() {
            self.text(out, path.rest);
        } else {
            self.text(out, &path.to_vec());
        }
    }

    /// A string in which nothing secret stands in the clear.
    pub(super) fn text(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if self.redaction != Redaction::None {
            self.shown.clear();
            if self.redactor.text(bytes, &mut self.shown) {
                return string(out, &self.shown);
            }
        }
        string(out, bytes);
    }
}

/// Puts what the analysis says in front of the closing brace of a call's line. Without labels the analysis lagged,
/// and the call says so.
pub fn append_labels(line: &mut Vec<u8>, labels: Option<&Labels>) {
    if line.last() == Some(&b'}') {
        line.pop();
    }
    write_tail(line, labels);
}

/// Appends what stands in place of the closing brace of a call's line: labels and the brace itself.
pub fn write_tail(out: &mut Vec<u8>, labels: Option<&Labels>) {
    let Some(labels) = labels else {
        out.extend_from_slice(b",\"analysed\":false}");
        return;
    };
    let members: [(&[u8], _); 3] = [
        (b",\"service\":", &labels.service),
        (b",\"template\":", &labels.template),
        (b",\"operation\":", &labels.operation),
    ];
    for (name, label) in members {
        if let Some(label) = label {
            out.extend_from_slice(name);
            string(out, label.as_bytes());
        }
    }
    out.extend_from_slice(b",\"analysed\":true}");
}

/// The methods of RFC 9110 §9.3, RFC 5789, RFC 4918 and the QUERY method: what `strict` shows of an override.
const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
];

/// Appends a member with a number.
#[inline]
pub(super) fn member(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    number(out, value);
}

/// Appends a member with a number, if it is known.
#[inline]
pub(super) fn optional(out: &mut Vec<u8>, name: &[u8], value: Option<u64>) {
    if let Some(value) = value {
        member(out, name, value);
    }
}

/// Appends the members that a call and a connection tell of their TLS.
pub(super) fn tls(out: &mut Vec<u8>, session: &Session) {
    let mut separator: &[u8] = b"\"";
    let mut told = |out: &mut Vec<u8>, name: &[u8], value: Option<&str>| {
        out.extend_from_slice(separator);
        separator = b",\"";
        out.extend_from_slice(name);
        match value {
            Some(value) => string(out, value.as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
    };
    if let Some(version) = &session.version {
        told(out, b"version\":", Some(version));
    }
    if let Some(cipher) = &session.cipher {
        told(out, b"cipher\":", Some(cipher));
    }
    if session.has_client_hello {
        told(out, b"server_name\":", session.server_name.as_deref());
    }
    match &session.alpn {
        Alpn::Unknown => {}
        Alpn::None => told(out, b"alpn\":", None),
        Alpn::Named(name) => told(out, b"alpn\":", Some(name)),
    }
}

pub(super) fn sockets(out: &mut Vec<u8>, client: SocketAddr, server: SocketAddr) {
    out.extend_from_slice(b",\"client\":");
    text::socket(out, client);
    out.extend_from_slice(b",\"server\":");
    text::socket(out, server);
}

pub(super) fn anomalies(out: &mut Vec<u8>, anomalies: Anomalies) {
    if !anomalies.is_empty() {
        out.extend_from_slice(b",\"anomalies\":");
        text::names(out, anomalies.names());
    }
}
