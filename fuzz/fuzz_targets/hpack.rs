//! Any bytes as header blocks of HTTP/2.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::http::h2::hpack::read_arbitrary(bytes);
});
