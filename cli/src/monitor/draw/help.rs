//! What the keys do and the words mean, over the picture.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    widgets::{Block, Clear, Paragraph},
};

const TEXT: &str = "\
q  Esc  Ctrl-C   quit
p                pause and go on; paused, nothing is asked
+  -             sample more often, less often
?                this help

Visible     may be received now
In-Flight   received, not yet deleted
Delayed     not yet due
Total       all three; SQS approximates them
Rate        change of Total over the last samples
slots       worker threads x tasks on each
breaker     open: AWS is at fault, intake stops
loop delay  how late the consumer's main loop is";

/// Draws the help into the middle of `area`.
pub(crate) fn help(frame: &mut Frame<'_>, area: Rect) {
    let longest = TEXT.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    let size = |content: usize| Constraint::Length(u16::try_from(content + 2).unwrap_or(u16::MAX));
    let area = area.centered(size(longest), size(TEXT.lines().count()));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(TEXT).block(Block::bordered().title(" Help ")), area);
}
