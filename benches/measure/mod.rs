//! Times a whole command and watches its peak memory, from outside: what a user would see.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub struct Measured {
    pub wall: Duration,
    /// Largest resident set, bytes; 0 where the system does not say.
    pub peak: u64,
    pub code: Option<i32>,
}

/// Runs the command to its end, its output thrown away.
pub fn run(command: &mut Command) -> Measured {
    let clock = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("the command starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // The high-water mark only grows, so the last reading before the end is the peak.
        if let Ok(text) = std::fs::read_to_string(&status)
            && let Some(line) = text.lines().find(|l| l.starts_with("VmHWM:"))
            && let Some(kib) = line.split_ascii_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok())
        {
            peak = peak.max(kib * 1024);
        }
        if let Some(ended) = child.try_wait().expect("the child is ours") {
            return Measured { wall: clock.elapsed(), peak, code: ended.code() };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The middle of an odd number of runs.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
