#![no_main]
//! See `properties/messages.rs`.

#[path = "../properties/messages.rs"]
mod messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| messages::hold(data));
