//! What handshake messages change.

use std::sync::Arc;

use super::cipher::Agreed;
use super::cipher::suite::{self, Suite};
use super::handshake::{self, ClientHello, Message, ServerHello};
use super::inflate::DEFLATE;
use super::keys::{name_of_id, name_of_ticket};
use super::schedule::master_secret;
use super::session::version_name;
use super::side::Wait;
use super::{Alpn, Bench, Chosen, Early, Master, Reason, Tls, Version};
use crate::limits::SESSION_NAMES_MAX;
use crate::wire::Direction;

impl Tls {
    pub(super) fn messages(&mut self, direction: Direction, payload: &[u8], bench: &mut Bench) {
        let mut joiner = std::mem::take(&mut self.side(direction).joiner);
        joiner.push(payload, |message| self.message(direction, &message, bench));
        self.side(direction).joiner = joiner;
    }

    pub(super) fn message(&mut self, direction: Direction, message: &Message<'_>, bench: &mut Bench) {
        let of_client = direction == self.client;
        if message.kind == handshake::CLIENT_HELLO && of_client {
            // the first, one that the server asked for anew, or another handshake inside the first
            self.transcript.begin();
        }
        self.transcript.push(message);
        match message.kind {
            handshake::CLIENT_HELLO if of_client => self.client_hello(message.body),
            handshake::SERVER_HELLO if !of_client => self.server_hello(message.body, bench),
            handshake::CLIENT_KEY_EXCHANGE if of_client => self.client_key_exchange(message.body, bench),
            handshake::ENCRYPTED_EXTENSIONS if !of_client => {
                let (alpn, early) = handshake::encrypted_extensions(message.body);
                Arc::make_mut(&mut self.session).alpn = alpn;
                self.decide_early(if early { Early::Accepted } else { Early::Rejected });
            }
            handshake::NEW_SESSION_TICKET
                if !of_client && !self.chosen.as_ref().is_some_and(Chosen::is_13) =>
            {
                if let Some(ticket) = handshake::ticket(message.body) {
                    if self.names.len() >= SESSION_NAMES_MAX {
                        self.names.pop_front();
                        bench.session_names_evicted += 1;
                    }
                    self.names.push_back(name_of_ticket(ticket));
                }
                self.learn(bench);
            }
            handshake::CERTIFICATE if !of_client => {
                self.full = true;
                if self.session.certificate_names.is_empty() {
                    let agreed = self.chosen.as_ref().and_then(|chosen| chosen.agreed);
                    let version = agreed.map_or(Version::Tls12, |agreed| agreed.version);
                    let mut names = handshake::names(version, message.body);
                    names.shrink_to_fit();
                    Arc::make_mut(&mut self.session).certificate_names = names;
                }
            }
            handshake::SERVER_HELLO_DONE if !of_client => self.full = true,
            _ => {}
        }
    }

    pub(super) fn client_hello(&mut self, body: &[u8]) {
        let Some(hello) = ClientHello::read(body) else {
            return self.fail(Reason::UnsupportedSuite);
        };
        if self.session.ja4.is_none() {
            let session = Arc::make_mut(&mut self.session);
            session.has_client_hello = true;
            session.server_name = hello.server_name;
            session.ja4 = Some(hello.ja4);
        }
        self.early = match self.early {
            Early::None if hello.early_data => Early::Offered,
            early => early,
        };
        let (id, ticket) = (&hello.session_id, &hello.ticket);
        self.resumed = (!ticket.is_empty()).then(|| name_of_ticket(ticket)).into_iter().collect();
        self.resumed.extend((!id.is_empty()).then(|| name_of_id(id)));
        self.full = false;
        self.asked = Some(hello.random);
        self.master = Master::Unknown;
        for side in &mut self.sides {
            side.proves_master = false;
        }
    }

    pub(super) fn server_hello(&mut self, body: &[u8], bench: &Bench) {
        let Some(hello) = ServerHello::read(body) else {
            return self.fail(Reason::UnsupportedSuite);
        };
        if hello.retry {
            return self.decide_early(Early::Rejected);
        }
        let answers = self.asked.unwrap_or_default();
        if self.chosen.as_ref().is_some_and(|chosen| chosen.answers == answers) {
            // the ClientHello that this one answers lies in a hole
            return self.fail(Reason::GapInHandshake);
        }
        let session = Arc::make_mut(&mut self.session);
        session.version = Some(version_name(hello.version_number));
        session.cipher = Some(suite::name(hello.cipher));
        let agreed = hello.version().map(|version| Agreed {
            version,
            encrypt_then_mac: hello.encrypt_then_mac,
            compresses: hello.compression == DEFLATE,
        });
        let suite =
            Suite::of(hello.cipher).filter(|_| agreed.is_some() && matches!(hello.compression, 0 | DEFLATE));
        let extended_master_secret = hello.extended_master_secret;
        let chosen = Chosen { answers, random: hello.random, agreed, suite, extended_master_secret };
        if chosen.is_13() {
            // what it resumes says nothing of its secrets
            self.resumed = Vec::new();
        } else {
            self.names =
                (!hello.session_id.is_empty()).then(|| name_of_id(&hello.session_id)).into_iter().collect();
            Arc::make_mut(&mut self.session).alpn = hello.alpn.map_or(Alpn::None, Alpn::Named);
            self.decide_early(Early::Rejected);
        }
        if !suite.is_some_and(|suite| suite.sends_secret) {
            self.transcript.close();
        } else if bench.keys.as_ref().is_some_and(|keys| keys.has_private()) {
            self.master = Master::Expected;
        }
        self.chosen = Some(chosen);
        self.resume_client();
    }

    /// The secret itself, encrypted for the server (RFC 5246 §7.4.7.1).
    pub(super) fn client_key_exchange(&mut self, body: &[u8], bench: &Bench) {
        self.full = true;
        let transcript = self.transcript.take();
        let is_expected = matches!(std::mem::replace(&mut self.master, Master::Unknown), Master::Expected);
        self.resume_server();
        if !is_expected {
            // another suite's, or one more than a handshake has: its key would be used for nothing
            return;
        }
        let (Some(asked), Some(chosen), Some(keys)) = (&self.asked, &self.chosen, &bench.keys) else {
            return;
        };
        let (Some(agreed), Some(suite)) = (chosen.agreed, chosen.suite) else { return };
        let Some(premaster) = body.get(2..).and_then(|encrypted| keys.premaster(encrypted)) else { return };
        let randoms = [asked, &chosen.random];
        let secret = |session| master_secret(agreed.version, suite.hash, &premaster, randoms, session);
        self.master = match transcript {
            _ if !chosen.extended_master_secret => Master::Assumed(secret(None)),
            Some(messages) => Master::Assumed(secret(Some(&messages))),
            None => Master::Hidden,
        };
    }

    /// It is known what becomes of early data.
    pub(super) fn decide_early(&mut self, decided: Early) {
        if self.early == Early::Offered {
            self.early = decided;
            self.resume_client();
        }
    }

    /// What the server said behind a hole can be read once the client has sent the secret.
    fn resume_server(&mut self) {
        let server = self.client.reverse();
        self.side(server).wake(Wait::Secrets);
    }

    pub(super) fn resume_client(&mut self) {
        let client = self.client;
        self.side(client).wake(Wait::Server);
    }
}
