//! Peers in other languages, each a file beside this one that uses its standard library alone (of Python, grpcio). They
//! run where the language is installed, and are skipped where it is not.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::curl::{Curl, USUAL};
use crate::hyper_peer::{self, Speaks};
use crate::lab::{Lab, Running, has, run};
use crate::nghttp2::nghttpx;
use crate::nginx::nginx;
use crate::saw::{Case, Saw, Secrets, upgrade_of};

fn source(name: &str) -> String {
    format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The calls that a client tells, one a line.
fn calls(command: &mut Command) -> Vec<Value> {
    let (printed, _) = run(command);
    printed.lines().map(|line| serde_json::from_str(line).expect("a peer tells JSON")).collect()
}

/// Whether the version in what a command prints is this one or a later one.
fn is_at_least(command: &[&str], before: &str, wanted: [u32; 2]) -> bool {
    if !has(command[0]) {
        return false;
    }
    // what can't say its version is as good as not there
    let Ok(done) = Command::new(command[0]).args(&command[1..]).output() else { return false };
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    let rest = printed.split_once(before).map_or("", |(_, rest)| rest);
    let mut numbers =
        rest.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)] >= wanted
}

fn lacking(lack: &str, is_there: bool, cases: Vec<Case>) -> Vec<Case> {
    let lack = (!is_there).then(|| lack.to_owned());
    cases.into_iter().map(|case| Case { lacks: lack.clone(), ..case }).collect()
}

pub(crate) fn cases() -> Vec<Case> {
    let grpc = ["-c", "import grpc"];
    let has_grpc = Command::new("python3").args(grpc).output().is_ok_and(|done| done.status.success());
    [
        lacking("no grpcio", has_grpc, grpc_cases()),
        lacking("no JDK 17", has("javac") && is_at_least(&["java", "--version"], " ", [17, 0]), java_cases()),
        lacking("no Node 18", is_at_least(&["node", "--version"], "v", [18, 0]), node_cases()),
        lacking("no Go 1.24", is_at_least(&["go", "version"], "go version go", [1, 24]), go_cases()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The peer in Go, built once; what is built of the standard library is kept for the next run.
fn go(lab: &Lab) -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let (kept, program) = (concat!(env!("CARGO_TARGET_TMPDIR"), "/go"), lab.scratch().join("go-peer"));
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).arg(source("peer.go"));
        build.env("GOCACHE", kept).env("GOPATH", kept).env("GO111MODULE", "off").env("GOTOOLCHAIN", "local");
        run(build.env_remove("GOFLAGS"));
        program
    });
    Command::new(built)
}

/// A server in Go, with settings of its own.
fn go_server(lab: &Lab, port: u16, tls: &str, version: &str, more: &[&str]) -> Running {
    let mut command = go(lab);
    command.args(["serve", "-port", &port.to_string(), "-http", version]).args(more);
    if !tls.is_empty() {
        command.args(["-tls", tls, "-cert", &lab.path("ec.pem"), "-key", &lab.path("ec.key")]);
    }
    lab.serve(&mut command, port)
}

/// A client in Go: two connections over TLS, of which the second goes on with the session of the first.
fn go_client(lab: &Lab, port: u16, tls: &str, version: &str, more: &[&str]) -> Saw {
    let keys = lab.fresh("keys");
    let mut command = go(lab);
    command.args(["call", "-port", &port.to_string(), "-http", version]).args(more);
    let mut secrets = Secrets::None;
    if !tls.is_empty() {
        command.args(["-tls", tls, "-cert", &lab.path("ec.pem"), "-connections", "2", "-keys"]).arg(&keys);
        secrets = Secrets::Log(keys);
    }
    Saw { port, secrets, calls: calls(&mut command) }
}

fn go_go(version: &'static str, tls: &'static str, server: &'static [&str], client: &'static [&str]) -> Case {
    let what =
        [server, client].concat().into_iter().filter(|word| !word.starts_with('-')).collect::<Vec<_>>();
    let mut name = format!("go-go-h{version}-{}", if tls.is_empty() { "clear" } else { "tls" });
    name += tls;
    what.first().into_iter().for_each(|what| name += &format!("-{what}"));
    Case::new(name, move |lab| {
        let port = lab.port();
        let _server = go_server(lab, port, tls, version, server);
        go_client(lab, port, tls, version, client)
    })
}

