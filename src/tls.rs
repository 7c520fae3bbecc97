//! Chunk → Chunk: one TLS connection, ciphertext in, plaintext out, both directions.
//!
//! ```text
//!   direction:   Clear ──its first protected record──▶ Protected ──Finished, KeyUpdate, renegotiation──▶ Protected
//!                  └──secrets, or what the server says, are still missing──▶ waits, in the journal
//! ```
//!
//! A record is told only if its tag or MAC is right, so wrong secrets give nothing, and what is behind a hole proves its own
//! sequence number. The keys that come next (behind Finished, behind a KeyUpdate) are tried when those in use do not fit.

mod arbitrary;
mod cipher;
pub(crate) mod handshake;
mod hold;
mod inflate;
mod keylog;
mod keys;
mod master;
mod newest;
mod opening;
mod plain;
mod private;
mod protection;
mod record;
pub(crate) mod schedule;
mod session;
mod shake;
mod side;
#[cfg(test)]
mod tests;
mod transcript;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::flow::{Chunk, Gap, GapCause};
use crate::wire::Direction;
use cipher::Agreed;
use cipher::suite::Suite;
use hold::{Held, Journal};
use master::Master;
use protection::Protection;
use record::{Loss, Reader, Record, Verdict};
use side::{Cover, Side, Turn, Wait};
use transcript::Transcript;

pub use arbitrary::read_arbitrary;
pub use hold::Hold;
pub use keylog::Broken;
pub use keys::{Counters, KeyLine, Keys, SessionName, Taken};
pub use private::KeyFault;
pub use session::{Alpn, Hello, Reason, Session, Version};

pub(crate) use handshake::Cursor;

/// What a worker has for all its connections.
#[derive(Debug, Default)]
pub struct Bench {
    /// The secrets that are known.
    pub keys: Option<Arc<Keys>>,
    /// The room for ciphertext that waits.
    pub hold: Option<Arc<Hold>>,
    /// Secrets that are not known yet may still come.
    pub late: bool,
    /// Sessions that connections made known since this was last emptied: for others that resume them.
    pub learned: Keys,
    /// Names of sessions that made room for newer ones before their secret was known.
    pub session_names_evicted: u64,
    /// Where records are opened.
    scratch: Vec<u8>,
    /// Where records of directions are put together that had none in pieces before.
    reader: Option<Box<Reader>>,
}

impl Bench {
    /// The bench for one connection, so that another one inside it finds one too.
    #[must_use]
    pub fn lend(&mut self) -> Self {
        let lent =
            Self { keys: self.keys.clone(), hold: self.hold.clone(), late: self.late, ..Self::default() };
        let (learned, scratch) = (std::mem::take(&mut self.learned), std::mem::take(&mut self.scratch));
        Self { learned, scratch, reader: self.reader.take(), ..lent }
    }

    /// Takes it back.
    pub fn take_back(&mut self, lent: Self) {
        (self.scratch, self.reader) = (lent.scratch, lent.reader);
        self.session_names_evicted += lent.session_names_evicted;
        if self.learned.is_empty() {
            self.learned = lent.learned;
        } else {
            self.learned.merge(&lent.learned);
        }
    }
}

/// What comes out.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection is decrypted: told once, before everything else.
    Opened(Arc<Session>),
    /// Plaintext.
    Chunk(Direction, Chunk<'a>),
}

/// One connection.
#[derive(Debug)]
pub struct Tls {
    client: Direction,
    opener: Option<Direction>,
    sides: [Side; 2],
    /// Number of the next direction that waits or gives way.
    turns: u64,
    /// Random of the last ClientHello.
    asked: Option<[u8; 32]>,
    chosen: Option<Chosen>,
    /// Shared with the connection inside once that was told of it.
    session: Arc<Session>,
    early: Early,
    /// Names of the session, for others that resume it, until its secret is known.
    names: VecDeque<SessionName>,
    /// Sessions that the client asked to resume.
    resumed: Vec<SessionName>,
    /// The handshake was a full one: nothing is resumed.
    full: bool,
    master: Master,
    /// The handshake, where a secret may hang on it.
    transcript: Transcript,
    journal: Journal,
    opened: bool,
    failure: Option<Reason>,
}

/// Data that the client sends before it heard anything (RFC 8446 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Early {
    None,
    Offered,
    Accepted,
    Rejected,
    /// What the server says of it is missing.
    Unknown,
}

/// What the server chose.
#[derive(Clone, Debug)]
struct Chosen {
    /// Random of the ClientHello that it answers.
    answers: [u8; 32],
    random: [u8; 32],
    agreed: Option<Agreed>,
    suite: Option<Suite>,
    extended_master_secret: bool,
}

