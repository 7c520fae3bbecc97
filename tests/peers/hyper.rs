//! hyper over tokio-rustls, as server and as client, in the test's own process. As a server it writes the key log for
//! clients that write none.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, KeyLog, ProtocolVersion, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::curl::{Curl, USUAL};
use crate::lab::Lab;
use crate::saw::{Case, Saw, Secrets};

/// What is spoken where no ALPN says it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

impl Speaks {
    fn alpn(self) -> Vec<Vec<u8>> {
        vec![if self == Self::Http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }]
    }
}

/// A key log file (NSS format).
#[derive(Debug)]
struct Keys(Mutex<File>);

impl KeyLog for Keys {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = String::from(label);
        for part in [client_random, secret] {
            line.push(' ');
            part.iter().for_each(|byte| write!(line, "{byte:02x}").expect("text grows"));
        }
        writeln!(self.0.lock().expect("no writer panics"), "{line}").expect("the key log can be written");
    }
}

impl Keys {
    fn new(file: &Path) -> Arc<Self> {
        Arc::new(Self(Mutex::new(File::create(file).expect("the scratch folder can be written"))))
    }
}

/// All suites, or one of them.
fn provider(suite: Option<&str>) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|one| suite.is_none_or(|name| suite_name(one.suite()) == name));
    Arc::new(provider)
}

/// rustls names suites of TLS 1.3 in its own way.
fn suite_name(suite: tokio_rustls::rustls::CipherSuite) -> String {
    format!("{suite:?}").replace("TLS13_", "TLS_")
}

/// A server's settings, with the certificate of the lab and a key log.
pub(crate) fn server_config(lab: &Lab, keys: &Path, alpn: &[&str]) -> Arc<ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(lab.path("ec.pem")).expect("a certificate");
    let certificates = certificates.map(|one| one.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(lab.path("ec.key")).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider(None))
        .with_protocol_versions(&[&TLS12, &TLS13])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("a certificate with its key");
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.key_log = Keys::new(keys);
    Arc::new(config)
}

fn client_config(
    lab: &Lab,
    keys: &Path,
    version: &'static SupportedProtocolVersion,
    suite: Option<&str>,
    speaks: Speaks,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(lab.path("ec.pem")).expect("a certificate")).expect("a root");
    let mut config = ClientConfig::builder_with_provider(provider(suite))
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = speaks.alpn();
    config.key_log = Keys::new(keys);
    Arc::new(config)
}

/// A body of parts, and trailers behind them.
struct Parts(VecDeque<Frame<Bytes>>);

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// Answers as all servers of these tests do, and gRPC by sending back what came.
async fn answer(request: Request<Incoming>) -> Result<Response<Parts>, Infallible> {
    let (head, body) = request.into_parts();
    let asked = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = head.uri.path();
    let mut response = Response::new(Parts(VecDeque::new()));
    if path.starts_with("/peers.Echo/") {
        let mut trailers = HeaderMap::new();
        let refused = path.ends_with("/Refuse");
        trailers.insert("grpc-status", if refused { "7" } else { "0" }.parse().expect("a value"));
        response.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().expect("a value"));
        let body = if refused { Bytes::new() } else { asked };
        response.body_mut().0.extend([Frame::data(body), Frame::trailers(trailers)]);
    } else if path == "/echo" {
        response.headers_mut().insert(CONTENT_LENGTH, asked.len().into());
        response.body_mut().0.push_back(Frame::data(asked));
    } else if path == "/parts" {
        let parts = (1..6).map(|n| Frame::data(Bytes::from(vec![b'p'; n * 1000])));
        response.body_mut().0.extend(parts);
    } else if let Some(size) = path.strip_prefix("/bytes/").and_then(|size| size.parse::<usize>().ok()) {
        response.headers_mut().insert(CONTENT_LENGTH, size.into());
        if size > 0 && head.method != Method::HEAD {
            response.body_mut().0.push_back(Frame::data(Bytes::from(vec![b'x'; size])));
        }
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

/// Serves on a port as long as the test runs.
pub(crate) fn serve(port: u16, tls: Option<Arc<ServerConfig>>, speaks: Speaks) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    listener.set_nonblocking(true).expect("a socket can be set");
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket can be set");
                tokio::spawn(take(stream, tls.clone(), speaks));
            }
        });
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime")
}

/// One connection. What goes wrong with it shows at the client.
async fn take(stream: TcpStream, tls: Option<Arc<ServerConfig>>, speaks: Speaks) {
    let Some(config) = tls else { return converse(stream, speaks).await };
    if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        converse(stream, if is_h2 { Speaks::Http2 } else { Speaks::Http1 }).await;
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, speaks: Speaks) {
    let io = TokioIo::new(stream);
    let _ = match speaks {
        Speaks::Http1 => {
            hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(answer)).await
        }
        Speaks::Http2 => {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.serve_connection(io, service_fn(answer)).await
        }
    };
}

