//! Charts, of whatever page: on a doctor's.

use crate::{
    recordings::{blocked, healthy},
    tab::Tab,
};

const CANVAS: &str = "figure.chart canvas";
const SLIDER: &str = "figure.chart input[type=range]";
const FIRST_LINE: &str = "figure.chart .legend button";
/// Main's line, at the height of its peak of 2.4 s: how many pixels have its colour there.
const PEAK: &str = "(() => { const canvas = document.querySelector('figure.chart canvas'); \
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, 40); let seen = 0; \
    for (let at = 0; at < data.length; at += 4) seen += data[at + 3] > 200 && data[at] < 100 && data[at + 2] > 200; \
    return seen; })()";

/// What a screen reader says of the first chart's slider.
fn spoken_time(tab: &mut Tab) -> String {
    tab.text(&format!("document.querySelector('{SLIDER}').ariaValueText"))
}

/// The zone that is drawn at a height of the first chart, from 0 to 1 from the top; `None` where a line of its grid is.
fn zone(tab: &mut Tab, height: f64) -> Option<&'static str> {
    let [red, green, _] = tab.pixel(CANVAS, 0.96, height);
    match (red.abs_diff(green), red < green) {
        (..20, _) => None,
        (_, true) => Some("green"),
        (..100, _) => Some("yellow"),
        _ => Some("red"),
    }
}

#[test]
fn all_three_zones_are_drawn_beside_a_peak_of_seconds() {
    let mut tab = Tab::open(&blocked());
    let mut zones: Vec<_> = (10..70).filter_map(|height| zone(&mut tab, f64::from(height) / 100.0)).collect();
    zones.dedup();
    assert_eq!(zones, ["red", "yellow", "green"]);
}

#[test]
fn a_line_is_hidden_and_shown_by_its_button_with_a_click_and_with_keys() {
    let mut tab = Tab::open(&blocked());
    tab.until(&format!("{PEAK} > 20"));
    tab.click(FIRST_LINE);
    tab.until(&format!("{PEAK} === 0 && document.querySelector('{FIRST_LINE}').ariaPressed === 'false'"));
    assert!(!spoken_time(&mut tab).contains("main "), "what is hidden is not read");
    tab.focus(FIRST_LINE);
    tab.press(" ", 1);
    tab.until(&format!("{PEAK} > 20 && document.querySelector('{FIRST_LINE}').ariaPressed === 'true'"));
    tab.press("Enter", 1);
    tab.until(&format!("{PEAK} === 0"));
}

#[test]
fn arrow_keys_move_the_cursor_of_all_charts_and_values_are_read() {
    let mut tab = Tab::open(&blocked());
    tab.focus(SLIDER);
    tab.press("Home", 1);
    assert!(spoken_time(&mut tab).starts_with("0.1 s: main 0."), "{}", spoken_time(&mut tab));
    tab.press("ArrowRight", 90);
    assert!(spoken_time(&mut tab).starts_with("9.1 s: main 61 ms, worker-0 "), "{}", spoken_time(&mut tab));
    tab.press("ArrowLeft", 1);
    assert!(spoken_time(&mut tab).starts_with("9 s: main 0."));
    tab.press("PageUp", 1);
    assert!(spoken_time(&mut tab).starts_with("12 s: "), "a tenth of the profile");
    tab.until(
        "[...document.querySelectorAll('figure.chart')].every((figure) => figure.querySelector('input').value === '119' \
         && figure.querySelector('.legend').textContent.startsWith('at 12 s'))",
    );
    tab.until(
        "new Set([...document.querySelectorAll('.u-cursor-x')].map((cursor) => cursor.style.transform)).size === 1",
    );
    // What Chromium tells its inspector of a slider has no aria-valuetext, which is looked at above.
    let slider = tab.spoken().into_iter().find(|one| one.role == "slider").unwrap();
    assert_eq!(slider.name, "Time: How late loops are");
}

