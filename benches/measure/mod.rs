//! Times whole commands and watches their peak memory, from outside: what a user would see.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub wall: Duration,
    /// User and system time of all its threads: on a machine that others use too, this is what the
    /// command itself took. Zero where the system does not say.
    pub cpu: Duration,
    /// Largest resident set, bytes; 0 where the system does not say.
    pub peak: u64,
    pub code: Option<i32>,
}

/// Runs the command to its end, its output thrown away.
pub fn run(command: &mut Command) -> Measured {
    let (clock, before) = (Instant::now(), children());
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
            return Measured { wall: clock.elapsed(), cpu: children() - before, peak, code: ended.code() };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processor time of all children that have ended, in the kernel's ticks of 10 ms.
fn children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may hold blanks. cutime and cstime are fields 16 and 17 of all.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = rest.split_ascii_whitespace().skip(13).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// The middle of an odd number of runs.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
