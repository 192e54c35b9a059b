#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| snapkeep_fuzz::dlm(data));
