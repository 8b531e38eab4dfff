//! The terminal, taken and given back.

use std::{
    env,
    io::{self, IsTerminal},
};

use ratatui::{DefaultTerminal, Frame};

/// The terminal while it is ours. However it ends, it is given back: by `Drop`, and on a panic by ratatui's hook
/// before the message is written.
pub(crate) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It cannot be used.
    pub(crate) fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }

    /// Draws a picture.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(picture).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The hook did it already; a second time would move the cursor into the panic's message.
        if !std::thread::panicking() {
            ratatui::restore();
        }
    }
}

/// Whether standard output is a terminal that can be drawn on.
pub(crate) fn usable() -> bool {
    io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether colours are wanted: <https://no-color.org>, NO_COLOR that is set and not empty means none.
pub(crate) fn colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
