//! Text in a page.

/// Text as it stands, wherever text may be in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, letter| {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
        html
    })
}

/// JSON in a `script` of HTML, which nothing in it may end.
pub(super) fn embedded(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_profile_becomes_markup() {
        assert_eq!(
            escaped(r#"<b class='x'>"&"</b>"#),
            "&lt;b class=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/b&gt;"
        );
        assert_eq!(embedded(r#"{"a":"</script><!--"}"#), r#"{"a":"\u003c/script>\u003c!--"}"#);
    }
}