fn go_cases() -> Vec<Case> {
    const CBC: &[&str] = &["-suite", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"];
    vec![
        Case::new("go-nginx-h2-tls1.3", |lab| {
            let port = lab.port();
            let certificate = format!(
                "ssl_protocols TLSv1.3; ssl_certificate {0}.pem; ssl_certificate_key {0}.key;",
                lab.path("ec")
            );
            let _server = nginx(lab, port, "ssl http2", &certificate);
            go_client(lab, port, "1.3", "2", &[])
        }),
        Case::new("curl-go-h2-tls1.3", |lab| {
            let port = lab.port();
            let _server = go_server(lab, port, "1.3", "2", &[]);
            let log = Curl::new(lab, "https", port, "").ask(USUAL);
            Saw { port, secrets: Secrets::Log(log.keys), calls: log.calls }
        }),
        go_go("2", "1.3", &["-curve", "P256"], &[]),
        go_go("1", "1.2", CBC, CBC),
        go_go("2", "1.2", &[], &[]),
        go_go("2", "1.3", &[], &[]),
        go_go("1", "1.2", &[], &[]),
        go_go("1", "1.3", &[], &[]),
        go_go("2", "", &[], &[]),
        go_go("1", "", &[], &[]),
    ]
}

/// Node with itself.
fn node_node(kind: &'static str, tls: &'static str) -> Case {
    let name = if tls.is_empty() {
        format!("node-node-{kind}-clear")
    } else {
        format!("node-node-h{kind}-tls{tls}")
    };
    Case::new(name, move |lab| {
        let (port, keys) = (lab.port(), lab.fresh("keys"));
        let node = |what: &str| {
            let mut command = Command::new("node");
            if what == "call" && !tls.is_empty() {
                command.arg(format!("--tls-keylog={}", keys.display()));
            }
            command.arg(source("peer.mjs")).args([what, &port.to_string(), kind]);
            if !tls.is_empty() {
                command.args([tls, &lab.path("ec.pem"), &lab.path("ec.key")]);
            }
            command
        };
        let _server = lab.serve(&mut node("serve"), port);
        let calls = calls(&mut node("call"));
        let secrets = if tls.is_empty() { Secrets::None } else { Secrets::Log(keys) };
        Saw { port, secrets, calls }
    })
}

fn node_cases() -> Vec<Case> {
    vec![
        node_node("1", ""),
        node_node("2", ""),
        node_node("websocket", ""),
        node_node("1", "1.3"),
        node_node("1", "1.2"),
        node_node("2", "1.3"),
        node_node("2", "1.2"),
    ]
}

fn java(port: u16, version: &str, more: &[&str]) -> Vec<Value> {
    calls(Command::new("java").arg(source("Peer.java")).args([&port.to_string(), version]).args(more))
}

/// Java writes no key log: the server does.
fn java_hyper(version: &'static str, tls: &'static str) -> Case {
    let name = format!("java-hyper-{}-tls{tls}", if version == "HTTP_2" { "h2" } else { "h1" });
    Case::new(name, move |lab| {
        let (port, keys) = (lab.port(), lab.fresh("keys"));
        let config = hyper_peer::server_config(lab, &keys, &["h2", "http/1.1"]);
        hyper_peer::serve(port, Some(config), Speaks::Http1);
        let calls = java(port, version, &[&format!("TLSv{tls}"), &lab.path("ec.pem")]);
        Saw { port, secrets: Secrets::Log(keys), calls }
    })
}

fn java_cases() -> Vec<Case> {
    vec![
        Case::new("java-nginx-h1-clear", |lab| {
            let port = lab.port();
            let _server = nginx(lab, port, "", "");
            Saw { port, secrets: Secrets::None, calls: java(port, "HTTP_1_1", &[]) }
        }),
        Case::new("java-nghttpx-h2c-upgrade", |lab| {
            let port = lab.port();
            let _servers = nghttpx(lab, port, false, &[]);
            let mut calls = java(port, "HTTP_2", &[]);
            calls.push(upgrade_of(&calls[0]));
            Saw { port, secrets: Secrets::None, calls }
        }),
        java_hyper("HTTP_1_1", "1.3"),
        java_hyper("HTTP_1_1", "1.2"),
        java_hyper("HTTP_2", "1.3"),
        java_hyper("HTTP_2", "1.2"),
    ]
}

fn grpc_cases() -> Vec<Case> {
    let python = |words: &[&str]| {
        let mut command = Command::new("python3");
        command.arg("-B").arg(source("grpc_peer.py")).args(words);
        command
    };
    vec![
        Case::new("grpcio-grpcio-clear", move |lab| {
            let port = lab.port();
            let _server = lab.serve(&mut python(&["serve", &port.to_string()]), port);
            let calls = calls(&mut python(&["call", &port.to_string()]));
            Saw { port, secrets: Secrets::None, calls }
        }),
        Case::new("grpcio-hyper-tls1.3", move |lab| {
            let (port, keys) = (lab.port(), lab.fresh("keys"));
            let config = hyper_peer::server_config(lab, &keys, &["h2"]);
            hyper_peer::serve(port, Some(config), Speaks::Http2);
            let calls = calls(&mut python(&["call", &port.to_string(), &lab.path("ec.pem")]));
            Saw { port, secrets: Secrets::Log(keys), calls }
        }),
    ]
}
