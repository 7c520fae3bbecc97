//! openssl's own client and server, led step by step: what no other client of TLS can be asked for. Requests and answers
//! are written by hand; what the client saw is what it printed.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use crate::lab::{Lab, PATIENCE, Running};
use crate::nginx::nginx;
use crate::saw::{Case, Saw, Secrets};

/// A process that is talked with.
struct Talk {
    stdin: ChildStdin,
    said: Receiver<Vec<u8>>,
    heard: String,
    _process: Running,
}

impl Talk {
    fn new(words: &[&str], more: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args(words).args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("openssl starts");
        let stdin = child.stdin.take().expect("a pipe");
        let said = Self::listen(&mut child);
        Self { stdin, said, heard: String::new(), _process: Running(child) }
    }

    /// What it says on standard output and error, as it comes.
    fn listen(child: &mut Child) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("a pipe")), Box::new(child.stderr.take().expect("a pipe"))];
        for mut output in outputs {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = output.read(&mut bytes) {
                    if sender.send(bytes[..count].to_vec()).is_err() {
                        break;
                    }
                }
            });
        }
        receiver
    }

    /// One write, so that openssl reads it as one: a command is one only at the beginning of what it reads.
    fn say(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).expect("openssl reads");
        self.stdin.flush().expect("openssl reads");
    }

    /// Waits for this text; returns what came before it since the last time, and it.
    fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(text) {
                let rest = self.heard.split_off(at + text.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            let more = self.said.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("no {text:?} after {:?}", self.heard));
            self.heard.push_str(&String::from_utf8_lossy(&more));
        }
    }
}

/// A client and a server with a connection between them.
struct Pair {
    client: Talk,
    server: Talk,
    port: u16,
    tls: Value,
    calls: Vec<Value>,
}

impl Pair {
    fn new(lab: &Lab, keys: &Path, version: &str, options: &[&str], of_server: &[&str]) -> Self {
        let port = lab.port();
        let (address, flag) = (format!("127.0.0.1:{port}"), format!("-tls{}", version.replace('.', "_")));
        let keys = keys.to_str().expect("a path is text");
        let (certificate, key) = (lab.path("ec.pem"), lab.path("ec.key"));
        let own = ["-accept", &address, "-cert", &certificate, "-key", &key, &flag];
        let mut server = Talk::new(&[&["s_server"], &own[..]].concat(), of_server);
        server.until("ACCEPT\n");
        let own = ["-connect", &address, "-servername", "localhost", "-keylogfile", keys, &flag];
        let mut client = Talk::new(&[&["s_client"], &own[..]].concat(), options);
        client.until(", Cipher is ");
        let suite = client.until("\n");
        let tls =
            json!({ "version": version, "cipher": lab.suite(suite.trim()), "server_name": "localhost" });
        client.until("\n---\n");
        server.until("Secure Renegotiation IS");
        Self { client, server, port, tls, calls: Vec::new() }
    }

    /// A request with a body, and its answer.
    fn exchange(&mut self) {
        let number = self.calls.len();
        let path = format!("/steps/{number}");
        let body = format!("{}end of request {number}\n", "q".repeat(300 * number));
        self.client.say(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Call: {number}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        self.server.until(&format!("end of request {number}\n"));
        let answer = format!("{}end of answer {number}\n", "a".repeat(700 * number));
        self.server.say(&format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()));
        let seen = self.client.until(&format!("end of answer {number}\n"));
        self.calls.push(call(&number.to_string(), "POST", &path, body.len(), &seen, &self.tls));
    }

    fn saw(self, keys: &Path) -> Saw {
        Saw { port: self.port, secrets: Secrets::Log(keys.to_owned()), calls: self.calls }
    }
}

/// A call whose answer ends what the client printed.
fn call(number: &str, method: &str, path: &str, request: usize, seen: &str, tls: &Value) -> Value {
    let answer = &seen[seen.find("HTTP/1.1 ").expect("an answer was printed")..];
    let status: u64 = answer[9..12].parse().expect("a status");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head ends");
    json!({
        "call": number, "protocol": "http/1.1", "method": method, "authority": "localhost", "path": path,
        "status": status, "tls": tls, "request": { "body_bytes": request }, "response": { "body_bytes": body.len() },
    })
}

