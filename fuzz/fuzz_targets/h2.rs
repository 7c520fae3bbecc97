//! Any bytes as one direction of an HTTP/2 connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::http::h2::read_arbitrary(bytes);
});
