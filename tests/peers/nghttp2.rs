//! The client, the server and the proxy of nghttp2: prior knowledge, the upgrade from HTTP/1.1, push, padding, trailers.
//! What its client saw is what it tells of every frame with `-v`.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::curl::{Curl, USUAL};
use crate::lab::{Lab, Running, run};
use crate::saw::{Case, Saw, Secrets, upgrade_of};

/// nghttpd on a port, in the clear or with a certificate.
pub(crate) fn nghttpd(lab: &Lab, port: u16, secured: bool, options: &[&str]) -> Running {
    let mut command = Command::new("nghttpd");
    command.args(["--address", "127.0.0.1", "--echo-upload", "-d", &lab.path("site")]).args(options);
    if secured {
        command.arg(port.to_string()).args([lab.path("ec.key"), lab.path("ec.pem")]);
    } else {
        command.arg("--no-tls").arg(port.to_string());
    }
    lab.serve(&mut command, port)
}

/// nghttpx on a port, and nghttpd behind it.
pub(crate) fn nghttpx(lab: &Lab, port: u16, secured: bool, options: &[&str]) -> [Running; 2] {
    let behind = lab.port();
    let server = nghttpd(lab, behind, false, &[]);
    let mut command = Command::new("nghttpx");
    let kind = if secured { "" } else { ";no-tls" };
    command.args(["--conf=/dev/null", "--single-process", "--errorlog-file=/dev/stderr"]);
    command.arg(format!("--frontend=127.0.0.1,{port}{kind}"));
    command.arg(format!("--backend=127.0.0.1,{behind};;proto=h2")).args(options);
    if secured {
        command.args([lab.path("ec.key"), lab.path("ec.pem")]);
    }
    [lab.serve(&mut command, port), server]
}

/// A request as it was sent, or promised.
#[derive(Default)]
struct Stream {
    fields: BTreeMap<String, String>,
    request_bytes: u64,
    status: Option<u64>,
    response_bytes: u64,
}

/// Calls as `nghttp -v` tells them. It gives all requests of a run the same headers, so that their paths are their
/// numbers; the answer on stream 1 belongs to the request that asked for the upgrade.
fn calls(log: &str, upgraded: Option<&str>, port: u16) -> Vec<Value> {
    let authority = format!("localhost:{port}");
    let mut streams: BTreeMap<u64, Stream> = BTreeMap::new();
    if let Some(path) = upgraded {
        let asked = [(":method", "GET"), (":path", path), (":authority", &authority)];
        let fields = asked.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        streams.insert(1, Stream { fields, ..Stream::default() });
    }
    let (mut sent_on, mut promised, mut data) = (None, BTreeMap::new(), None);
    for line in log.lines() {
        let words = line.split_once("] ").filter(|_| line.starts_with('[')).map(|(_, words)| words);
        if let Some(words) = words {
            (sent_on, data) = (None, None);
            let id = number(words, "stream_id=");
            let length = number(words, "length=");
            if words.starts_with("send HEADERS ") {
                sent_on = id;
            } else if words.starts_with("send DATA ") {
                streams.entry(id.unwrap()).or_default().request_bytes += length.unwrap();
                data = id.map(|id| (id, true));
            } else if words.starts_with("recv DATA ") {
                streams.entry(id.unwrap()).or_default().response_bytes += length.unwrap();
                data = id.map(|id| (id, false));
            } else if let Some((_, field)) = words.split_once(") ").filter(|_| words.starts_with("recv (")) {
                let (name, value) = field.split_at(1 + field[1..].find(": ").unwrap());
                if name == ":status" {
                    streams.entry(id.unwrap()).or_default().status = value[2..].parse().ok();
                } else if name.starts_with(':') {
                    promised.insert(name.to_owned(), value[2..].to_owned());
                }
            }
        } else if let Some(promise) = number(line, "promised_stream_id=") {
            streams.entry(promise).or_default().fields = std::mem::take(&mut promised);
        } else if let (Some((id, sent)), Some(padding)) = (data, number(line, "padlen=")) {
            let stream = streams.entry(id).or_default();
            *(if sent { &mut stream.request_bytes } else { &mut stream.response_bytes }) -= padding;
        } else if let (Some(id), Some((name, value))) = (sent_on, pseudo(line.trim())) {
            streams.entry(id).or_default().fields.insert(name, value);
        }
    }
    streams.values().map(Stream::call).collect()
}

