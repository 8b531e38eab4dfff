//! The pages in a real browser: each is made by the crate from a recording, opened as a file, and used as people use it.
//!
//! | file | holds |
//! |---|---|
//! | `recordings` | what is shown: consumers as they are recorded |
//! | `shared` | what every page must do: a line a page in the list below |
//! | `charts`, `doctor`, `bubble`, `flame`, `heap` | what a page does beside that: a module each |
//! | `browser` | Chromium, driven over its `DevTools` protocol |
//! | `tab` | a page in it: keys, clicks, what is seen and what is read aloud |
//! | `pictures` | docs/pictures, by `make pages-pictures` |
//!
//! A test has a browser of its own, and ends it. None waits for a time: it waits for what is to be seen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is how it fails"
)]

mod browser;
mod bubble;
mod charts;
mod doctor;
mod flame;
mod heap;
mod pictures;
mod recordings;
mod shared;
mod tab;

/// A test for each page: that it does what every page must do.
macro_rules! every_page {
    ($($name:ident: $page:expr,)*) => {
        mod every_page {
            $(
                #[test]
                fn $name() {
                    crate::shared::check(&$page);
                }
            )*
        }
    };
}

every_page! {
    doctor_of_a_healthy_consumer: crate::recordings::healthy(),
    doctor_of_a_blocked_main_loop: crate::recordings::blocked(),
    doctor_of_nothing: crate::recordings::nothing(),
    flame_of_a_few_threads: crate::recordings::flame(),
    flame_with_a_baseline: crate::recordings::flame_with_a_baseline(),
    bubble_of_a_slow_store: crate::recordings::slow_store(),
    bubble_of_nothing: crate::recordings::bubble_of_nothing(),
    heap_of_a_leak: crate::recordings::leak(),
    doctor_that_is_compared: crate::recordings::compared(),
}
