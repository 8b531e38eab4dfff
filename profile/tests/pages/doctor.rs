//! The doctor's page: what was found, and how late each loop was.

use crate::{
    recordings::{blocked, healthy, nothing},
    tab::Tab,
};

const FINDINGS: &str = "[...document.querySelectorAll('.finding h3')].map((head) => head.textContent).join()";

#[test]
fn a_blocked_main_loop_is_named_first_with_its_stack() {
    let mut tab = Tab::open(&blocked());
    assert!(tab.text(FINDINGS).starts_with("blocked main loop red,"), "{}", tab.text(FINDINGS));
    assert_eq!(tab.text("document.querySelector('.finding li').innerText"), "__libc_read");
    tab.focus(".finding summary");
    tab.press(" ", 1);
    tab.until("document.querySelector('.finding li').checkVisibility() === false");
    let heard = tab.spoken();
    let figures = heard.iter().filter(|one| one.role == "figure").map(|one| one.name.as_str());
    assert_eq!(
        figures.collect::<Vec<_>>(),
        ["How late loops are", "CPU of threads", "The pool", "Memory", "Messages on the queues"],
        "charts have names"
    );
}

#[test]
fn of_a_healthy_consumer_nothing_is_yellow_or_red() {
    let mut tab = Tab::open(&healthy());
    assert_eq!(tab.text("document.title"), "doctor: green - exportpool");
    let bad = tab.value("document.querySelectorAll('.badge:not(.green), .finding:not(.green)').length");
    assert_eq!(bad, 0);
    let loops =
        "[...document.querySelectorAll('section > table tbody th')].map((head) => head.textContent).join()";
    assert_eq!(tab.text(loops), "main,worker-0,worker-1,worker-2,worker-3");
}

#[test]
fn of_nothing_there_are_no_charts_and_it_is_said() {
    let mut tab = Tab::open(&nothing());
    tab.until("document.querySelectorAll('figure.chart canvas').length === 0");
    assert_eq!(tab.text("document.querySelector('figure.chart p').textContent"), "Nothing was recorded.");
    assert!(tab.text(FINDINGS).contains("recording cut off yellow"));
}
