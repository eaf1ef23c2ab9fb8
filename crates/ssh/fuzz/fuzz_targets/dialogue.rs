//! Dialogues with the engine, from bytes that libFuzzer makes (see
//! `paddock_ssh::fuzzing`).

#![no_main]

use libfuzzer_sys::fuzz_target;
use paddock_ssh::fuzzing::Fuzzer;
use std::sync::LazyLock;

static FUZZER: LazyLock<Fuzzer> = LazyLock::new(Fuzzer::new);

fuzz_target!(|input: &[u8]| {
    FUZZER.run_input(input);
});
