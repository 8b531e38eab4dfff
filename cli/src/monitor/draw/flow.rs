//! Lays pieces over as many lines as they need.

use ratatui::text::{Line, Span};

/// The pieces in order, `gap` between two on a line, no line wider than `width` unless one piece alone is.
pub(crate) fn flow(pieces: Vec<Line<'static>>, gap: &'static str, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for piece in pieces {
        match lines.last_mut().filter(|line| line.width() + gap.len() + piece.width() <= width) {
            Some(line) => {
                line.spans.push(Span::raw(gap));
                line.spans.extend(piece.spans);
            }
            None => lines.push(piece),
        }
    }
    lines
}

/// The words of `text`, wrapped at `width`; later lines are indented by two.
pub(crate) fn hanging(text: &str, width: usize) -> Vec<Line<'static>> {
    wrap(text, width, 1)
}

/// The words of `text`, wrapped at `width`; all lines are indented by two.
pub(crate) fn indented(text: &str, width: usize) -> Vec<Line<'static>> {
    wrap(text, width, 0)
}

fn wrap(text: &str, width: usize, first: usize) -> Vec<Line<'static>> {
    let words = text.split_whitespace().map(|word| Line::raw(word.to_owned())).collect();
    let mut lines = flow(words, " ", width.saturating_sub(2));
    for line in lines.iter_mut().skip(first) {
        line.spans.insert(0, Span::raw("  "));
    }
    lines
}

/// A name in `width` characters: its beginning and its end, which both tell names apart.
pub(crate) fn shorten(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width || width < 3 {
        return name.chars().take(width).collect();
    }
    let (head, tail) = (width / 2, width - width / 2 - 1);
    let head: String = name.chars().take(head).collect();
    let tail: String = name.chars().skip(length - tail).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line<'_>]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_piece_that_does_not_fit_begins_a_line() {
        let pieces = || ["aaa", "bbb", "cc"].map(Line::raw).to_vec();
        assert_eq!(texts(&flow(pieces(), "  ", 8)), ["aaa  bbb", "cc"]);
        assert_eq!(texts(&flow(pieces(), "  ", 7)), ["aaa", "bbb  cc"]);
        assert_eq!(texts(&flow(pieces(), "  ", 2)), ["aaa", "bbb", "cc"]);
    }

    #[test]
    fn wrapped_lines_stay_within_the_width() {
        let lines = texts(&hanging("? export-jobs: nothing answers at http://x", 20));
        assert_eq!(lines, ["? export-jobs:", "  nothing answers at", "  http://x"]);
        assert_eq!(texts(&indented("nothing answers", 11)), ["  nothing", "  answers"]);
    }

    #[test]
    fn a_shortened_name_keeps_both_ends() {
        assert_eq!(shorten("download-tasks-dlq", 18), "download-tasks-dlq");
        assert_eq!(shorten("download-tasks-dlq", 15), "downloa…sks-dlq");
        assert_eq!(shorten("abcdef", 2), "ab");
        assert_eq!(shorten("abcdef", 0), "");
    }
}
