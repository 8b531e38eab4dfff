//! The objects of one namespace, as an API server keeps them: each change has its version, and is told.

use std::collections::{BTreeMap, HashMap};

use axum::http::request::Parts;
use serde_json::{Value, json};

const NAMESPACE: &str = "/namespaces/team/";
/// Kinds whose generation counts what is asked for.
const HAVE_GENERATION: [&str; 4] = ["Deployment", "ExportPool", "PodDisruptionBudget", "PodMonitor"];

/// The objects, by place, such as `deployments/reports`.
#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<String, Value>,
    /// All that ever happened: a resourceVersion counts it.
    events: Vec<Change>,
}

/// What happened to an object.
struct Change {
    place: String,
    what: &'static str,
    before: Value,
    object: Value,
}

impl Change {
    /// As a watch tells it: what is selected no longer is gone, and what was not before is new.
    fn told_to(&self, asked: &Asked) -> Option<Value> {
        let selects = |object| asked.selects(&self.place, object);
        let what = match (!self.before.is_null() && selects(&self.before), selects(&self.object)) {
            (false, false) => return None,
            (true, false) => "DELETED",
            (false, true) => "ADDED",
            (true, true) => self.what,
        };
        Some(json!({"type": what, "object": self.object}))
    }
}

impl Store {
    /// What there is; null if nothing is.
    pub(super) fn get(&self, place: &str) -> Value {
        self.objects.get(place).cloned().unwrap_or_default()
    }

    /// How much happened so far.
    pub(super) const fn version(&self) -> usize {
        self.events.len()
    }

    /// Does what is asked for, or answers with the status that refuses it.
    pub(super) fn carry_out(&mut self, asked: &Asked) -> Result<Value, u16> {
        match (asked.verb.as_str(), self.objects.get(asked.object())) {
            ("GET", Some(found)) => Ok(found.clone()),
            ("GET", None) if asked.place.contains('/') => Err(404),
            ("GET", None) => Ok(self.list(asked)),
            ("POST", Some(_)) => Err(409),
            (_, None) if !asked.creates => Err(404),
            _ => self.merge(asked.object(), &asked.body),
        }
    }

    fn list(&self, asked: &Asked) -> Value {
        let selected = self.objects.iter().filter(|(place, object)| asked.selects(place, object));
        let items: Vec<_> = selected.map(|(_, object)| object).collect();
        let version = self.version().to_string();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": version}, "items": items})
    }

    /// The first event of a watch after a version, and its version.
    pub(super) fn next_event(&self, asked: &Asked, since: usize) -> Option<(usize, Value)> {
        let mut later = self.events.iter().enumerate().skip(since);
        later.find_map(|(at, change)| Some((at + 1, change.told_to(asked)?)))
    }

    /// Merges a change into what is there; a status is its one owner's, who applies all of it. A change that names another
    /// version than the one that is there is a conflict.
    pub(super) fn merge(&mut self, place: &str, change: &Value) -> Result<Value, u16> {
        let before = self.get(place);
        let differs = |key: &str| {
            let named = &change["metadata"][key];
            !named.is_null() && *named != before["metadata"][key]
        };
        if differs("resourceVersion") || (!before.is_null() && differs("uid")) {
            return Err(409);
        }
        let mut object = before.clone();
        if before.is_null() {
            object["metadata"]["uid"] = json!(format!("uid of {place}"));
        }
        if !change["status"].is_null() {
            object["status"] = Value::Null;
        }
        merge(&mut object, change);
        if object == before {
            return Ok(object);
        }
        let counts = HAVE_GENERATION.iter().any(|kind| object["kind"] == *kind);
        if counts && (object["spec"] != before["spec"] || is_going(&object) != is_going(&before)) {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        let object = self.tell("MODIFIED", place, before, object);
        self.objects.insert(place.to_owned(), object.clone());
        Ok(object)
    }

    pub(super) fn delete(&mut self, place: &str) {
        let object = self.objects.remove(place).unwrap();
        self.tell("DELETED", place, object.clone(), object);
    }

    fn tell(&mut self, what: &'static str, place: &str, before: Value, mut object: Value) -> Value {
        object["metadata"]["resourceVersion"] = json!((self.version() + 1).to_string());
        self.events.push(Change { place: place.to_owned(), what, before, object: object.clone() });
        object
    }
}

/// A request.
pub(super) struct Asked {
    /// Its method, or `WATCH`.
    pub(super) verb: String,
    /// What it is about: an object, a part of one, or all of a kind.
    pub(super) place: String,
    pub(super) query: HashMap<String, String>,
    pub(super) body: Value,
    creates: bool,
}

impl Asked {
    pub(super) fn of(head: &Parts, body: &[u8]) -> Self {
        let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let query: HashMap<_, _> = query.into_owned().collect();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let (path, method) = (head.uri.path(), head.method.as_str());
        let mut place = path.split_once(NAMESPACE).map_or(path, |(_, place)| place).to_owned();
        if method == "POST" {
            place = format!("{place}/{}", body["metadata"]["name"].as_str().unwrap());
        }
        let applies = head.headers.get("content-type").is_some_and(|it| it == "application/apply-patch+yaml");
        Self {
            verb: if query.contains_key("watch") { "WATCH" } else { method }.to_owned(),
            creates: method == "POST" || (applies && !place.ends_with("/status")),
            place,
            query,
            body,
        }
    }

    fn object(&self) -> &str {
        self.place.strip_suffix("/status").unwrap_or(&self.place)
    }

    /// Whether an object is one of a list or a watch.
    fn selects(&self, place: &str, object: &Value) -> bool {
        let selector = self.query.get("labelSelector").and_then(|selector| selector.split_once('='));
        place.split_once('/').is_some_and(|(kind, _)| kind == self.place)
            && selector.is_none_or(|(key, value)| object["metadata"]["labels"][key] == value)
    }
}

fn is_going(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// As a merge patch does (<https://www.rfc-editor.org/rfc/rfc7396>).
fn merge(into: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *into = change.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in change {
        if value.is_null() {
            into.as_object_mut().map(|into| into.remove(key));
        } else {
            merge(&mut into[key], value);
        }
    }
}
