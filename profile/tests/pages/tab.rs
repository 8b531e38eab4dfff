//! A page in a browser, used as people use it.

use std::{fs, time::Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, LONGEST},
    recordings::Page,
};

/// Keys by their names: what is typed with them, and the number that browsers know them by.
const KEYS: [(&str, &str, u32); 13] = [
    ("Tab", "", 9),
    ("Enter", "\r", 13),
    ("Escape", "", 27),
    (" ", " ", 32),
    ("PageUp", "", 33),
    ("PageDown", "", 34),
    ("End", "", 35),
    ("Home", "", 36),
    ("ArrowLeft", "", 37),
    ("ArrowUp", "", 38),
    ("ArrowRight", "", 39),
    ("ArrowDown", "", 40),
    ("/", "/", 191),
];

/// What a screen reader has of a page.
#[derive(Debug)]
pub(crate) struct Spoken {
    /// Such as `button`.
    pub(crate) role: String,
    /// What it is called.
    pub(crate) name: String,
    /// Of a heading.
    pub(crate) level: Option<u64>,
}

/// A page that is open.
pub(crate) struct Tab {
    browser: Browser,
    url: String,
}

impl Tab {
    /// The page, from a file, in a browser of its own: 1200 pixels wide and light.
    pub(crate) fn open(page: &Page) -> Self {
        let mut browser = Browser::start();
        let file = browser.folder().join("report.html");
        fs::write(&file, &page.html).unwrap();
        for domain in ["Page", "Runtime", "Log", "Network", "DOM", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.call("Emulation.setFocusEmulationEnabled", &json!({"enabled": true}));
        let url = format!("file://{}", file.display());
        let mut tab = Self { browser, url };
        tab.is_dark(false);
        tab.is_wide(1200);
        let opened = tab.browser.call("Page.navigate", &json!({"url": tab.url}));
        assert_eq!(opened["errorText"], Value::Null);
        tab.browser.await_event("Page.loadEventFired");
        tab
    }

    /// How many pixels wide the window is.
    pub(crate) fn is_wide(&mut self, width: u32) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.browser.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Whether people like it dark.
    pub(crate) fn is_dark(&mut self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.browser.call("Emulation.setEmulatedMedia", &features);
    }

    /// What an expression of the page is, once it is settled.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.browser.call("Runtime.evaluate", &asked);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].take()
    }

