//! nginx as a server, with curl as its client: every suite of TLS, and what else the two can agree on.

use std::fs;
use std::process::Command;

use crate::curl::{APART, Ask, Curl, FEW, USUAL};
use crate::lab::{Lab, Running};
use crate::saw::{Case, Saw, Secrets};

/// nginx on a port, with parameters of `listen` and settings of its server.
pub(crate) fn nginx(lab: &Lab, port: u16, listen: &str, settings: &str) -> Running {
    let folder = lab.fresh("nginx");
    fs::create_dir(&folder).expect("the scratch folder can be written");
    let folder = folder.to_str().expect("a path is text");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};"))
        .concat();
    let site = lab.path("site");
    let text = format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr;
         events {{}}
         http {{
           access_log off; {temporary} root {site};
           server {{
             listen 127.0.0.1:{port} {listen};
             server_name localhost;
             {settings}
             location = /echo {{ proxy_pass http://unix:{folder}/behind; }}
           }}
           server {{ listen unix:{folder}/behind; return 200 taken; }}
         }}"
    );
    let config = format!("{folder}/nginx.conf");
    fs::write(&config, text).expect("the scratch folder can be written");
    lab.serve(Command::new("nginx").args(["-p", folder, "-e", "stderr", "-c", &config]), port)
}

/// What one combination sets: of nginx, of curl, of curl's openssl.
#[derive(Clone, Default)]
struct Set {
    nginx: String,
    curl: String,
    openssl: Option<&'static str>,
    secrets: Opened,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Opened {
    #[default]
    KeyLog,
    PrivateKey,
}

/// curl's calls over TLS, if the log says what it shall.
fn over_tls(lab: &Lab, listen: &str, set: &Set, asks: &[Ask], said: &str) -> Saw {
    let port = lab.port();
    let certificates: String = ["ec", "rsa"]
        .map(|kind| format!("ssl_certificate {0}.pem; ssl_certificate_key {0}.key;", lab.path(kind)))
        .concat();
    let scratch = lab.scratch().to_str().expect("a path is text");
    let versions = if set.nginx.contains("ssl_protocols") { "" } else { "ssl_protocols TLSv1.2 TLSv1.3;" };
    let settings = format!("{certificates} {versions} {}", set.nginx.replace("SCRATCH", scratch));
    let _server = nginx(lab, port, &format!("ssl {listen}"), &settings);
    let mut curl = Curl::new(lab, "https", port, &set.curl.replace("SCRATCH", scratch));
    if let Some(settings) = set.openssl {
        curl = curl.openssl(settings);
    }
    let log = curl.ask(asks);
    assert!(said.split('|').any(|said| log.verbose.contains(said)), "no {said:?}: {}", log.verbose);
    let secrets = match set.secrets {
        Opened::KeyLog => Secrets::Log(log.keys),
        Opened::PrivateKey => Secrets::Private(lab.scratch().join("rsa.key")),
    };
    Saw { port, secrets, calls: log.calls }
}

fn clear(lab: &Lab, listen: &str, options: &str) -> Saw {
    let port = lab.port();
    let _server = nginx(lab, port, listen, "gzip on; gzip_types *;");
    let curl = Curl::new(lab, "http", port, options);
    // Some versions of curl can't send a second request on a connection that began with prior knowledge.
    let calls = if listen == "http2" { curl.ask_apart(USUAL) } else { curl.ask(USUAL).calls };
    Saw { port, secrets: Secrets::None, calls }
}

/// TLS 1.3: nginx offers one suite.
const SUITES_13: [&str; 5] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
];

/// TLS 1.2 with keys of the moment.
const SUITES_12: [&str; 11] = [
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-CCM",
    "ECDHE-ECDSA-AES256-CCM",
    "ECDHE-ECDSA-AES128-CCM8",
    "ECDHE-ECDSA-AES256-CCM8",
    "DHE-RSA-AES128-GCM-SHA256",
];

/// With encrypt-then-MAC and without it.
const SUITES_CBC: [&str; 6] = [
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "DHE-RSA-AES128-SHA256",
    "DHE-RSA-AES256-SHA256",
];

/// The client sends the secret encrypted with the server's key.
const SUITES_RSA: [&str; 8] = [
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-CCM",
    "AES256-CCM8",
    "AES128-SHA",
    "AES256-SHA",
    "AES128-SHA256",
    "AES256-SHA256",
];

const WEAK: &str = "CipherString = ALL:@SECLEVEL=0\nMinProtocol = TLSv1";
const WEAK_NO_ETM: &str = "CipherString = ALL:@SECLEVEL=0\nOptions = -EncryptThenMac";
const WEAK_NO_EMS: &str = "CipherString = ALL:@SECLEVEL=0\nOptions = -ExtendedMasterSecret";

/// One suite of TLS 1.2 that curl offers, and nginx takes.
fn suite_12(kind: &str, suite: &'static str, openssl: &'static str, secrets: Opened) -> Case {
    Case::new(format!("curl-nginx-tls1.2-{kind}{suite}"), move |lab| {
        let nginx =
            format!("ssl_protocols TLSv1.2; ssl_ciphers {suite}:@SECLEVEL=0; ssl_dhparam SCRATCH/dh.pem;");
        let set = Set { nginx, openssl: Some(openssl), secrets, ..Set::default() };
        let saw = over_tls(lab, "", &set, USUAL, "");
        assert_eq!(saw.calls[0]["tls"]["cipher"], lab.suite(suite));
        saw
    })
}