impl Stream {
    fn call(&self) -> Value {
        let field =
            |name: &str| self.fields.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.fields));
        json!({
            "call": field(":path"), "protocol": "h2", "method": field(":method"), "path": field(":path"),
            "authority": field(":authority"), "status": self.status, "tls": null,
            "request": { "body_bytes": self.request_bytes }, "response": { "body_bytes": self.response_bytes },
        })
    }
}

/// The number behind a name.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = &text[text.find(name)? + name.len()..];
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn pseudo(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix(':')?.split_once(": ")?;
    Some((format!(":{name}"), value.to_owned()))
}

/// A run of nghttp.
pub(crate) fn nghttp(scheme: &str, port: u16, options: &[&str], paths: &[&str]) -> Vec<Value> {
    let urls = paths.iter().map(|path| format!("{scheme}://localhost:{port}{path}"));
    let (log, _) = run(Command::new("nghttp").args(["-v", "-n", "-y"]).args(options).args(urls));
    let calls = calls(&log, paths.first().copied().filter(|_| options.contains(&"-u")), port);
    assert!(calls.len() >= paths.len(), "{log}");
    calls
}

fn push(lab: &Lab) -> Saw {
    let port = lab.port();
    let _server = nghttpd(lab, port, false, &["--push=/bytes/1000=/bytes/17,/bytes/100000", "--padding=20"]);
    let calls = nghttp("http", port, &[], &["/bytes/1000", "/missing", "/bytes/0"]);
    assert_eq!(calls.len(), 5, "two were pushed");
    Saw { port, secrets: Secrets::None, calls }
}

fn trailers(lab: &Lab) -> Saw {
    let port = lab.port();
    let _server = nghttpd(lab, port, false, &["--trailer=x-end: yes"]);
    let data = format!("--data={}", lab.path("site/bytes/100000"));
    let calls = nghttp("http", port, &[&data, "--trailer=x-sum: 1", "--padding=7"], &["/echo?1", "/echo?2"]);
    Saw { port, secrets: Secrets::None, calls }
}

fn upgrade(lab: &Lab) -> Saw {
    let port = lab.port();
    let _servers = nghttpx(lab, port, false, &[]);
    let mut calls = nghttp("http", port, &["-u"], &["/bytes/1000", "/bytes/17", "/missing", "/bytes/100000"]);
    calls.push(upgrade_of(&calls[0]));
    Saw { port, secrets: Secrets::None, calls }
}

/// curl's calls to one of the servers.
fn curl(
    server: &'static str,
    scheme: &'static str,
    name: &str,
    options: &'static str,
    said: &'static str,
) -> Case {
    let name = format!("curl-{server}-{name}");
    Case::new(name.clone(), move |lab| {
        let port = lab.port();
        let secured = scheme == "https";
        let mut servers = Vec::new();
        match server {
            "nghttpx" => servers.extend(nghttpx(lab, port, secured, &[])),
            _ => servers.push(nghttpd(lab, port, secured, &[])),
        }
        let log = Curl::new(lab, scheme, port, options).ask(USUAL);
        assert!(log.verbose.contains(said), "{}", log.verbose);
        let secrets = if secured { Secrets::Log(log.keys) } else { Secrets::None };
        let mut calls = log.calls;
        if name.ends_with("upgrade") {
            calls.push(upgrade_of(&calls[0]));
        }
        Saw { port, secrets, calls }
    })
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("nghttp-nghttpd-h2c-push", push),
        Case::new("nghttp-nghttpd-h2c-trailers", trailers),
        Case::new("nghttp-nghttpx-h2c-upgrade", upgrade),
        curl("nghttpx", "http", "clear", "http1.1", "HTTP/1.1 200"),
        curl("nghttpx", "http", "h2c-upgrade", "http2", "101 Switching Protocols"),
        curl("nghttpx", "https", "h1-tls1.3", "http1.1", "using TLSv1.3"),
        curl("nghttpx", "https", "h2-tls1.3", "http2", "server accepted"),
        curl("nghttpx", "https", "h2-tls1.2", "http2\ntls-max = 1.2", "using TLSv1.2"),
        curl("nghttpd", "https", "h2-tls1.3", "http2", "server accepted"),
        Case::new("curl-nghttpd-h2c", |lab| {
            let port = lab.port();
            let _server = nghttpd(lab, port, false, &[]);
            let calls = Curl::new(lab, "http", port, "http2-prior-knowledge").ask_apart(USUAL);
            Saw { port, secrets: Secrets::None, calls }
        }),
    ]
}
