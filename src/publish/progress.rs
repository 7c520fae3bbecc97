//! The progress bar on standard error, and the lines that are said beside it.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar is drawn a second: enough to look alive, too little to cost anything.
const DRAWS_PER_SECOND: u8 = 5;

/// Progress through the input. Clones show one and the same bar.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar up to `total` bytes, or a count of bytes where the end is not known. It is shown only if standard error
    /// is a terminal.
    #[must_use]
    pub fn new(total: Option<u64>) -> Self {
        if !io::stderr().is_terminal() {
            return Self::hidden();
        }
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => {
                "{bar:32.cyan/dim} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left  {msg}"
            }
            None => "{spinner} {bytes}  {bytes_per_sec}  {elapsed}  {msg}",
        };
        // The templates are constants: a wrong one shows in the first run and leaves indicatif's own.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// One that shows nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// So many more bytes were read. Call it per block, not per frame.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// What stands behind the bar: calls so far, say.
    pub fn note(&self, text: String) {
        self.bar.set_message(text);
    }

    /// A line on standard error that the bar does not overwrite.
    pub fn say(&self, line: &str) {
        // Where standard error is closed nobody is there to be told.
        self.bar.suspend(|| drop(writeln!(io::stderr(), "{line}")));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_add_up_whether_shown_or_not() {
        let progress = Progress::hidden();
        let other = progress.clone();
        progress.advance(3);
        other.advance(4);
        assert_eq!(progress.bar.position(), 7);
        assert!(progress.bar.is_hidden());
    }
}
