//! Any bytes as a row of frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = eaves::wire::read_arbitrary(bytes);
});
