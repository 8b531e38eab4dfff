//! The flame graph's page.

use crate::{
    recordings::{flame, flame_with_a_baseline},
    tab::Tab,
};

const CANVAS: &str = "#frames canvas";
const ZOOMED: &str = "document.querySelector('#crumbs [aria-current]')?.textContent";
/// The height of a frame, in pixels.
const ROW: f64 = 18.0;

/// The graph, once it is drawn.
fn graph() -> Tab {
    let mut tab = Tab::open(&flame());
    tab.until("!document.querySelector('#flame').hidden");
    tab
}

/// A place in a row of the graph, counted from its top, in the window.
fn place(tab: &mut Tab, row: f64, x: f64) -> [f64; 2] {
    let left_top = tab.value(&format!(
        "(() => {{ const canvas = document.querySelector('{CANVAS}'); canvas.scrollIntoView({{block: 'center'}}); \
         const box = canvas.getBoundingClientRect(); return [box.x + {x} * box.width, box.y + {row} * {ROW} + {ROW} / 2]; }})()"
    ));
    [0, 1].map(|at| left_top[at].as_f64().unwrap())
}

/// The colour of a frame's left edge, beside its name, in a row counted from the top.
fn colour(tab: &mut Tab, row: f64, x: f64) -> [u64; 3] {
    let height = tab.value(&format!("document.querySelector('{CANVAS}').height")).as_f64().unwrap();
    tab.pixel(CANVAS, x, (row * ROW + 1.5) / (height - 1.0))
}

fn details(tab: &mut Tab) -> String {
    tab.text("document.querySelector('#details').textContent")
}

#[test]
fn a_click_zooms_in_and_escape_zooms_back() {
    let mut tab = graph();
    let [x, y] = place(&mut tab, 4.0, 0.2);
    tab.click_at(x, y);
    tab.until(&format!("{ZOOMED} === 'store::checksum'"));
    assert!(
        details(&mut tab).starts_with("exportpool_consumer::work::store::checksum: total 1644 samples, 41.5")
    );
    tab.press("Escape", 1);
    tab.until(&format!("{ZOOMED} === 'all threads'"));
    tab.click("#crumbs button");
    tab.until(&format!("{ZOOMED} === 'all threads'"));
}

#[test]
fn arrow_keys_go_from_frame_to_frame_and_enter_zooms_in() {
    let mut tab = graph();
    tab.focus("#frames");
    tab.press("ArrowDown", 3);
    assert!(details(&mut tab).starts_with("exportpool_consumer::work::store::Upload::part"));
    tab.press("ArrowRight", 1);
    assert!(details(&mut tab).starts_with("exportpool_consumer::work::fetch::Download::chunk"));
    let item = tab.spoken().into_iter().find(|one| one.role == "treeitem").unwrap();
    assert_eq!(
        (item.name.clone(), item.level),
        (details(&mut tab), Some(4)),
        "what is read is what is shown"
    );
    tab.press("Enter", 1);
    tab.until(&format!("{ZOOMED} === 'Download::chunk {{…}}'"));
    tab.press("ArrowDown", 1);
    tab.press("Enter", 1);
    tab.until(&format!("{ZOOMED} === 'Buffered::poll_read_from_io'"));
    tab.press("Escape", 1);
    tab.until(&format!("{ZOOMED} === 'Download::chunk {{…}}'"));
    tab.press("Home", 1);
    tab.until(&format!("{ZOOMED} === 'all threads'"));
}

#[test]
fn a_search_says_what_it_matches_and_paints_it() {
    let mut tab = graph();
    let before = colour(&mut tab, 4.0, 0.002);
    tab.press("/", 1);
    tab.until("document.activeElement.id === 'search'");
    tab.write("store::CHECK");
    tab.until("document.querySelector('#matched').textContent === '41.53 % matched'");
    let found = colour(&mut tab, 4.0, 0.002);
    assert_eq!(found, [0xf0, 0xa0, 0xf0]);
    tab.press("Escape", 1);
    tab.until("document.querySelector('#matched').textContent === ''");
    assert_eq!(colour(&mut tab, 4.0, 0.002), before);
}

#[test]
fn a_thread_is_shown_alone() {
    let mut tab = graph();
    tab.choose("#thread", "main");
    tab.until(&format!("{ZOOMED} === 'main'"));
    tab.focus("#frames");
    tab.press("ArrowDown", 2);
    assert!(
        details(&mut tab).starts_with("exportpool_consumer::place::intake::Intake::refill: total 35 samples")
    );
    tab.choose("#thread", "workers");
    tab.until(&format!("{ZOOMED} === 'workers'"));
}