/// Exchanges, with a step between each two of them.
fn steps(
    name: &str,
    version: &'static str,
    options: [&'static [&'static str]; 2],
    steps: &'static [fn(&mut Pair)],
) -> Case {
    Case::new(format!("openssl-openssl-{name}-tls{version}"), move |lab| {
        let keys = lab.fresh("keys");
        let mut pair = Pair::new(lab, &keys, version, options[0], options[1]);
        pair.exchange();
        for step in steps {
            step(&mut pair);
            pair.exchange();
            pair.exchange();
        }
        pair.saw(&keys)
    })
}

fn client_updates(pair: &mut Pair) {
    pair.client.say("k\n");
    pair.client.until("KEYUPDATE\n");
}

/// With the wish that the server does so too.
fn both_update(pair: &mut Pair) {
    pair.client.say("K\n");
    pair.client.until("KEYUPDATE\n");
}

fn server_updates(pair: &mut Pair) {
    pair.server.say("k\n");
}

fn client_renegotiates(pair: &mut Pair) {
    pair.client.say("R\n");
    pair.client.until("RENEGOTIATING\n");
}

/// The client, which tells its states, goes on with the session that it has, and so finishes last.
fn server_renegotiates(pair: &mut Pair) {
    pair.server.say("r\n");
    pair.client.until("TLS write finished\n");
}

/// Early data to nginx: what the client sends with its greeting, in a session that it knows.
fn early(lab: &Lab) -> Saw {
    let port = lab.port();
    let settings = format!(
        "ssl_certificate {0}.pem; ssl_certificate_key {0}.key; ssl_early_data on; ssl_protocols TLSv1.3;",
        lab.path("ec")
    );
    let _server = nginx(lab, port, "ssl", &settings);
    let (keys, session, request) = (lab.fresh("keys"), lab.fresh("session"), lab.fresh("request"));
    let [keys_path, session_path, request_path] =
        [&keys, &session, &request].map(|path| path.to_str().expect("a path is text"));
    let address = format!("127.0.0.1:{port}");
    let own = ["s_client", "-connect", &address, "-servername", "localhost", "-keylogfile", keys_path];
    let ask = |number: u32| format!("GET /bytes/17 HTTP/1.1\r\nHost: localhost\r\nX-Call: {number}\r\n\r\n");
    let body = "x".repeat(17);
    let mut calls = Vec::new();
    let mut record = |number: u32, seen: &str, cipher: &str| {
        let tls = json!({ "version": "1.3", "cipher": cipher, "server_name": "localhost" });
        calls.push(call(&number.to_string(), "GET", "/bytes/17", 0, seen, &tls));
    };
    let mut first = Talk::new(&own, &["-sess_out", session_path]);
    first.until("New, TLSv1.3, Cipher is ");
    let cipher = first.until("\n").trim().to_owned();
    first.say(&ask(0));
    record(0, &first.until(&body), &cipher);
    drop(first);
    fs::write(&request, ask(1)).expect("the scratch folder can be written");
    let mut second = Talk::new(&own, &["-sess_in", session_path, "-early_data", request_path]);
    let seen = second.until(&body);
    assert!(seen.contains("Early data was accepted"), "{seen}");
    record(1, &seen, &cipher);
    second.say(&ask(2));
    record(2, &second.until(&body), &cipher);
    Saw { port, secrets: Secrets::Log(keys), calls }
}

pub(crate) fn cases() -> Vec<Case> {
    const PADDED: [&[&str]; 2] = [&["-record_padding", "512"], &["-record_padding", "300"]];
    const SPLIT: [&[&str]; 2] = [&["-split_send_frag", "512", "-max_send_frag", "512"]; 2];
    const CHATTY: [&[&str]; 2] = [&[], &["-client_renegotiation"]];
    vec![
        steps("plain", "1.3", [&[], &[]], &[|_| ()]),
        steps("plain", "1.2", [&[], &[]], &[|_| ()]),
        steps(
            "key-update",
            "1.3",
            [&[], &[]],
            &[client_updates, server_updates, both_update, client_updates],
        ),
        steps("padded", "1.3", PADDED, &[|_| ()]),
        steps("short-records", "1.3", SPLIT, &[|_| (), |_| ()]),
        steps("short-records", "1.2", SPLIT, &[|_| (), |_| ()]),
        steps("renegotiation", "1.2", CHATTY, &[client_renegotiates, client_renegotiates]),
        steps("renegotiation-by-server", "1.2", [&["-state"], &[]], &[server_renegotiates]),
        Case::new("openssl-nginx-early-tls1.3", early),
    ]
}
