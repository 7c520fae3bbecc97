//! Any bytes as both directions of an HTTP/1 connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::connection::read_arbitrary(bytes);
});
