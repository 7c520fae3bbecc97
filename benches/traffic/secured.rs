//! Connections of HTTP/2 over TLS 1.3, as the endpoints of other libraries speak it, and their key log.

use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, KeyLog, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::h2::{Written, answer, ask, taps};

const NAME: &str = "api.shop.test";

/// The lines of a key log.
#[derive(Debug, Default)]
struct Lines(Mutex<String>);

impl KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&line);
    }
}

/// Both ends, ready to begin connections.
pub(crate) struct Peers {
    lines: Arc<Lines>,
    server: TlsAcceptor,
    client: TlsConnector,
    runtime: tokio::runtime::Runtime,
}

impl Peers {
    /// With a certificate that the `openssl` command makes.
    pub(crate) fn new() -> io::Result<Self> {
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", &format!("/CN={NAME}"), "-addext", &format!("subjectAltName=DNS:{NAME}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "-", "-out", "-"])
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr)));
        }
        let certificate = CertificateDer::from_pem_slice(&made.stdout).map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_slice(&made.stdout).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).map_err(io::Error::other)?;
        let lines = Arc::new(Lines::default());
        let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        client.key_log = Arc::clone(&lines) as Arc<dyn KeyLog>;
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let mut server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(io::Error::other)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        let (server, client) = (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)));
        Ok(Self { lines, server, client, runtime: tokio::runtime::Builder::new_current_thread().build()? })
    }

    /// What both ends write in a handshake and so many calls of a customer, in its order, until the last one is answered.
    pub(crate) fn converse(&self, random: &mut Rng, customer: u64, calls: u64) -> io::Result<Vec<Written>> {
        let (written, [client_end, server_end]) = taps();
        let mut answers = random.fork();
        let mut until = 0;
        self.runtime.block_on(async {
            let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
            let (client, server) =
                tokio::try_join!(self.client.connect(name, client_end), self.server.accept(server_end),)?;
            let mut heard = || until = bytes_of(&written.borrow());
            // a client that has heard all of it closes, and the server may still have a word for it
            let (asked, _) = tokio::join!(
                ask(client, random, customer, 0..calls, &mut heard),
                answer(server, &mut answers, 0)
            );
            asked.map_err(io::Error::other)
        })?;
        let mut left = until;
        let mut written = written.take();
        for part in &mut written {
            part.bytes.truncate(left);
            left -= part.bytes.len();
        }
        Ok(written)
    }

    /// The key log of all connections so far.
    pub(crate) fn key_log(&self) -> String {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn bytes_of(written: &[Written]) -> usize {
    written.iter().map(|part| part.bytes.len()).sum()
}