    /// The same, of text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}, no text")).to_owned()
    }

    /// Waits until an expression of the page is true.
    pub(crate) fn until(&mut self, expression: &str) {
        self.value(&format!(
            "new Promise((done) => {{ const look = () => ({expression}) ? done() : requestAnimationFrame(look); look(); }})"
        ));
    }

    /// Waits until what is drawn is so: it is looked at once a frame.
    pub(crate) fn until_it_is(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}: not within {LONGEST:?}");
            self.value("new Promise((done) => requestAnimationFrame(() => done(0)))");
        }
    }

    /// Presses the mouse in the middle of an element.
    pub(crate) fn click(&mut self, selector: &str) {
        self.until(&format!("document.querySelector({selector:?})"));
        let middle = self.value(&format!(
            "(() => {{ const element = document.querySelector({selector:?}); element.scrollIntoView({{block: 'center'}}); \
             const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        self.click_at(middle[0].as_f64().unwrap(), middle[1].as_f64().unwrap());
    }

    /// Presses it at a place of the window.
    pub(crate) fn click_at(&mut self, x: f64, y: f64) {
        for what in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({"type": what, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.browser.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Moves the mouse to a place of the window.
    pub(crate) fn point_at(&mut self, x: f64, y: f64) {
        self.browser.call("Input.dispatchMouseEvent", &json!({"type": "mouseMoved", "x": x, "y": y}));
    }

    /// Presses a key, so many times.
    pub(crate) fn press(&mut self, key: &str, times: usize) {
        let (_, text, number) = KEYS.into_iter().find(|known| known.0 == key).unwrap();
        for _ in 0..times {
            for what in [if text.is_empty() { "rawKeyDown" } else { "keyDown" }, "keyUp"] {
                let typed = if what == "keyUp" { "" } else { text };
                let event = json!({"type": what, "key": key, "text": typed, "windowsVirtualKeyCode": number});
                self.browser.call("Input.dispatchKeyEvent", &event);
            }
        }
    }

    /// Types.
    pub(crate) fn write(&mut self, text: &str) {
        self.browser.call("Input.insertText", &json!({"text": text}));
    }

    /// Goes to an element as Tab does, without the way there.
    pub(crate) fn focus(&mut self, selector: &str) {
        self.value(&format!("document.querySelector({selector:?}).focus()"));
        self.until(&format!("document.activeElement?.matches({selector:?})"));
    }

    /// What is chosen in a list, by its keys alone.
    pub(crate) fn choose(&mut self, selector: &str, option: &str) {
        self.focus(selector);
        self.press("Home", 1);
        let chosen = |tab: &mut Self| {
            tab.text(&format!("document.querySelector({selector:?}).selectedOptions[0].textContent"))
        };
        let options = self.value(&format!("document.querySelector({selector:?}).length")).as_u64().unwrap();
        for _ in 0..options {
            if chosen(self).starts_with(option) {
                return;
            }
            self.press("ArrowDown", 1);
        }
        panic!("{selector} has no {option}");
    }

    /// The colour of a pixel of a canvas, at a place from 0 to 1 of its width and height: red, green, blue.
    pub(crate) fn pixel(&mut self, canvas: &str, x: f64, y: f64) -> [u64; 3] {
        let colour = self.value(&format!(
            "(() => {{ const canvas = document.querySelector({canvas:?}); const {{width, height}} = canvas; \
             return [...canvas.getContext('2d').getImageData({x} * (width - 1), {y} * (height - 1), 1, 1).data]; }})()"
        ));
        [0, 1, 2].map(|at| colour[at].as_u64().unwrap())
    }

    /// The page as a screen reader has it, in its order.
    pub(crate) fn spoken(&mut self) -> Vec<Spoken> {
        let tree = self.browser.call("Accessibility.getFullAXTree", &json!({}));
        let said = |node: &Value, what: &str| node[what]["value"].as_str().unwrap_or_default().to_owned();
        let level = |node: &Value| {
            let properties = node["properties"].as_array()?;
            properties.iter().find(|property| property["name"] == "level")?["value"]["value"].as_u64()
        };
        let heard = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true);
        heard
            .map(|node| Spoken { role: said(node, "role"), name: said(node, "name"), level: level(node) })
            .collect()
    }

    /// On paper, as PDF.
    pub(crate) fn printed(&mut self) -> Vec<u8> {
        let printed = self.browser.call("Page.printToPDF", &json!({"printBackground": true}));
        BASE64_STANDARD.decode(printed["data"].as_str().unwrap()).unwrap()
    }

    /// As PNG, from its top to a height in pixels at most.
    pub(crate) fn picture(&mut self, width: u32, most_height: u64) -> Vec<u8> {
        let height = self.value("document.documentElement.scrollHeight").as_u64().unwrap().min(most_height);
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let asked = json!({"format": "png", "clip": clip, "captureBeyondViewport": true});
        let picture = self.browser.call("Page.captureScreenshot", &asked);
        BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// What the page complained about so far: exceptions, and whatever the console shows as a warning or worse.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // Whatever was told before is here when this is answered.
        self.value("0");
        let is_bad = |event: &&&serde_json::Value| {
            let params = &event["params"];
            let level = params["type"].as_str().or_else(|| params["entry"]["level"].as_str());
            level.is_none_or(|level| ["warning", "error", "assert"].contains(&level))
        };
        let told = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
        self.browser.events(&told).iter().filter(is_bad).map(ToString::to_string).collect()
    }

    /// What it asked for beside itself.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.value("0");
        let told = self.browser.events(&["Network.requestWillBeSent", "Network.webSocketCreated"]);
        let of = |event: &&Value| {
            let params = &event["params"];
            params["request"]["url"].as_str().or_else(|| params["url"].as_str()).map(str::to_owned)
        };
        let (own, others): (Vec<_>, Vec<_>) =
            told.iter().filter_map(of).partition(|asked| *asked == self.url);
        assert_eq!(own.len(), 1, "the page itself, so that requests are seen at all");
        others
    }
}