#[test]
fn an_icicle_becomes_a_flame() {
    let mut tab = graph();
    let [x, y] = place(&mut tab, 0.0, 0.5);
    tab.point_at(x, y);
    tab.until("document.querySelector('#tip').textContent.startsWith('all threads')");
    tab.choose("#shape", "flame");
    let rows =
        tab.value(&format!("document.querySelector('{CANVAS}').clientHeight / {ROW}")).as_f64().unwrap();
    let [x, y] = place(&mut tab, rows - 1.0, 0.5);
    tab.point_at(x, y);
    tab.until("document.querySelector('#tip').textContent.startsWith('all threads')");
    tab.focus("#frames");
    tab.press("ArrowUp", 1);
    assert!(details(&mut tab).starts_with("exportpool_consumer::work::worker::worker_main"));
}

#[test]
fn hidden_frames_are_shown_when_they_are_wanted() {
    let mut tab = graph();
    let rows = "document.querySelector('#frames canvas').clientHeight / 18";
    let few = tab.value(rows).as_f64().unwrap();
    tab.focus("#short");
    tab.press(" ", 1);
    tab.until(&format!("{rows} > {few}"));
    tab.focus("#frames");
    tab.press("ArrowDown", 2);
    assert!(details(&mut tab).starts_with("tokio::runtime::task::harness::Harness<T,S>::poll"));
}

#[test]
fn colours_are_chosen_and_taken_away() {
    let mut tab = graph();
    tab.until("document.querySelector('#legend').textContent.includes('crc_fast')");
    tab.choose("#colour", "kind");
    tab.until("document.querySelector('#legend').textContent.includes('checksums')");
    let by_kind = colour(&mut tab, 5.0, 0.002);
    tab.focus("#legend button");
    tab.press("Enter", 1);
    tab.until("document.querySelector('#legend button').ariaPressed === 'false'");
    assert_eq!(colour(&mut tab, 5.0, 0.002), [0xdf, 0xe3, 0xe8], "grey");
    tab.click("#legend button");
    tab.until("document.querySelector('#legend button').ariaPressed === 'true'");
    assert_eq!(colour(&mut tab, 5.0, 0.002), by_kind);
}

#[test]
fn the_graph_is_drawn_again_in_the_colours_of_the_dark() {
    let mut tab = graph();
    let light = colour(&mut tab, 5.0, 0.002);
    tab.is_dark(true);
    tab.until_it_is("darker", |tab| {
        colour(tab, 5.0, 0.002).iter().sum::<u64>() < light.iter().sum::<u64>() / 2
    });
}

#[test]
fn the_graph_is_as_wide_as_the_window_allows() {
    let mut tab = graph();
    for width in [400, 1000] {
        tab.is_wide(width);
        tab.until(&format!(
            "innerWidth === {width} && document.querySelector('{CANVAS}').clientWidth === document.querySelector('#frames').clientWidth \
             && document.querySelector('#frames').getBoundingClientRect().right <= innerWidth"
        ));
    }
}

#[test]
fn with_a_baseline_what_has_changed_is_coloured_and_told() {
    let mut tab = Tab::open(&flame_with_a_baseline());
    tab.until("document.querySelector('#colour').value === 'change'");
    tab.until("document.querySelector('#legend').textContent.includes('more than before')");
    let [more, less] = [(4.0, 0.002), (3.0, 0.7)].map(|(row, x)| colour(&mut tab, row, x));
    assert!(more[0] > more[2] && less[0] < less[2], "red is {more:?}, and blue {less:?}");
    let [x, y] = place(&mut tab, 4.0, 0.2);
    tab.click_at(x, y);
    assert!(details(&mut tab).contains("since the baseline +"), "{}", details(&mut tab));
    let changed = "[...document.querySelectorAll('section')].find((one) => one.textContent.startsWith('What has changed'))\
                   .querySelector('tbody th').textContent";
    assert!(tab.text(changed).contains("checksum") || tab.text(changed).contains("crc_fast"));
}

#[test]
fn numbers_of_the_graph_are_in_tables_too() {
    let mut tab = graph();
    let heads: Vec<String> = tab
        .spoken()
        .into_iter()
        .filter(|one| one.role == "heading" && one.level == Some(2))
        .map(|one| one.name)
        .collect();
    for head in ["Flame graph", "What was found", "What it was for", "Crates", "Threads", "Over time"] {
        assert!(heads.iter().any(|one| one == head), "{head}: {heads:?}");
    }
    let first = "document.querySelectorAll('section > table')[1].querySelector('tbody th').textContent";
    assert_eq!(tab.text(first), "crc_fast::Digest::update");
}
