//! The target `answer` of `src/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zoom_udm::fuzzing::run("answer", bytes));
