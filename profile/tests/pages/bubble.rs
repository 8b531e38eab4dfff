//! Bubble's page: the graph of steps, and what is behind each.

use crate::{
    recordings::{bubble_of_nothing, slow_store},
    tab::Tab,
};

const STORE: &str = "#handles button[data-step=store]";
const HEAD: &str = "document.querySelector('#drill-head').textContent";

/// The page, once its graph is drawn.
fn graph() -> Tab {
    let mut tab = Tab::open(&slow_store());
    tab.until("!document.querySelector('#bubbles').hidden");
    tab
}

#[test]
fn the_largest_bubble_is_the_step_that_is_slow_and_it_is_named_first() {
    let mut tab = graph();
    assert!(tab.text("document.querySelector('.finding h3').textContent").starts_with("slow store yellow"));
    // Bubbles and buttons come in the same order, gaps apart.
    let radii =
        "[...document.querySelectorAll('#plane circle:not(.gap)')].map((of) => Number(of.getAttribute('r')))";
    let largest = tab.text(&format!(
        "(() => {{ const radii = {radii}; return document.querySelectorAll('#handles button')[radii.indexOf(Math.max(...radii))]\
         .dataset.step; }})()"
    ));
    assert_eq!(largest, "store");
}

#[test]
fn a_click_opens_a_step_and_in_it_a_message_and_escape_closes_both() {
    let mut tab = graph();
    tab.click(STORE);
    tab.until(&format!("{HEAD}.startsWith('store: the slowest of ')"));
    tab.click("#drill-body .opens");
    tab.until("document.querySelector('#drill-body tr.opened') !== null");
    tab.press("Escape", 1);
    tab.until("document.querySelector('#drill-body tr.opened') === null");
    tab.press("Escape", 1);
    tab.until("document.querySelector('#drill').hidden");
}

#[test]
fn with_the_keyboard_a_step_opens_as_well_and_it_is_said() {
    let mut tab = graph();
    tab.focus(STORE);
    tab.press("Enter", 1);
    tab.until("!document.querySelector('#drill').hidden");
    tab.until("document.querySelector('#told').textContent.startsWith('store: the slowest of ')");
    assert_eq!(tab.text(&format!("document.querySelector('{STORE}').getAttribute('aria-expanded')")), "true");
}

#[test]
fn bubbles_are_of_critical_paths_or_of_all_operations() {
    let mut tab = graph();
    let said = format!("document.querySelector('{STORE}').getAttribute('aria-label')");
    assert!(tab.text(&said).contains("of critical paths"), "{}", tab.text(&said));
    tab.choose("#measure", "time of all operations");
    tab.until(&format!("{said}.includes('of all operations')"));
}

/// The area of the largest bubble, in those of the next one.
fn largest(tab: &mut Tab) -> f64 {
    let radii = "[...document.querySelectorAll('#plane circle:not(.gap)')].map((of) => of.r.baseVal.value).sort((a, b) => b - a)";
    tab.value(&format!("(([most, next]) => (most / next) ** 2)({radii})")).as_f64().unwrap()
}

#[test]
fn a_bubbles_area_is_its_time() {
    let mut tab = graph();
    for (option, column) in [("time on critical paths", 8), ("time of all operations", 7)] {
        tab.choose("#measure", option);
        let times = tab.value(&format!(
            "[...[...document.querySelectorAll('section > table')].find((of) => of.rows[0].cells.length === 10).tBodies[0].rows] \
             .map((row) => Number(row.cells[{column}].textContent)).sort((a, b) => b - a)"
        ));
        let of_times = times[0].as_f64().unwrap() / times[1].as_f64().unwrap();
        let drawn = largest(&mut tab);
        assert!((drawn / of_times - 1.0).abs() < 0.05, "{option}: {drawn} {of_times}");
    }
}

#[test]
fn what_opened_a_step_or_a_message_closes_it_and_escape_goes_back_there() {
    let mut tab = graph();
    tab.click(STORE);
    tab.until("!document.querySelector('#drill').hidden");
    tab.click(STORE);
    tab.until("document.querySelector('#drill').hidden");
    let message = "section > table .opens";
    tab.click(message);
    tab.until("document.querySelector('section > table tr.opened .rows')");
    tab.click(message);
    tab.until("!document.querySelector('tr.opened')");
    tab.focus(STORE);
    tab.press("Enter", 1);
    tab.focus("#drill .opens");
    tab.press("Enter", 1);
    tab.until("document.querySelector('#drill tr.opened')");
    tab.press("Escape", 1);
    tab.until("document.activeElement.matches('#drill .opens')");
    tab.press("Escape", 1);
    tab.until("document.activeElement.dataset.step === 'store'");
}

#[test]
fn each_step_is_a_button_that_says_what_its_bubble_shows() {
    let mut tab = graph();
    let spoken = tab.spoken();
    let said = spoken.iter().filter(|one| one.role == "button").map(|one| one.name.as_str());
    for step in ["store: ", "first byte: ", "wait for a slot: "] {
        let found = said.clone().find(|name| name.starts_with(step)).unwrap();
        assert!(found.contains("operations") && found.contains("p95"), "{found}");
    }
}

#[test]
fn of_nothing_there_is_no_graph() {
    let mut tab = Tab::open(&bubble_of_nothing());
    tab.until("document.querySelector('#bubbles').hidden");
}
