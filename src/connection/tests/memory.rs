//! What a connection keeps stands in the books of memory, and leaves them with its call.

use crate::connection::Connection;
use crate::exchange::Desk;
use crate::flow::{Chunk, Data, EndReason, Gap, GapCause, Stamp, Start};
use crate::time::Timestamp;
use crate::wire::{Direction, FlowKey};

/// Many calls whose kept bodies are dropped halfway must leave nothing in the books of memory.
#[test]
fn dropped_bodies_leave_the_memory_books() {
    let key = FlowKey::v4([10, 0, 0, 1], 40_000, [10, 0, 0, 2], 80, None).0;
    let stamp = Stamp::default();
    let mut connection = Connection::new(&key, 0, stamp);
    let mut desk = Desk::new(Some(|_, _| true), u64::MAX);
    let (mut told, mut offsets, mut after_first) = (0, [0_u64; 2], 0);
    for direction in [Direction::Up, Direction::Down] {
        let start = Start { offset: 0, known: true, opener: Some(Direction::Up) };
        connection.chunk(&key, &mut desk, direction, Chunk::Start(start), &mut |_| {});
    }
    for round in 0..50 {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n".as_slice();
        let body = [b'a'; 1000];
        let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".as_slice();
        for (direction, bytes) in
            [(Direction::Up, request), (Direction::Down, head), (Direction::Down, &body)]
        {
            let ack = Some(offsets[1 - direction.index()]);
            let offset = offsets[direction.index()];
            let data = Data { offset, bytes, time: Timestamp::ZERO, ack, boundary: true };
            connection.chunk(&key, &mut desk, direction, Chunk::Data(data), &mut |_| told += 1);
            offsets[direction.index()] += bytes.len() as u64;
        }
        let gap = Gap { offset: offsets[1], len: 2000, cause: GapCause::Lost };
        connection.chunk(&key, &mut desk, Direction::Down, Chunk::Gap(gap), &mut |_| told += 1);
        offsets[1] += 2000;
        if round == 0 {
            after_first = connection.memory();
        }
    }
    assert_eq!(told, 50);
    assert_eq!(connection.memory(), after_first);
    connection.close(&key, &mut desk, EndReason::Fin, &mut |_| told += 1);
    assert_eq!(told, 50);
}
