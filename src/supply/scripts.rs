//! S103: programs among the data.

use super::scan::Look;
use crate::rule::{Meta, Severity};

pub(super) const META: Meta = Meta {
    code: "S103",
    name: "program-in-data",
    summary: "a program, script or notebook lies among the data",
    explain: "
Some loaders run a script that lies beside the data (`trust_remote_code`), people open notebooks that came along, and a
shared library needs only one wrong import. Data needs none of them.

Executables are told by their first bytes, whatever they are called: ELF, PE, Mach-O, Java classes, WebAssembly, Android
and Python bytecode; they are errors. Scripts are told by a first line `#!/`, notebooks by their keys, and both by
their suffix; they are warnings, since nothing runs them unasked. Members of archives count too.

False alarms: a whole project named as data, with its sources. Name the folder of the data instead.
",
    ids: &["MITRE ATLAS AML.T0011.000", "NIST AI 100-2e2025 NISTAML.05", "OWASP LLM03:2025"],
};

const SCRIPTS: [&str; 22] = [
    "py", "pyw", "pth", "sh", "bash", "zsh", "fish", "ps1", "bat", "cmd", "vbs", "js", "mjs", "rb", "pl", "php", "lua", "r", "jl", "scpt",
    "command", "desktop",
];

pub(super) fn look(out: &mut Look, place: &str, head: &[u8]) {
    let name = place.rsplit(['/', '!', '\\']).next().unwrap_or(place);
    let suffix = name.rsplit_once('.').map(|(_, s)| s.to_ascii_lowercase()).unwrap_or_default();
    if let Some(kind) = executable(head, &suffix) {
        out.say(&META, place, Severity::Error, format!("is {kind}"));
    } else if head.starts_with(b"#!/") || head.starts_with(b"#! /") {
        out.say(&META, place, Severity::Warning, "is a script");
    } else if suffix == "ipynb" || is_notebook(head) {
        out.say(&META, place, Severity::Warning, "is a notebook");
    } else if SCRIPTS.contains(&suffix.as_str()) && !head.is_empty() {
        out.say(&META, place, Severity::Warning, format!("is a script (.{suffix})"));
    }
}

pub(super) fn executable(head: &[u8], suffix: &str) -> Option<&'static str> {
    let number = |at: usize| head.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    match head {
        [0x7f, b'E', b'L', b'F', 1 | 2, 1 | 2, ..] => Some("an executable (ELF)"),
        [b'M', b'Z', ..] if number(60).is_some_and(|at| head.get(at as usize..).is_some_and(|pe| pe.starts_with(b"PE\0\0"))) => {
            Some("an executable (PE)")
        }
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => Some("an executable (Mach-O)"),
        // A fat binary counts its architectures where a class has its version.
        [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, n, ..] if *n < 45 => Some("an executable (Mach-O)"),
        [0xca, 0xfe, 0xba, 0xbe, _, _, 0, n, ..] if *n >= 45 => Some("a Java class"),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Some("a WebAssembly module"),
        [b'd', b'e', b'x', b'\n', b'0', ..] => Some("Android bytecode"),
        [_, _, b'\r', b'\n', ..] if suffix == "pyc" || suffix == "pyo" => Some("Python bytecode"),
        _ => None,
    }
}

fn is_notebook(head: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    head.first() == Some(&b'{') && has(b"\"cells\"") && has(b"\"cell_type\"") && has(b"\"outputs\"")
}
