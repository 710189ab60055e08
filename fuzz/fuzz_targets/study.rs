#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| cxr::fuzzing::study(data));