fn suites() -> Vec<Case> {
    let mut cases: Vec<_> = SUITES_13
        .iter()
        .map(|suite| {
            Case::new(format!("curl-nginx-tls1.3-{suite}"), move |lab| {
                let nginx = format!("ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {suite}; ssl_ciphers @SECLEVEL=0:ALL;");
                let curl = format!("tls13-ciphers = {suite}");
                let set = Set { nginx, curl, openssl: Some(WEAK), ..Set::default() };
                let saw = over_tls(lab, "", &set, USUAL, "");
                assert_eq!(saw.calls[0]["tls"]["cipher"], *suite);
                saw
            })
        })
        .collect();
    cases.extend(SUITES_12.iter().map(|suite| suite_12("", suite, WEAK, Opened::KeyLog)));
    cases.extend(SUITES_CBC.iter().map(|suite| suite_12("etm-", suite, WEAK, Opened::KeyLog)));
    cases.extend(SUITES_CBC.iter().map(|suite| suite_12("no-etm-", suite, WEAK_NO_ETM, Opened::KeyLog)));
    cases.extend(SUITES_RSA.iter().map(|suite| suite_12("rsa-key-", suite, WEAK, Opened::PrivateKey)));
    cases.push(suite_12("no-ems-", "ECDHE-RSA-AES128-GCM-SHA256", WEAK_NO_EMS, Opened::KeyLog));
    cases.push(suite_12("rsa-key-no-ems-", "AES128-GCM-SHA256", WEAK_NO_EMS, Opened::PrivateKey));
    cases.push(suite_12("rsa-key-no-etm-", "AES256-SHA256", WEAK_NO_ETM, Opened::PrivateKey));
    cases
}

/// A combination over TLS with settings of its own, of which curl's log has to tell in one of these ways (`|`).
fn special(name: &str, set: Set, asks: &'static [Ask], said: &'static str) -> Case {
    let listen = if name.starts_with("h2") { "http2" } else { "" };
    let (name, version) = (format!("curl-nginx-{name}"), name[name.len() - 3..].to_owned());
    Case::new(name, move |lab| {
        let saw = over_tls(lab, listen, &set, asks, said);
        assert_eq!(saw.calls[0]["tls"]["version"], *version);
        saw
    })
}

fn features() -> Vec<Case> {
    let set =
        |nginx: &str, curl: &str| Set { nginx: nginx.to_owned(), curl: curl.to_owned(), ..Set::default() };
    let old = |nginx: &str, curl: &str| Set { openssl: Some(WEAK), ..set(nginx, curl) };
    let weak = |version: &str| format!("ssl_protocols {version}; ssl_ciphers ALL:@SECLEVEL=0;");
    let mutual = "ssl_client_certificate SCRATCH/rsa.pem; ssl_verify_client on;";
    let certificate = "cert = SCRATCH/rsa.pem\nkey = SCRATCH/rsa.key\n";
    let in_12 = "tls-max = 1.2";
    let by_id = "ssl_session_tickets off; ssl_session_cache shared:id:1m;";
    // as versions of curl say it
    let again = "re-using session|reusing session";
    vec![
        special("h2-tls1.2", set("", in_12), USUAL, "server accepted"),
        special("h2-tls1.3", set("", ""), USUAL, "server accepted"),
        special("tls1.0", old(&weak("TLSv1"), "tls-max = 1.0\ntlsv1.0"), USUAL, "using TLSv1 /"),
        special("tls1.1", old(&weak("TLSv1.1"), "tls-max = 1.1\ntlsv1.1"), USUAL, "using TLSv1.1 /"),
        special(
            "mutual-tls1.2",
            set(mutual, &[certificate, in_12].concat()),
            FEW,
            "TLSv1.2 (OUT), TLS handshake, CERT verify",
        ),
        special("mutual-tls1.3", set(mutual, certificate), FEW, "TLSv1.3 (OUT), TLS handshake, CERT verify"),
        special("retry-tls1.3", set("ssl_ecdh_curve secp384r1;", ""), FEW, AGAIN_HELLO),
        special("ticket-tls1.2", set("ssl_session_tickets on;", in_12), APART, again),
        special("id-tls1.2", set(by_id, in_12), APART, again),
        special("psk-tls1.3", set("", ""), APART, again),
    ]
}

/// What curl says when a HelloRetryRequest makes it greet again.
const AGAIN_HELLO: &str = "Change cipher spec (1):\n* TLSv1.3 (OUT), TLS handshake, Client hello (1)";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("curl-nginx-clear", |lab| clear(lab, "", "header = \"Accept-Encoding: gzip\"")),
        Case::new("curl-nginx-h2c", |lab| clear(lab, "http2", "http2-prior-knowledge")),
    ];
    cases.extend(suites());
    cases.extend(features());
    cases
}
