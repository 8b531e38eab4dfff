//! The heap's page: the tree of what is live.

use crate::{recordings::leak, tab::Tab};

const FOCUSED: &str = "document.querySelector('#calls [tabindex=\"0\"] .name')?.textContent";

/// The page, once its tree is drawn.
fn tree() -> Tab {
    let mut tab = Tab::open(&leak());
    tab.until("!document.querySelector('#live').hidden");
    tab
}

#[test]
fn a_leak_is_named_first_with_the_stack_that_grows() {
    let mut tab = tree();
    assert!(tab.text("document.querySelector('.finding h3').textContent").starts_with("leak red"));
    let stack = tab.text("document.querySelector('.finding li').innerText");
    assert_eq!(stack, "exportpool_consumer::place::Ledger::remember");
}

#[test]
fn what_is_searched_is_found_and_enter_goes_there() {
    let mut tab = tree();
    tab.choose("#what", "what grew");
    tab.focus("#search");
    tab.write("remember");
    tab.until("document.querySelector('#matched').textContent !== ''");
    tab.press("Enter", 1);
    tab.until(&format!("{FOCUSED} === 'Ledger::remember'"));
}

#[test]
fn arrow_keys_open_and_close_what_a_function_calls() {
    let mut tab = tree();
    tab.click("#close");
    tab.until("document.querySelectorAll('#calls [aria-expanded=\"true\"]').length === 0");
    tab.focus("#calls [tabindex=\"0\"]");
    tab.press("ArrowRight", 1);
    tab.until("document.querySelectorAll('#calls [aria-expanded=\"true\"]').length > 0");
    tab.press("ArrowLeft", 1);
    tab.until("document.querySelectorAll('#calls [aria-expanded=\"true\"]').length === 0");
}