/// What the client asks for on each connection.
const ASKS: [(&str, &str, usize); 6] = [
    ("GET", "/bytes/1000", 0),
    ("POST", "/echo", 5000),
    ("GET", "/parts", 0),
    ("HEAD", "/bytes/17", 0),
    ("GET", "/missing", 0),
    ("PUT", "/echo", 70_000),
];

/// A client of hyper: connections one after the other, which go on with the session of the first.
struct Client {
    port: u16,
    speaks: Speaks,
    tls: Option<Arc<ClientConfig>>,
    calls: Vec<Value>,
}

impl Client {
    async fn connect(&mut self) {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket can be set");
        let Some(config) = self.tls.clone() else { return self.converse(stream, &Value::Null).await };
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(config).connect(name, stream).await.expect("a session");
        let tls = agreed(stream.get_ref().1);
        self.converse(stream, &tls).await;
    }

    async fn converse(&mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, tls: &Value) {
        let io = TokioIo::new(stream);
        if self.speaks == Speaks::Http1 {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.expect("HTTP/1 begins");
            let connection = tokio::spawn(connection);
            for (method, path, size) in ASKS {
                let sent = self.request(method, path, size);
                let answer = sender.send_request(sent).await.expect("an answer");
                self.saw(method, path, size, answer, tls).await;
            }
            drop(sender);
            let _ = connection.await;
        } else {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2 begins");
            let connection = tokio::spawn(connection);
            for (method, path, size) in ASKS {
                let sent = self.request(method, path, size);
                let answer = sender.send_request(sent).await.expect("an answer");
                self.saw(method, path, size, answer, tls).await;
            }
            drop(sender);
            let _ = connection.await;
        }
    }

    fn request(&self, method: &str, path: &str, size: usize) -> Request<Full<Bytes>> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let authority = format!("localhost:{}", self.port);
        let request = Request::builder().method(method).header("X-Call", self.calls.len());
        let request = match self.speaks {
            Speaks::Http1 => request.uri(path).header(HOST, authority),
            Speaks::Http2 => request.uri(format!("{scheme}://{authority}{path}")),
        };
        request.body(Full::new(Bytes::from(vec![b'y'; size]))).expect("a request")
    }

    async fn saw(&mut self, method: &str, path: &str, size: usize, answer: Response<Incoming>, tls: &Value) {
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        self.calls.push(json!({
            "call": self.calls.len().to_string(), "method": method, "path": path, "status": status, "tls": tls,
            "protocol": if self.speaks == Speaks::Http2 { "h2" } else { "http/1.1" },
            "authority": format!("localhost:{}", self.port),
            "request": { "body_bytes": size }, "response": { "body_bytes": body.len() },
        }));
    }
}

/// What rustls says that was agreed on.
fn agreed(connection: &ClientConnection) -> Value {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        other => panic!("{other:?}"),
    };
    let suite = connection.negotiated_cipher_suite().expect("a suite").suite();
    json!({ "version": version, "cipher": suite_name(suite), "server_name": "localhost" })
}

/// hyper with itself: two connections with the same calls.
fn both(lab: &Lab, speaks: Speaks, tls: Option<(&'static SupportedProtocolVersion, Option<&str>)>) -> Saw {
    let (port, keys, of_server) = (lab.port(), lab.fresh("keys"), lab.fresh("keys"));
    let config = tls.map(|_| server_config(lab, &of_server, &["h2", "http/1.1"]));
    serve(port, config, speaks);
    let tls = tls.map(|(version, suite)| client_config(lab, &keys, version, suite, speaks));
    let secrets = if tls.is_some() { Secrets::Log(keys) } else { Secrets::None };
    let mut client = Client { port, speaks, tls, calls: Vec::new() };
    runtime().block_on(async {
        client.connect().await;
        client.connect().await;
    });
    Saw { port, secrets, calls: client.calls }
}

const SUITES: [&str; 6] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("hyper-hyper-h1-clear", |lab| both(lab, Speaks::Http1, None)),
        Case::new("hyper-hyper-h2c", |lab| both(lab, Speaks::Http2, None)),
        Case::new("hyper-hyper-h2-tls1.3", |lab| both(lab, Speaks::Http2, Some((&TLS13, None)))),
        Case::new("hyper-hyper-h2-tls1.2", |lab| both(lab, Speaks::Http2, Some((&TLS12, None)))),
        Case::new("curl-hyper-h2-tls1.3", |lab| {
            let (port, keys) = (lab.port(), lab.fresh("keys"));
            serve(port, Some(server_config(lab, &keys, &["h2"])), Speaks::Http2);
            // The key log is the server's.
            Saw {
                port,
                secrets: Secrets::Log(keys),
                calls: Curl::new(lab, "https", port, "").ask(USUAL).calls,
            }
        }),
    ];
    cases.extend(SUITES.iter().map(|suite| {
        let version: &SupportedProtocolVersion = if suite.contains("_WITH_") { &TLS12 } else { &TLS13 };
        Case::new(format!("hyper-hyper-h1-{suite}"), move |lab| {
            both(lab, Speaks::Http1, Some((version, Some(suite))))
        })
    }));
    cases
}
