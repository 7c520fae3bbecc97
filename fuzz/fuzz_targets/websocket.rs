//! Any bytes as one direction of a WebSocket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::http::websocket::read_arbitrary(bytes);
});
