//! kubectl, as people use it.

use std::{
    env,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// kubectl itself.
pub(crate) fn program() -> String {
    env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned())
}

/// Runs kubectl and answers how it went, whatever that is.
pub(crate) fn run(arguments: &[&str], input: Option<&str>) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("kubectl runs: KUBECTL or the PATH names it");
    child.stdin.take().unwrap().write_all(input.unwrap_or_default().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs kubectl, which has to succeed, and answers what it prints.
#[track_caller]
pub(crate) fn ok(arguments: &[&str]) -> String {
    said(arguments, &run(arguments, None))
}

/// Applies objects, which have to be taken.
#[track_caller]
pub(crate) fn apply(objects: &Value) {
    let arguments = ["apply", "--server-side", "--field-manager=test", "-f", "-"];
    said(&arguments, &run(&arguments, Some(&objects.to_string())));
}

/// Applies an object, which has to be refused, and answers what is said of it.
#[track_caller]
pub(crate) fn refused(object: &Value) -> String {
    let output =
        run(&["apply", "--server-side", "--field-manager=test", "-f", "-"], Some(&object.to_string()));
    assert!(!output.status.success(), "it was taken: {object}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An object; `Value::Null` where there is none.
pub(crate) fn get(kind: &str, namespace: &str, name: &str) -> Value {
    json(&["get", kind, "-n", namespace, name, "-o", "json", "--ignore-not-found"])
}

/// Objects of a kind.
pub(crate) fn list(kind: &str, namespace: &str, selector: &str) -> Vec<Value> {
    let list = json(&["get", kind, "-n", namespace, "-l", selector, "-o", "json"]);
    list["items"].as_array().cloned().unwrap_or_default()
}

fn json(arguments: &[&str]) -> Value {
    let output = run(arguments, None);
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[track_caller]
fn said(arguments: &[&str], output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "kubectl {}: {}", arguments.join(" "), text(&output.stderr));
    text(&output.stdout)
}
