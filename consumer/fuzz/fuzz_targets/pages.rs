#![no_main]
//! See `properties/pages.rs`.

#[path = "../properties/pages.rs"]
mod pages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| pages::hold(data));
