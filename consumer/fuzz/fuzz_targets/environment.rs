#![no_main]
//! See `properties/environment.rs`.

#[path = "../properties/environment.rs"]
mod environment;

libfuzzer_sys::fuzz_target!(|data: &[u8]| environment::hold(data));