impl Chosen {
    fn is_13(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.version == Version::Tls13)
    }
}

impl Tls {
    /// A connection on which that direction begins with a ClientHello.
    #[must_use]
    pub fn new(client: Direction, opener: Option<Direction>) -> Self {
        Self {
            client,
            opener,
            sides: [Side::default(), Side::default()],
            turns: 0,
            asked: None,
            chosen: None,
            session: Arc::default(),
            early: Early::None,
            names: VecDeque::new(),
            resumed: Vec::new(),
            full: false,
            master: Master::Unknown,
            transcript: Transcript::default(),
            journal: Journal::default(),
            opened: false,
            failure: None,
        }
    }

    /// The direction of the client.
    #[must_use]
    pub const fn client(&self) -> Direction {
        self.client
    }

    /// What was seen of the handshake.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Why nothing is decrypted any more.
    #[must_use]
    pub const fn failure(&self) -> Option<Reason> {
        self.failure
    }

    /// Why it was not decrypted, if something of it would have been.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.failure.or_else(|| self.waits().then(|| self.no_secret()))
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        let names = (self.names.capacity() + self.resumed.capacity()) * size_of::<SessionName>();
        self.sides.iter().map(Side::memory).sum::<usize>()
            + self.journal.memory()
            + self.transcript.memory()
            + self.session.memory()
            + names
    }

    /// The names by which its secret would come, while it waits for it: its client random, the sessions that it resumes.
    #[must_use]
    pub fn wanted(&self) -> Vec<[u8; 32]> {
        match self.asked.filter(|_| self.waits()) {
            None => Vec::new(),
            Some(random) if self.may_resume() => [&[random], &self.resumed[..]].concat(),
            Some(random) => vec![random],
        }
    }

    /// It waits for its secret.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.failure.is_none() && self.sides.iter().any(|side| side.waits_for(Wait::Secrets))
    }

    /// What the flow says.
    pub fn push(
        &mut self,
        direction: Direction,
        chunk: &Chunk<'_>,
        bench: &mut Bench,
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        if self.failure.is_some() {
            return;
        }
        if self.side(direction).waits() {
            self.wait(direction, Held::new(chunk), bench);
            return;
        }
        if let Some(rest) = self.process(direction, chunk, bench, deliver) {
            self.wait(direction, rest, bench);
        }
        self.settle(bench, deliver);
    }

    /// Secrets have come: perhaps those that it waits for.
    pub fn retry(&mut self, bench: &mut Bench, deliver: &mut impl FnMut(Event<'_>)) {
        for side in &mut self.sides {
            side.wake(Wait::Secrets);
        }
        self.settle(bench, deliver);
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        let [up, down] = &mut self.sides;
        if direction == Direction::Up { up } else { down }
    }

    fn wait(&mut self, direction: Direction, held: Held, bench: &Bench) {
        let room = bench.hold.as_ref().map(|hold| self.journal.push(direction, held, hold));
        match room {
            Some(true) => {}
            // where no secret ever came, none was missed
            Some(false) if bench.keys.is_some() => self.fail(Reason::HoldFull),
            Some(false) | None => self.fail(Reason::NoKey),
        }
    }

    fn fail(&mut self, reason: Reason) {
        self.failure = self.failure.or(Some(reason));
        self.journal = Journal::default();
        self.sides = [Side::default(), Side::default()];
        self.transcript.close();
    }

    /// Reads what waited and does not have to any more, in its order.
    fn settle(&mut self, bench: &mut Bench, deliver: &mut impl FnMut(Event<'_>)) {
        while self.failure.is_none()
            && let Some(direction) = self.next()
        {
            self.side(direction).turn = Turn::Free;
            let lost = self.with_reader(direction, bench, deliver, |reader, take| {
                reader.resume(take);
            });
            self.lose_without_hole(direction, lost, bench, deliver);
            if self.next().is_some() {
                continue;
            }
            let mut kept = VecDeque::new();
            while let Some((direction, held)) = self.journal.pop() {
                if self.side(direction).waits() {
                    kept.push_back((direction, held));
                } else if let Some(rest) = self.process(direction, &held.chunk(), bench, deliver) {
                    kept.push_back((direction, rest));
                }
                if self.failure.is_some() || self.next().is_some() {
                    break;
                }
            }
            if self.failure.is_none() {
                self.journal.put_back(kept);
            }
        }
    }

    /// The direction that may go on, and is the first of them.
    fn next(&self) -> Option<Direction> {
        let [up, down] = &self.sides;
        match (up.turn, down.turn) {
            (Turn::Next(up), Turn::Next(down)) if down < up => Some(Direction::Down),
            (Turn::Next(_), _) => Some(Direction::Up),
            (_, Turn::Next(_)) => Some(Direction::Down),
            _ => None,
        }
    }

    const fn number_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// One chunk of a direction that waits for nothing. Returns what has to wait of it.
    fn process(
        &mut self,
        direction: Direction,
        chunk: &Chunk<'_>,
        bench: &mut Bench,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Option<Held> {
        match chunk {
            Chunk::Start(start) => {
                let side = self.side(direction);
                side.plain.begin(start.offset);
                side.joined = !start.known;
            }
            Chunk::Data(data) => {
                if !self.side(direction).plain.has_begun() {
                    self.side(direction).plain.begin(data.offset);
                }
                let mut taken = 0;
                let lost = self
                    .with_reader(direction, bench, deliver, |reader, take| taken = reader.data(data, take));
                self.lose_without_hole(direction, lost, bench, deliver);
                let rest = data.bytes.get(taken..).unwrap_or_default();
                return (!rest.is_empty() && self.failure.is_none()).then(|| Held::of(data, rest));
            }
            Chunk::Gap(gap) => {
                let mut loss = None;
                self.with_reader(direction, bench, deliver, |reader, take| loss = reader.gap(gap, take));
                if let Some(loss) = loss {
                    self.lose(direction, loss, gap, bench, deliver);
                }
            }
            Chunk::Rewritten => {}
            Chunk::End(end) => self.end(direction, end, deliver),
        }
        None
    }

    /// Lets the reader of a direction read; whether it lost its way.
    fn with_reader<D: FnMut(Event<'_>)>(
        &mut self,
        direction: Direction,
        bench: &mut Bench,
        deliver: &mut D,
        read: impl FnOnce(&mut Reader, &mut dyn FnMut(&Record<'_>) -> Verdict),
    ) -> bool {
        let reader = self.side(direction).reader.take();
        let mut reader = reader.or_else(|| bench.reader.take()).unwrap_or_default();
        let was_lost = reader.is_lost();
        read(&mut reader, &mut |record| self.record(direction, record, bench, deliver));
        if self.failure.is_some() {
            return false;
        }
        let lost = reader.is_lost() && !was_lost;
        if reader.is_blank() {
            // an idle connection keeps no buffer
            bench.reader = Some(reader);
        } else {
            self.side(direction).reader = Some(reader);
        }
        lost
    }

    /// What stands where a record would begin is none.
    fn lose_without_hole(
        &mut self,
        direction: Direction,
        lost: bool,
        bench: &mut Bench,
        deliver: &mut impl FnMut(Event<'_>),
    ) {
        if lost {
            let offset = self.side(direction).plain.next();
            let gap = Gap { offset, len: 0, cause: GapCause::Lost };
            self.lose(direction, Loss::Unknown, &gap, bench, deliver);
        }
    }

    fn record(
        &mut self,
        direction: Direction,
        record: &Record<'_>,
        bench: &mut Bench,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Verdict {
        let side = self.side(direction);
        if side.waits() {
            return Verdict::Later;
        }
        let verdict = match side.cover {
            Cover::Keys(_) => self.open(direction, record, bench, deliver),
            Cover::Due { .. } => match self.protect(direction, bench) {
                Ok(()) if self.failure.is_none() => self.open(direction, record, bench, deliver),
                Ok(()) => Verdict::Taken,
                Err(wait) => self.hold_back(direction, wait, bench),
            },
            Cover::None if !record.in_sequence => {
                match self.knows_hellos().then(|| self.protect(direction, bench)) {
                    Some(Ok(())) if self.failure.is_none() => self.open(direction, record, bench, deliver),
                    Some(Err(wait)) => self.hold_back(direction, wait, bench),
                    _ => Verdict::Refused,
                }
            }
            Cover::None => self.clear_record(direction, record, bench, deliver),
        };
        match verdict {
            Verdict::Taken if self.next().is_some() && self.side(direction).turn == Turn::Free => {
                // the other direction is behind in what both said
                self.side(direction).turn = Turn::Next(self.number_turn());
                Verdict::TakenAndPause
            }
            verdict => verdict,
        }
    }

    fn clear_record(
        &mut self,
        direction: Direction,
        record: &Record<'_>,
        bench: &mut Bench,
        deliver: &mut impl FnMut(Event<'_>),
    ) -> Verdict {
        let is_13 = self.chosen.as_ref().map(Chosen::is_13);
        match (record.kind(), is_13) {
            (HANDSHAKE, _) => {
                self.messages(direction, record.payload, bench);
                Verdict::Taken
            }
            (CHANGE_CIPHER_SPEC, Some(false)) => match self.protect(direction, bench) {
                Ok(()) => Verdict::Taken,
                Err(wait) => self.hold_back(direction, wait, bench),
            },
            (DATA, None) if direction == self.client && self.early == Early::Offered => {
                self.hold_back(direction, Wait::Server, bench)
            }
            (DATA, Some(true)) => match self.protect(direction, bench) {
                Ok(()) => self.open(direction, record, bench, deliver),
                Err(wait) => self.hold_back(direction, wait, bench),
            },
            (DATA, Some(false)) => {
                self.fail(Reason::GapInHandshake);
                Verdict::Taken
            }
            // alerts; the change that middleboxes want to see (RFC 8446 appendix D.4); early data that was refused
            _ => Verdict::Taken,
        }
    }

    fn hold_back(&mut self, direction: Direction, wait: Wait, bench: &Bench) -> Verdict {
        let comes = bench.late
            || (self.may_resume() && bench.keys.is_some())
            || (direction != self.client && matches!(self.master, Master::Expected));
        if wait == Wait::Secrets && !comes {
            self.fail(self.no_secret());
        }
        if self.failure.is_some() {
            return Verdict::Taken;
        }
        self.side(direction).turn = Turn::Waits(wait, self.number_turn());
        Verdict::Later
    }

    /// Takes the keys for what a direction sends from here on.
    fn protect(&mut self, direction: Direction, bench: &mut Bench) -> Result<(), Wait> {
        let of_client = direction == self.client;
        // of another handshake inside the first either hello may lie in a hole
        let hellos = self.asked.as_ref().zip(self.chosen.as_ref());
        let Some((asked, chosen)) = hellos.filter(|(asked, chosen)| chosen.answers == **asked) else {
            self.fail(Reason::GapInHandshake);
            return Ok(());
        };
        let (Some(agreed), Some(suite)) = (chosen.agreed, chosen.suite) else {
            self.fail(Reason::UnsupportedSuite);
            return Ok(());
        };
        let secrets = bench.keys.as_ref().and_then(|keys| keys.of(asked));
        let protection = if let Some(secrets) = secrets
            && agreed.version == Version::Tls13
        {
            // answers must not be told before what they answer
            if bench.late && !secrets.are_of_both_ends() {
                return Err(Wait::Secrets);
            }
            if of_client
                && self.early == Early::Offered
                && secrets.get(keylog::Label::ServerHandshake).is_some()
            {
                return Err(Wait::Server);
            }
            Protection::of_13(suite, secrets, of_client, self.early == Early::Accepted)
        } else if agreed.version == Version::Tls13 {
            None
        } else {
            let randoms = [asked, &chosen.random];
            let logged = secrets.and_then(|secrets| secrets.get(keylog::Label::Master));
            let resumed = || {
                let keys = bench.keys.as_ref().filter(|_| !self.full)?;
                self.resumed.iter().find_map(|name| keys.of_session(name))
            };
            let master = logged.or(self.master.secret()).or_else(resumed).cloned();
            let made = master
                .as_ref()
                .and_then(|master| Protection::of_12(suite, agreed, master, randoms, of_client));
            if let Some(master) = master
                && self.master.secret() != Some(&master)
            {
                self.master = Master::Assumed(master);
            }
            made
        };
        let mut protection = protection.ok_or(Wait::Secrets)?;
        // what is missing of early data that nobody took had other keys
        let early_refused = of_client && !matches!(self.early, Early::None | Early::Accepted);
        let side = self.side(direction);
        if let Cover::Due { missing } = side.cover
            && !early_refused
        {
            (0..missing).for_each(|_| protection.pass());
        }
        (side.cover, side.proves_master) = (Cover::Keys(protection), true);
        Ok(())
    }

    /// A record of that direction has opened. Only now the secret is known to be the session's.
    fn prove(&mut self, direction: Direction, bench: &mut Bench) {
        if std::mem::take(&mut self.side(direction).proves_master)
            && let Master::Assumed(secret) = &mut self.master
        {
            self.master = Master::Proven(std::mem::take(secret));
            self.learn(bench);
        }
    }

    /// Tells the names of the session once its secret is known.
    fn learn(&mut self, bench: &mut Bench) {
        if let Master::Proven(master) = &self.master {
            for name in self.names.drain(..) {
                bench.learned.learn(name, master);
            }
        }
    }

    /// Why its secret is not known.
    const fn no_secret(&self) -> Reason {
        match self.master {
            Master::Hidden => Reason::GapInHandshake,
            // it was sent, but not seen
            Master::Expected if self.full => Reason::GapInHandshake,
            _ => Reason::NoKey,
        }
    }

    /// It may resume a session whose secret comes from another connection.
    fn may_resume(&self) -> bool {
        !self.full && !self.resumed.is_empty() && !self.chosen.as_ref().is_some_and(Chosen::is_13)
    }
}

/// Types of records (RFC 8446 §5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
