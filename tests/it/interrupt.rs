//! A run that is stopped or killed leaves no half-written output: what is there is complete.

use crate::{repository, show, taster};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// A run over enough rows that it can be caught in the middle.
fn start(folder: &Path, data: &Path) -> Child {
    taster(folder)
        .arg("check")
        .arg(data)
        .arg("-c")
        .arg(repository().join("contracts/loans.yaml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("taster runs")
}

fn large_table(folder: &Path) -> std::path::PathBuf {
    let sample = std::fs::read_to_string(repository().join("examples/data/loans.csv")).expect("the sample");
    let (header, rows) = sample.split_once('\n').expect("a header");
    let mut all = format!("{header}\n");
    for _ in 0..40 {
        all.push_str(rows);
    }
    let path = folder.join("large.csv");
    std::fs::write(&path, all).expect("room for a table");
    path
}

/// Nothing, or a complete set: the report is written last and can be read, and so can the list.
fn assert_whole(folder: &Path) {
    let out = folder.join("taster-out");
    let Ok(entries) = std::fs::read_dir(&out) else { return };
    let names: Vec<String> = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    if let Ok(report) = std::fs::read_to_string(out.join("report.json")) {
        serde_json::from_str::<serde_json::Value>(&report).expect("a whole report");
        assert!(names.iter().any(|n| n == "quarantine.parquet"), "a report without its list: {names:?}");
    }
    if let Ok(list) = std::fs::read(out.join("quarantine.parquet")) {
        assert!(list.starts_with(b"PAR1") && list.ends_with(b"PAR1"), "half a list");
    }
}

#[test]
fn a_killed_run_leaves_nothing_half_written() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let large = large_table(data.path());
    let mut caught = 0;
    for milliseconds in [5, 40, 150, 400, 900, 1_500] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = start(folder.path(), &large);
        std::thread::sleep(Duration::from_millis(milliseconds));
        caught += u32::from(child.try_wait().expect("a child to ask").is_none());
        // Already finished is fine: then there is nothing to kill.
        let _ = child.kill();
        child.wait().expect("a child to wait for");
        assert_whole(folder.path());
    }
    assert!(caught > 0, "no run was caught in the middle");
}

/// Nothing, or an older split as it was, or a complete new one; and the next run succeeds.
#[test]
fn a_killed_split_leaves_nothing_half_written_and_the_next_succeeds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = large_table(folder.path());
    let rows = std::fs::read_to_string(&data).expect("the table").lines().count() - 1;
    let list: String = (0..rows).step_by(7).map(|r| format!("large.csv,{r},quarantine\n")).collect();
    std::fs::write(folder.path().join("list.csv"), format!("file,row,action\n{list}")).expect("room for a list");
    let split = || {
        let mut c = taster(folder.path());
        c.args(["split", "large.csv", "--quarantine", "list.csv", "--out", "out", "--overwrite"]);
        c.stdout(Stdio::piped()).stderr(Stdio::piped());
        c
    };
    let out = folder.path().join("out");
    let whole = |what: &str| {
        let Ok(text) = std::fs::read_to_string(out.join("split.json")) else { return false };
        let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{what}: half a summary: {e}"));
        for side in ["clean", "quarantined"] {
            let lines =
                std::fs::read_to_string(out.join(side).join("large.csv")).expect("a half that the summary tells of").lines().count();
            assert_eq!(told[side]["rows"], lines as u64 - 1, "{what}: {side}");
        }
        true
    };
    let clock = std::time::Instant::now();
    assert!(split().output().expect("taster runs").status.success() && whole("first"));
    let full = clock.elapsed();
    let (mut caught, moments) = (0, 16);
    for moment in 0..moments {
        let mut child = split().spawn().expect("taster runs");
        std::thread::sleep(full * moment / moments);
        caught += u32::from(child.try_wait().expect("a child to ask").is_none());
        let _ = child.kill();
        child.wait().expect("a child to wait for");
        whole(&format!("killed at {moment} of {moments}"));
        // Every third time what was left meets a new run, otherwise another kill.
        if moment % 3 == 0 {
            let next = split().output().expect("taster runs");
            assert!(next.status.success() && whole("next"), "{}", show(&next));
        }
    }
    assert!(caught > 0, "no run was caught in the middle");
    // Two at once: one of them is told to wait, or came later.
    let (a, b) = (split().spawn().expect("taster runs"), split().spawn().expect("taster runs"));
    let ended = [a, b].map(|c| c.wait_with_output().expect("a child to wait for"));
    assert!(ended.iter().any(|o| o.status.success()) && whole("two at once"));
    for o in ended.iter().filter(|o| !o.status.success()) {
        assert!(o.status.code() == Some(2) && String::from_utf8_lossy(&o.stderr).contains("another run is writing there"), "{}", show(o));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_stops_with_code_2_and_writes_nothing() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let large = large_table(data.path());
    // Before the rows are read the signal simply ends the program; that is not what is tested here,
    // so the moment is sought.
    let mut seen = String::new();
    for milliseconds in [200, 400, 600, 900, 1_300, 1_800, 2_500, 4_000, 8_000] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let child = start(folder.path(), &large);
        std::thread::sleep(Duration::from_millis(milliseconds));
        let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
        let output = child.wait_with_output().expect("a child to wait for");
        assert_whole(folder.path());
        if sent.success() && output.status.code() == Some(2) {
            assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{}", show(&output));
            let left = std::fs::read_dir(folder.path().join("taster-out")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{}", show(&output));
            return;
        }
        seen.push_str(&show(&output));
    }
    panic!("no run was interrupted while it read rows\n{seen}");
}