#[test]
fn the_mouse_moves_the_slider_along() {
    let mut tab = Tab::open(&healthy());
    let middle = tab.value(
        "(() => { const over = document.querySelector('figure.chart .u-over'); over.scrollIntoView({block: 'center'}); \
         const box = over.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()",
    );
    tab.point_at(middle[0].as_f64().unwrap(), middle[1].as_f64().unwrap());
    tab.until(&format!("document.querySelector('{SLIDER}').valueAsNumber === 149"));
    assert!(spoken_time(&mut tab).starts_with("15 s: "));
}

#[test]
fn a_slider_is_as_wide_as_what_it_moves_along_at_any_width() {
    let mut tab = Tab::open(&healthy());
    for width in [1200, 400] {
        tab.is_wide(width);
        tab.until(
            "[...document.querySelectorAll('figure.chart')].every((figure) => { \
             const [plot, slider] = ['.u-over', 'input'].map((name) => figure.querySelector(name).getBoundingClientRect()); \
             return Math.abs(plot.left - slider.left) <= 1 && Math.abs(plot.right - slider.right) <= 1 && plot.right <= innerWidth; })",
        );
    }
}

#[test]
fn a_chart_has_its_numbers_in_a_table_that_keeps_peaks() {
    let mut tab = Tab::open(&blocked());
    tab.focus("figure.chart summary");
    tab.press("Enter", 1);
    tab.until("document.querySelector('figure.chart table')");
    let rows = tab.value("document.querySelectorAll('figure.chart tbody tr').length").as_u64().unwrap();
    assert_eq!(rows, 60, "300 moments, five a row");
    let row = |until: &str| {
        format!(
            "[...document.querySelectorAll('figure.chart tbody tr')] \
             .find((row) => row.cells[0].textContent === '{until}').cells[1].textContent"
        )
    };
    assert_eq!([tab.text(&row("9.5 s")), tab.text(&row("18.5 s"))], ["61", "2400"]);
    let heads =
        "[...document.querySelectorAll('figure.chart thead th')].map((head) => head.textContent).join()";
    assert_eq!(tab.text(heads), "until,main,worker-0,worker-1,worker-2,worker-3");
    tab.press("Enter", 1);
    tab.press("Enter", 1);
    tab.until("document.querySelectorAll('figure.chart table').length === 1");
}

#[test]
fn charts_are_drawn_again_in_the_colours_of_the_dark() {
    let mut tab = Tab::open(&blocked());
    let light = red(&mut tab);
    tab.is_dark(true);
    tab.until_it_is("another red", |tab| red(tab) != light);
    tab.is_dark(false);
    tab.until_it_is("the red of before", |tab| red(tab) == light);
}

#[test]
fn charts_are_printed_in_light_colours_and_fit_the_paper() {
    let mut tab = Tab::open(&blocked());
    let [light, _, _] = red(&mut tab);
    tab.is_dark(true);
    tab.until_it_is("another red", |tab| red(tab)[0] != light);
    // After the page's own listener, and what that left for afterwards.
    tab.value(&format!(
        "addEventListener('beforeprint', () => queueMicrotask(() => {{ \
         const canvas = document.querySelector('{CANVAS}'); const {{width, height}} = canvas; \
         const [red] = canvas.getContext('2d').getImageData(0.96 * (width - 1), 0.1 * (height - 1), 1, 1).data; \
         window.onPaper = [red, width, getComputedStyle(document.body).color].join(' '); }})), 0"
    ));
    assert!(tab.printed().starts_with(b"%PDF-"));
    assert_eq!(tab.text("window.onPaper"), format!("{light} 680 rgb(27, 31, 36)"));
    tab.until_it_is("dark again", |tab| red(tab)[0] != light);
    tab.until(&format!("document.querySelector('{CANVAS}').width > 1000"));
}

/// The colour of the red zone.
fn red(tab: &mut Tab) -> [u64; 3] {
    tab.pixel(CANVAS, 0.96, 0.1)
}
