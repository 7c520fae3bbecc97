//! Tests over whole connections: real captures with their key logs, read through the stages below.

mod captures;
mod corpus;
mod handshakes;
mod splits;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::capture::file::{Files, Options};
use crate::flow::table::{Host, Table};
use crate::flow::{Data, EndReason, Stamp, Start};
use crate::time::Timestamp;
use crate::wire::{FlowKey, Segment, Wire};

/// What was said in one direction: the plaintext, and where something is missing in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    bytes: Vec<u8>,
    gaps: Vec<(usize, u64)>,
    ended: bool,
}

/// One connection: what each end said, what was seen of its handshake, why it was not decrypted.
#[derive(Debug, Default)]
struct Heard {
    said: [Said; 2],
    session: Session,
    opened: Option<Arc<Session>>,
    reason: Option<Reason>,
    /// Bytes that it took when it had nothing more to say.
    memory: usize,
}

/// A connection on its way.
#[derive(Default)]
struct Line {
    tls: Option<Tls>,
    starts: Vec<(Direction, Start)>,
    heard: Heard,
    next: [u64; 2],
}

impl Line {
    fn chunk(&mut self, direction: Direction, chunk: &Chunk<'_>, bench: &mut Bench) {
        if let (None, Chunk::Start(start)) = (&self.tls, chunk) {
            self.starts.push((direction, *start));
        }
        if let (None, Chunk::Data(data)) = (&self.tls, chunk)
            && data.bytes.starts_with(&[22, 3])
        {
            self.tls = Some(Tls::new(direction, None));
            for (direction, start) in std::mem::take(&mut self.starts) {
                self.push(direction, &Chunk::Start(start), bench);
            }
        }
        self.push(direction, chunk, bench);
    }

    fn push(&mut self, direction: Direction, chunk: &Chunk<'_>, bench: &mut Bench) {
        let Self { tls: Some(tls), heard, next, .. } = self else { return };
        tls.push(direction, chunk, bench, &mut |event| hear(heard, next, event));
        assert!(tls.memory() < 4 << 20);
    }

    fn retry(&mut self, bench: &mut Bench) {
        let Self { tls: Some(tls), heard, next, .. } = self else { return };
        tls.retry(bench, &mut |event| hear(heard, next, event));
    }

    fn close(mut self) -> Heard {
        if let Some(tls) = &self.tls {
            self.heard.session = tls.session().clone();
            self.heard.reason = tls.reason();
            self.heard.memory = size_of::<Tls>() + tls.memory();
        }
        self.heard
    }
}

fn hear(heard: &mut Heard, next: &mut [u64; 2], event: Event<'_>) {
    match event {
        Event::Opened(session) => {
            assert!(heard.opened.replace(session).is_none(), "opened twice");
        }
        Event::Chunk(direction, chunk) => {
            assert!(heard.opened.is_some(), "{chunk:?} before it was opened");
            let index = direction.index();
            let said = &mut heard.said[index];
            assert!(!said.ended, "{chunk:?} behind the end");
            match chunk {
                Chunk::Start(start) => next[index] = start.offset,
                Chunk::Data(data) => {
                    let expected = next[index];
                    let in_order =
                        if said.gaps.is_empty() { data.offset == expected } else { data.offset >= expected };
                    assert!(in_order, "{} is not {expected}", data.offset);
                    next[index] = data.offset + data.bytes.len() as u64;
                    said.bytes.extend_from_slice(data.bytes);
                }
                Chunk::Gap(gap) => {
                    next[index] = gap.offset + if gap.len == Gap::UNKNOWN { 1 } else { gap.len };
                    said.gaps.push((said.bytes.len(), gap.len));
                }
                Chunk::Rewritten => {}
                Chunk::End(_) => said.ended = true,
            }
        }
    }
}

/// All connections of a capture.
#[derive(Default)]
struct Listener {
    bench: Bench,
    heard: BTreeMap<(SocketAddr, SocketAddr), Vec<Heard>>,
    /// The chunks of all TLS connections, for tests that play them again.
    script: Option<Vec<(FlowKey, Direction, Written)>>,
}

/// A chunk with its bytes.
type Written = (Chunk<'static>, Vec<u8>);

impl Host for Listener {
    type Beside = Line;

    fn open(&mut self, _: &FlowKey, _: Stamp, _: &Segment<'_>) -> Line {
        Line::default()
    }

    fn deadline(&mut self, _: Timestamp) {}

    fn segment(&mut self, _: &mut Line, _: Stamp, _: &Segment<'_>) {}

    fn chunk(&mut self, key: &FlowKey, line: &mut Line, direction: Direction, chunk: Chunk<'_>) {
        if let Some(script) = &mut self.script {
            script.push((*key, direction, written(&chunk)));
        }
        line.chunk(direction, &chunk, &mut self.bench);
    }

    fn close(&mut self, key: &FlowKey, line: &mut Line, _: EndReason, _: Timestamp) {
        if !self.bench.learned.is_empty() {
            let mut keys = self.bench.keys.as_deref().cloned().unwrap_or_default();
            keys.merge(&std::mem::take(&mut self.bench.learned));
            self.bench.keys = Some(Arc::new(keys));
        }
        line.retry(&mut self.bench);
        let heard = std::mem::take(line).close();
        let ends = (key.sender(Direction::Up), key.sender(Direction::Down));
        self.heard.entry(ends).or_default().push(heard);
    }

    fn has_given_up(&self, _: &Line) -> bool {
        false
    }

    fn memory(&self, _: &Line) -> usize {
        0
    }
}

fn written(chunk: &Chunk<'_>) -> Written {
    match *chunk {
        Chunk::Data(data) => (Chunk::Data(Data { bytes: &[], ..data }), data.bytes.to_vec()),
        Chunk::Start(start) => (Chunk::Start(start), Vec::new()),
        Chunk::Gap(gap) => (Chunk::Gap(gap), Vec::new()),
        Chunk::Rewritten => (Chunk::Rewritten, Vec::new()),
        Chunk::End(end) => (Chunk::End(end), Vec::new()),
    }
}

fn bench(keys: Option<Keys>, late: bool) -> Bench {
    let hold = Some(Arc::new(Hold::new(8 << 20, 1 << 20)));
    Bench { keys: keys.map(Arc::new), hold, late, ..Bench::default() }
}

/// Reads a capture. `lose`: frames that are left out, by number.
fn listen(path: &Path, listener: &mut Listener, lose: impl Fn(u64) -> bool) {
    let mut files = Files::open(&[path.to_path_buf()], &Options::default()).expect("no filter");
    let (mut wire, mut table) = (Wire::new(1 << 20), Table::new(1 << 30));
    let (mut clock, mut number) = (Timestamp::ZERO, 0);
    while let Some((located, block)) = files.next() {
        let block = Arc::clone(block);
        for secrets in files.secrets() {
            let mut keys = listener.bench.keys.as_deref().cloned().unwrap_or_default();
            keys.take(&secrets.bytes);
            listener.bench.keys = Some(Arc::new(keys));
        }
        number += 1;
        let frame = located.frame(&block);
        clock = clock.max(frame.time);
        if lose(number) {
            continue;
        }
        let stamp = Stamp { time: frame.time, clock };
        wire.push(clock, &frame, |segment| table.push(listener, segment.flow.hash(1), stamp, &segment));
    }
    table.finish(listener, clock);
}

fn keys_of(path: &Path) -> Option<Keys> {
    let text = std::fs::read(path).ok()?;
    let mut keys = Keys::default();
    keys.take(&text);
    Some(keys)
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}
