//! What every page must do.

use crate::{
    recordings::Page,
    tab::{Spoken, Tab},
};

/// What people act on, as screen readers call it.
const CONTROLS: [&str; 12] = [
    "button",
    "checkbox",
    "combobox",
    "DisclosureTriangle",
    "link",
    "listbox",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
    "textbox",
    "tree",
];
/// The narrowest window that has to do (WCAG 2.2, 1.4.10 Reflow), in pixels.
const NARROWEST: u32 = 320;
/// What text has to differ by from what is behind it (WCAG 2.2, 1.4.3 Contrast).
const CONTRAST: f64 = 4.5;

/// Checks all of it.
pub(crate) fn check(page: &Page) {
    let mut tab = Tab::open(page);
    it_can_be_read_aloud(&tab.spoken());
    it_can_be_read_in_light_and_dark(&mut tab);
    it_fits_a_narrow_window(&mut tab);
    it_prints(&mut tab);
    it_needs_nothing_else_and_complains_of_nothing(&mut tab);
}

fn it_can_be_read_aloud(spoken: &[Spoken]) {
    let is_control = |one: &&Spoken| CONTROLS.contains(&one.role.as_str());
    let nameless: Vec<_> =
        spoken.iter().filter(is_control).filter(|one| one.name.trim().is_empty()).collect();
    assert!(nameless.is_empty(), "controls without a name: {nameless:?}");
    let levels: Vec<u64> =
        spoken.iter().filter_map(|one| one.level.filter(|_| one.role == "heading")).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "one title: {levels:?}");
    assert_eq!(levels.first(), Some(&1), "{levels:?}");
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "no level is left out: {levels:?}");
}

fn it_can_be_read_in_light_and_dark(tab: &mut Tab) {
    for dark in [true, false] {
        tab.is_dark(dark);
        tab.until(&format!("matchMedia('(prefers-color-scheme: dark)').matches === {dark}"));
        let [ground, ink, faint] = ["--ground", "--ink", "--faint"].map(|name| luminance(tab, name));
        assert_eq!(ground < 0.5, dark, "the ground");
        for (text, name) in [(ink, "ink"), (faint, "faint")] {
            let contrast = (text.max(ground) + 0.05) / (text.min(ground) + 0.05);
            assert!(contrast >= CONTRAST, "{name} has a contrast of {contrast:.1}, dark: {dark}");
        }
    }
}

/// The relative luminance of a colour of the style, from 0 to 1 (WCAG 2.2).
fn luminance(tab: &mut Tab, name: &str) -> f64 {
    let colour =
        tab.text(&format!("getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()"));
    let part = |at: usize| {
        let part = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

fn it_fits_a_narrow_window(tab: &mut Tab) {
    tab.is_wide(NARROWEST);
    tab.until(&format!("innerWidth === {NARROWEST}"));
    tab.until("document.documentElement.scrollWidth <= innerWidth");
    tab.is_wide(1200);
    tab.until("innerWidth === 1200");
}

fn it_prints(tab: &mut Tab) {
    let pdf = tab.printed();
    assert!(pdf.starts_with(b"%PDF-") && pdf.len() > 10_000, "{} bytes", pdf.len());
}

fn it_needs_nothing_else_and_complains_of_nothing(tab: &mut Tab) {
    assert_eq!(tab.requests(), Vec::<String>::new());
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
