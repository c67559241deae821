//! A progress bar, on a terminal only: on stderr, gone when the run ends.

use crate::engine::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

pub struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8));
        let style = ProgressStyle::with_template("{msg:22} [{bar:30}] {human_pos}/{human_len} rows, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Bar(bar)
    }
    pub fn is_shown(&self) -> bool {
        std::io::stderr().is_terminal()
    }
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn pass(&self, name: &str, rows: u64) {
        self.0.reset();
        self.0.set_length(rows);
        self.0.set_message(name.to_owned());
    }
    fn rows(&self, n: u64) {
        self.0.inc(n);
    }
}
