//! A run that is stopped or killed leaves no half-written output: what is there is complete.

use crate::{repository, show, taster};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

/// The sample's rows so many times over.
fn table(folder: &Path, times: usize) -> std::path::PathBuf {
    let sample = std::fs::read_to_string(repository().join("examples/data/loans.csv")).expect("the sample");
    let (header, rows) = sample.split_once('\n').expect("a header");
    let path = folder.join("large.csv");
    std::fs::write(&path, format!("{header}\n{}", rows.repeat(times))).expect("room for a table");
    path
}

/// Kills a run at fifty moments between its beginning and its usual end, at odds with any rhythm of its own.
/// After each `whole` looks at what is there; every fifth time the next run must succeed.
fn kill_at_many_moments(run: &dyn Fn() -> Command, whole: &dyn Fn(&str)) {
    const MOMENTS: u32 = 50;
    let complete = |what: &str| {
        let output = run().output().expect("taster runs");
        assert_eq!(output.status.code(), Some(0), "{what}: {}", show(&output));
        whole(what);
    };
    complete("the first run");
    // A run over what an earlier one left is what will be killed; a debug build is slowest when it starts.
    let clock = Instant::now();
    complete("the second run");
    let full = clock.elapsed();
    let mut caught = 0;
    for moment in 0..MOMENTS {
        // Multiples of the golden ratio fill the span evenly in whatever order.
        let part = (f64::from(moment) * 0.618_033_988_75).fract();
        let mut child = run().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("taster runs");
        std::thread::sleep(full.mul_f64(part));
        caught += u32::from(child.try_wait().expect("a child to ask").is_none());
        let _ = child.kill();
        child.wait().expect("a child to wait for");
        whole(&format!("killed after {part:.3} of a run"));
        if moment % 5 == 4 {
            complete(&format!("the run after the one killed after {part:.3}"));
        }
    }
    assert!(caught > MOMENTS / 4, "only {caught} runs were caught in the middle");
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
fn a_killed_check_leaves_nothing_half_written_and_the_next_succeeds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = table(folder.path(), 2);
    let run = || {
        let mut c = taster(folder.path());
        c.arg("check").arg(&data).arg("-c").arg(repository().join("contracts/loans.yaml")).args(["--fail-on", "never"]);
        c.stdout(Stdio::piped()).stderr(Stdio::piped());
        c
    };
    kill_at_many_moments(&run, &|_| assert_whole(folder.path()));
    // Two at once in one folder: the same data gives the same files, whoever comes last.
    let both = [run().spawn(), run().spawn()].map(|c| c.expect("taster runs"));
    for output in both.map(|c| c.wait_with_output().expect("a child to wait for")) {
        assert_eq!(output.status.code(), Some(0), "{}", show(&output));
    }
    assert_whole(folder.path());
}

/// Nothing, or a statement that the gate accepts for these bytes.
#[test]
fn a_killed_attest_leaves_no_half_statement_and_the_next_succeeds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    table(folder.path(), 2);
    std::fs::write(
        folder.path().join("c.yaml"),
        "taster: 1\nextra_columns: allow\ncolumns: {}\npoisoning: {detectors: off}\nrules:\n  - rows: {min: 1}\n",
    )
    .expect("room for a contract");
    assert!(taster(folder.path()).args(["key", "k"]).output().expect("taster runs").status.success());
    let run = || {
        let mut c = taster(folder.path());
        c.args(["attest", "large.csv", "-c", "c.yaml", "--key", "k.pem", "-o", "s.json", "--bom", "bom.json"]);
        c
    };
    kill_at_many_moments(&run, &|what| {
        assert_whole(folder.path());
        for name in ["s.json", "bom.json"] {
            if let Ok(text) = std::fs::read_to_string(folder.path().join(name)) {
                serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|e| panic!("{what}: half of {name}: {e}"));
            }
        }
        if folder.path().join("s.json").exists() {
            let verify = ["verify", "large.csv", "-c", "c.yaml", "--attestation", "s.json", "--key", "k.pub.pem"];
            let output = taster(folder.path()).args(verify).output().expect("taster runs");
            assert_eq!(output.status.code(), Some(0), "{what}: {}", show(&output));
        }
    });
}

/// Nothing, or an older split as it was, or a complete new one; and the next run succeeds.
#[test]
fn a_killed_split_leaves_nothing_half_written_and_the_next_succeeds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = table(folder.path(), 4);
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
    kill_at_many_moments(&split, &|what| {
        whole(what);
    });
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
    let large = table(data.path(), 40);
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

/// Every write beyond a few kilobytes fails, as on a full disk: code 2, the file is named, nothing is left, and
/// what was there before is as it was.
#[cfg(unix)]
#[test]
fn a_full_disk_ends_with_code_2_and_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    table(folder.path(), 2);
    let path = folder.path();
    let full = |arguments: &[&str]| {
        // A limit on the size of files, whose signal is ignored so that writing fails instead.
        let script = "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"";
        let mut c = Command::new("sh");
        c.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_taster")).args(arguments).current_dir(path).env("NO_COLOR", "1");
        c.output().expect("a shell runs")
    };
    let list: String = (0..3000).map(|r| format!("large.csv,{r},quarantine\n")).collect();
    std::fs::write(path.join("list.csv"), format!("file,row,action\n{list}")).expect("room for a list");
    std::fs::write(path.join("c.yaml"), "taster: 1\nextra_columns: allow\ncolumns: {id: {range: {max: 0}}}\npoisoning: {detectors: off}\n")
        .expect("room");
    assert!(taster(path).args(["key", "k"]).output().expect("taster runs").status.success());
    let runs: [&[&str]; 4] = [
        &["check", "large.csv", "-c", "c.yaml", "--quarantine", "out/q.jsonl"],
        &["split", "large.csv", "--quarantine", "list.csv", "--out", "out"],
        &["attest", "large.csv", "-c", "c.yaml", "--key", "k.pem", "-o", "out/s.json"],
        &["init", "large.csv", "-o", "out/c.yaml", "--profile", "out/p.json"],
    ];
    std::fs::create_dir_all(path.join("taster-out")).expect("a folder");
    for arguments in runs {
        let _ = std::fs::remove_dir_all(path.join("out"));
        let output = full(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", show(&output));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("out") && !text.contains("panicked"), "{arguments:?}: {text}");
        let left: Vec<_> = walk(&path.join("out")).into_iter().chain(walk(&path.join("taster-out"))).collect();
        assert!(left.is_empty(), "{arguments:?}: {left:?}");
    }
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() { out.extend(walk(&entry.path())) } else { out.push(entry.path()) }
    }
    out
}

/// No folder can be made there, not even by whoever may write everywhere.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_to_is_known_before_the_work_and_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    table(folder.path(), 1);
    std::fs::write(folder.path().join("list.csv"), "file,row,action\nlarge.csv,0,quarantine\n").expect("room for a list");
    let runs: [&[&str]; 3] = [
        &["check", "large.csv", "--out", "/proc/none"],
        &["split", "large.csv", "--quarantine", "list.csv", "--out", "/proc/none"],
        &["manifest", "create", "large.csv", "-o", "/proc/none/m.json"],
    ];
    for arguments in runs {
        let output = taster(folder.path()).args(arguments).output().expect("taster runs");
        assert_eq!(output.status.code(), Some(2), "{}", show(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains("/proc/none"), "{}", show(&output));
    }
}
