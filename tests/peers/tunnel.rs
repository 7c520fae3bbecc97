//! CONNECT: curl through a proxy of a few lines, which passes on what it is given. What is in the tunnel are calls too.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::json;

use crate::curl::{Curl, USUAL};
use crate::lab::Lab;
use crate::nginx::nginx;
use crate::saw::{Case, Saw, Secrets};

/// Answers CONNECT and copies both ways, for as many connections as come.
fn proxy(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    thread::spawn(move || {
        for client in listener.incoming() {
            thread::spawn(move || client.and_then(tunnel));
        }
    });
}

fn tunnel(mut client: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let mut server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\nProxy-Agent: tests\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(Shutdown::Write)
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

/// All calls go through one tunnel; the connection between proxy and server is not looked at.
fn through(name: &str, scheme: &'static str, listen: &'static str, options: &'static str) -> Case {
    Case::new(format!("curl-proxy-{name}"), move |lab: &Lab| {
        let (port, behind) = (lab.port(), lab.port());
        let certificate = if scheme == "https" {
            format!("ssl_certificate {0}.pem; ssl_certificate_key {0}.key;", lab.path("ec"))
        } else {
            String::new()
        };
        let _server = nginx(lab, behind, listen, &certificate);
        proxy(port);
        let more = "proxytunnel\nproxy-header = \"X-Call: tunnel\"";
        let options = format!("{options}\n{more}\nproxy = \"http://localhost:{port}\"");
        let mut log = Curl::new(lab, scheme, behind, &options).ask(USUAL);
        assert!(log.verbose.contains("HTTP/1.1 200 Connection established"), "{}", log.verbose);
        log.calls.push(json!({
            "call": "tunnel", "protocol": "http/1.1", "method": "CONNECT", "status": 200, "tls": null,
            "authority": format!("localhost:{behind}"),
        }));
        let secrets = if scheme == "https" { Secrets::Log(log.keys) } else { Secrets::None };
        Saw { port, secrets, calls: log.calls }
    })
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        through("tunnel-clear", "http", "", ""),
        through("tunnel-h1-tls1.3", "https", "ssl", ""),
        through("tunnel-h2-tls1.3", "https", "ssl http2", ""),
        through("tunnel-h2-tls1.2", "https", "ssl http2", "tls-max = 1.2"),
    ]
}
