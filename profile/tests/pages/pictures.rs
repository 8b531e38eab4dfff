//! docs/pictures: what the pages look like, of the same recordings. `make pages-pictures` writes them.

use std::{env, fs, path::Path};

use crate::{
    recordings::{Page, blocked, flame_with_a_baseline, leak, slow_store},
    tab::Tab,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pictures");
const WRITE: &str = "EXPORTPOOL_WRITE_DOCS";
/// A picture is as wide, in pixels.
const WIDTH: u32 = 1200;
/// And as high as this at most: of what comes below, there is more of the same.
const MOST_HEIGHT: u64 = 1200;
/// A picture has fewer bytes.
const LIMIT: usize = 200_000;

/// A page of each tool: the one that has most to say.
fn shown() -> Vec<Page> {
    vec![blocked(), slow_store(), flame_with_a_baseline(), leak()]
}

#[test]
fn a_picture_of_each_tool_is_small() {
    for page in shown() {
        let picture = Tab::open(&page).picture(WIDTH, MOST_HEIGHT);
        assert!(picture.starts_with(b"\x89PNG"));
        assert!(picture.len() < LIMIT, "{}: {} bytes", page.tool, picture.len());
        if env::var_os(WRITE).is_some() {
            fs::create_dir_all(FOLDER).unwrap();
            fs::write(Path::new(FOLDER).join(format!("profile-{}.png", page.tool)), picture).unwrap();
        }
    }
}
