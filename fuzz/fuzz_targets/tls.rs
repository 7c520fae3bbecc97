//! Any bytes as a key log and both directions of a TLS connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::tls::read_arbitrary(bytes);
});
