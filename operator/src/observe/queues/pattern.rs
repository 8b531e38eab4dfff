//! Patterns of names and ARNs: `*` is any text, `?` any character, everything else itself.

/// Whether a text matches a pattern. Takes time proportional to both lengths multiplied, whatever they hold.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` is, and where what it stands for ends.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, end)) = star else { return false };
                star = Some((at, end + 1));
                (p, t) = (at + 1, end + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_text_and_question_marks_for_one_character() {
        let arn = "arn:aws:sqs:eu-west-1:123456789012:reports-jobs";
        for pattern in
            [arn, "*", "arn:aws:sqs:*:123456789012:*", "arn:aws:sqs:eu-west-?:*:reports-*", "*jobs", "*-*-*"]
        {
            assert!(matches(pattern, arn), "{pattern}");
        }
        for pattern in ["", "arn", "*job", "arn:aws:sqs:eu-west-1:123456789012:reports-jobs?", "?"] {
            assert!(!matches(pattern, arn), "{pattern}");
        }
        assert!(matches("", "") && matches("**", ""));
    }

    #[test]
    fn dots_and_brackets_are_themselves() {
        assert!(!matches("a.c", "abc") && !matches("[ab]", "a") && matches("a.c", "a.c"));
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = "*a".repeat(2_000) + "b";
        assert!(!matches(&pattern, &"a".repeat(4_000)));
    }
}
