//! The properties of the fuzz targets (`consumer/fuzz/`), on their seeds and on what a few thousand changes make of
//! them: no instruments and no luck, so that they hold in every `make test`. `make fuzz` and `make fuzz-long` look for
//! more, with libFuzzer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{fs, path::Path};

#[path = "../fuzz/properties/environment.rs"]
mod environment;
#[path = "../fuzz/properties/messages.rs"]
mod messages;
#[path = "../fuzz/properties/pages.rs"]
mod pages;
#[path = "../fuzz/properties/urls.rs"]
mod urls;

/// Changes of each seed. The same in every run: a failure comes again.
const CHANGES: u64 = 400;

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let mut seeds: Vec<_> = files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    seeds
}

fn words(target: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries").join(target);
    let text = fs::read_to_string(path).unwrap();
    let word = |line: &str| line[1..line.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\").into_bytes();
    text.lines().map(word).collect()
}

/// Some bytes go, come, double, or become a word of the dictionary.
fn change(seed: &[u8], words: &[Vec<u8>], chance: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..chance.usize(1..5) {
        let at = chance.usize(0..=bytes.len());
        let end = (at + chance.usize(0..9)).min(bytes.len());
        let with = match chance.u8(0..4) {
            0 => Vec::new(),
            1 => vec![chance.u8(..)],
            2 => bytes[at..end].repeat(2),
            _ => words[chance.usize(0..words.len())].clone(),
        };
        bytes.splice(at..end, with);
    }
    bytes
}

fn hold(target: &str, property: fn(&[u8])) {
    let (words, mut chance) = (words(target), fastrand::Rng::with_seed(4));
    for (name, seed) in seeds(target) {
        let changed = (0..CHANGES).map(|_| change(&seed, &words, &mut chance));
        for input in std::iter::once(seed.clone()).chain(changed) {
            let held = std::panic::catch_unwind(|| property(&input));
            assert!(held.is_ok(), "{target}, from {name}: {:?}", String::from_utf8_lossy(&input));
        }
    }
}

#[test]
fn whatever_a_message_says_it_is_refused_in_words_or_can_be_worked_on() {
    hold("messages", messages::hold);
}

#[test]
fn whatever_a_page_says_it_is_refused_in_words_or_lists_tasks_that_can_be_sent_on() {
    hold("pages", pages::hold);
}

#[test]
fn whatever_the_environment_says_the_start_is_refused_in_a_line_or_its_numbers_fit() {
    hold("environment", environment::hold);
}

#[test]
fn whatever_a_url_says_nothing_but_public_addresses_is_asked() {
    hold("urls", urls::hold);
}
