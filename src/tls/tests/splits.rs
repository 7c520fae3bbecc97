//! Any split of the input gives the same plaintext.

use super::handshakes::{Script, scripts};
use super::*;

/// The chunks of a capture's connections, the bytes of each direction joined as far as nothing else comes between.
fn script() -> Vec<(FlowKey, Direction, Written)> {
    let keys = keys_of(&fixture("tls.pcap.keylog"));
    let mut listener =
        Listener { bench: bench(keys, false), script: Some(Vec::new()), ..Listener::default() };
    listen(&fixture("tls.pcap"), &mut listener, |_| false);
    listener.script.take().unwrap()
}

fn play(name: &str, chunks: &Script, piece_bytes: usize) -> [Said; 2] {
    let mut bench = bench(keys_of(&fixture(&format!("{name}.keylog"))), false);
    let mut line = Line::default();
    for (direction, (chunk, bytes)) in chunks {
        let Chunk::Data(place) = chunk else {
            line.chunk(*direction, chunk, &mut bench);
            continue;
        };
        for (index, piece) in bytes.chunks(piece_bytes).enumerate() {
            let offset = place.offset + (index * piece_bytes) as u64;
            let data = Data { offset, bytes: piece, boundary: index == 0, ..*place };
            line.chunk(*direction, &Chunk::Data(data), &mut bench);
        }
    }
    line.close().said
}

/// Writes the stored inputs of the fuzz target anew: two connections, whole and with the keys at their end.
#[test]
#[ignore = "writes into the checkout"]
fn stored_inputs_are_written() {
    let log = std::fs::read(fixture("tls.pcap.keylog")).unwrap();
    let script = script();
    let flows: std::collections::BTreeSet<FlowKey> = script.iter().map(|(key, ..)| *key).collect();
    for (number, flow) in flows.into_iter().enumerate() {
        let mut out = (log.len() as u16).to_le_bytes().to_vec();
        out.extend_from_slice(&log);
        if number % 2 == 0 {
            out.extend([6 << 5, 0, 0]);
        }
        for (_, direction, (chunk, bytes)) in script.iter().filter(|(key, ..)| *key == flow) {
            let what = direction.index() as u8;
            match chunk {
                Chunk::Data(_) => {
                    let [low, high] = (bytes.len() as u16).to_le_bytes();
                    out.extend([what, low, high]);
                    out.extend_from_slice(bytes);
                }
                Chunk::End(_) => out.extend([what | 7 << 5, 0, 0]),
                _ => {}
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions/tls");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("connection-{number}")), out).unwrap();
    }
}

#[test]
fn any_split_gives_the_same() {
    for name in ["tls.pcap", "tls-early.pcap", "tls-again.pcap"] {
        for (number, chunks) in scripts(name).iter().enumerate() {
            let whole = play(name, chunks, usize::MAX);
            assert!(
                whole.iter().any(|said| !said.bytes.is_empty()) || (name, number) == ("tls-early.pcap", 0)
            );
            // Line takes the first bytes for TLS only with type and version
            for piece_bytes in [2, 3, 4, 5, 6, 7, 11, 16, 100, 1000] {
                assert_eq!(
                    play(name, chunks, piece_bytes),
                    whole,
                    "{name} {number}, pieces of {piece_bytes}"
                );
            }
        }
    }
}
