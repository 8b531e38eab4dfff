//! Expressions: each `#name` in them stands for the attribute of that name, so that none is a reserved word.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// The placeholder of each attribute named in expressions.
pub(super) fn names(expressions: &[&str]) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for expression in expressions {
        for rest in expression.split('#').skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            names.insert(format!("#{}", &rest[..end]), rest[..end].to_owned());
        }
    }
    names
}

/// Values by placeholder.
pub(super) fn values<const N: usize>(
    given: [(&str, AttributeValue); N],
    more: Option<(String, AttributeValue)>,
) -> HashMap<String, AttributeValue> {
    given.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_once() {
        let names = names(&["SET #epoch = if_not_exists(#epoch, :z) + :one, #b=:b", "(#state <> :d)"]);
        let mut found: Vec<_> = names.iter().map(|(k, v)| format!("{k}={v}")).collect();
        found.sort();
        assert_eq!(found, ["#b=b", "#epoch=epoch", "#state=state"]);
    }
}
