//! More than two hundred inputs that attack whoever reads them, made by a generator. Each ends in the right finding, or
//! in exit code 2 with the file's name; none in a panic, a hang, much memory, or a file outside of `--out`.

// A generator that cannot make its input is a failed test.
#![allow(clippy::unwrap_used)]

mod build;

use crate::{show, taster};
use arrow::array::{Array, ArrayRef, FixedSizeListArray, Int32Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use build::*;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

enum Expected {
    /// A finding of this rule that says this. A warning ends with 0, or with 3 where no rule about rows applies.
    Finding(&'static str, &'static str),
    /// Exit code 2, and the file is named.
    Refused,
    /// Exit code 1 or 2 and the file is named: which of the two depends on how much of it can be read.
    Bad,
    /// It looks hostile and is not.
    Clean,
}
use Expected::{Bad, Clean, Finding, Refused};

struct Case {
    name: String,
    /// Written below `data/`, beside a good file where that is wanted.
    files: Vec<(String, Vec<u8>)>,
    links: Vec<(String, String)>,
    beside: bool,
    expected: Expected,
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    /// A file beside good data.
    fn beside(&mut self, name: &str, file: &str, bytes: impl Into<Vec<u8>>, expected: Expected) {
        let files = vec![(file.to_owned(), bytes.into())];
        self.0.push(Case { name: name.to_owned(), files, links: Vec::new(), beside: true, expected });
    }
    /// The file is the data.
    fn alone(&mut self, name: &str, file: &str, bytes: impl Into<Vec<u8>>, expected: Expected) {
        self.beside(name, file, bytes, expected);
        self.0.last_mut().unwrap().beside = false;
    }
}

fn pickles(c: &mut Cases) {
    for protocol in 0..=5 {
        c.beside(
            &format!("a call in protocol {protocol}"),
            &format!("a{protocol}.bin"),
            call(protocol, "os", "getcwd"),
            Finding("S101", "os.getcwd"),
        );
    }
    // Names that lists of forbidden ones forget.
    for (module, name) in [
        ("builtins", "print"),
        ("importlib", "import_module"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("timeit", "timeit"),
        ("runpy", "run_module"),
        ("cProfile", "run"),
        ("bdb", "Bdb"),
        ("pdb", "Pdb"),
        ("webbrowser", "get"),
        ("ctypes", "CDLL"),
        ("asyncio.unix_events", "_UnixSubprocessTransport"),
        ("torch.serialization", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("pip", "main"),
        ("typing", "ForwardRef"),
        ("_pickle", "loads"),
        ("codecs", "decode"),
    ] {
        c.beside(&format!("a call of {module}.{name}"), "x.pkl", call(4, module, name), Finding("S101", "imports"));
    }
    let tricks: [(&str, &[u8]); 16] = [
        ("names through the memo", b"\x80\x04\x8c\x02os\x94\x8c\x06getcwd\x9400h\x00h\x01\x93)R."),
        ("names through dup and pop", b"\x80\x04\x8c\x02os\x8c\x01x0\x8c\x06getcwd\x93)R."),
        ("a name that is computed", b"\x80\x04\x8c\x02os\x8c\x06getcwdN0\x93)R."),
        ("an instance", b"(S'x'\nios\ngetcwd\n."),
        ("an object from the stack", b"\x80\x02(cos\ngetcwd\no."),
        ("newobj", b"\x80\x02cos\ngetcwd\n)\x81."),
        ("newobj with keywords", b"\x80\x04cos\ngetcwd\n)}\x92."),
        ("build", b"\x80\x02cos\ngetcwd\n}b."),
        ("an extension code", b"\x80\x02\x82\x07)R."),
        ("a frame of the wrong length", b"\x80\x04\x95\xff\xff\xff\xff\x00\x00\x00\x00\x8c\x02os\x8c\x06getcwd\x93)R."),
        ("a stream that breaks after the call", b"\x80\x04\x8c\x02os\x8c\x06getcwd\x93)R\xff\xff\xff"),
        ("a stream that ends early", b"\x80\x04\x8c\x02os\x8c\x06getcwd\x93)R"),
        ("a second pickle behind the first", b"\x80\x04N.\x80\x04\x8c\x02os\x8c\x06getcwd\x93)R."),
        ("a pickle in bytes", b"\x80\x04C\x11\x80\x04\x8c\x02os\x8c\x06getcwd\x93)."),
        ("a long string before the call", b"\x80\x04X\x03\x00\x00\x00abc0\x8c\x02os\x8c\x06getcwd\x93)R."),
        ("an unknown protocol", b"\x80\x04\x80\x09\x8c\x02os\x8c\x06getcwd\x93)R."),
    ];
    for (name, bytes) in tricks {
        c.beside(name, "t.dat", bytes, Finding("S101", "a pickle"));
    }
    let encoded = "gASMAm9zjAZnZXRjd2STKVIu";
    c.beside("base64 in a string of a pickle", "p", [b"\x80\x04\x8c\x18", encoded.as_bytes(), b"."].concat(), Finding("S101", "os.getcwd"));
    c.beside("base64 in JSON", "notes.txt", format!("{{\"state\": \"{encoded}\"}}"), Finding("S101", "in base64"));
    c.beside("base64 in YAML", "notes.yaml", format!("a: 1\nstate: {encoded}\n"), Finding("S101", "in base64"));
    c.beside("an array of objects", "a.npy", npy(1, "|O", "(1,)", PICKLE), Finding("S101", "os.getcwd"));
    c.beside("an array of objects, version 2", "a.npy", npy(2, "|O", "(1,)", PICKLE), Finding("S101", "os.getcwd"));
    c.beside("an array of objects called otherwise", "a.txt", npy(1, "O8", "(1,)", PICKLE), Finding("S101", "os.getcwd"));
    c.beside("plain values", "v.pkl", &b"\x80\x04]\x94(K\x01K\x02e."[..], Finding("S101", "plain values"));
    c.beside("a pickle in gzip", "x.gz", gzip(PICKLE), Finding("S101", "os.getcwd"));
    c.beside("a pickle in zstd", "x.zst", zstd(PICKLE), Finding("S101", "os.getcwd"));
    c.beside("a pickle in zlib, as joblib packs it", "x.joblib", zlib(&[PICKLE, &[b'.'; 64]].concat()), Finding("S101", "os.getcwd"));
    c.beside("gzip in gzip", "x.gz", gzip(&gzip(PICKLE)), Finding("S101", "os.getcwd"));
    c.beside(
        "a pickle of torch in zip",
        "m.pt",
        zip(&[member("archive/data.pkl", PICKLE), member("archive/version", b"3\n")]),
        Finding("S101", "os.getcwd"),
    );
    c.beside("an array of objects in npz", "a.npz", zip(&[member("x.npy", &npy(1, "|O", "(1,)", PICKLE))]), Finding("S101", "x.npy"));
    c.beside("a packed member", "a.zip", zip(&[Member { method: 8, ..member("x", PICKLE) }]), Finding("S101", "os.getcwd"));
    c.beside("a zip in a zip", "a.zip", zip(&[member("b.zip", &zip(&[member("x", PICKLE)]))]), Finding("S101", "b.zip!x"));
    c.beside("a pickle in tar", "a.tar", tar(&[("x", b'0', "", PICKLE)]), Finding("S101", "a.tar!x"));
    c.beside("a pickle in a packed tar", "a.tgz", gzip(&tar(&[("x", b'0', "", PICKLE)])), Finding("S101", "os.getcwd"));
    c.beside("a hidden pickle", ".x", PICKLE, Finding("S101", "os.getcwd"));
    c.beside("prose that begins like one", "README", "country\nFrance\nItaly\n", Clean);
    c.beside("an array of numbers", "x.npy", npy(1, "<f8", "(1,)", &[0; 8]), Clean);
    c.beside("letters that look like base64", "notes.txt", "gAS is a gas, gASsy gASoline gATE gANgway", Clean);
    c.beside("an honest npz", "x.npz", zip(&[Member { method: 8, ..member("x.npy", &npy(1, "<f8", "(1,)", &[0; 8])) }]), Clean);
    c.beside("an honest tar", "x.tar", tar(&[("a/b.txt", b'0', "", b"hello")]), Clean);
}

fn archives(c: &mut Cases) {
    let good = || member("a.txt", b"hello");
    let mut broken = |name: &str, bytes: Vec<u8>, says: &'static str| c.beside(name, "x.zip", bytes, Finding("S106", says));
    broken("another local name", zip(&[Member { local_name: Some("b.txt".into()), ..good() }]), "by its own header");
    broken("another local method", zip(&[Member { local_method: Some(8), ..good() }]), "in another by its own header");
    broken("another local size", zip(&[Member { local_claimed: Some(9), ..good() }]), "one size by the directory");
    broken("marked as encrypted", zip(&[Member { flags: 1, ..good() }]), "encrypted");
    broken("an absolute path", zip(&[Member { name: "/etc/x".into(), ..good() }]), "absolute");
    broken("a path upwards", zip(&[Member { name: "a/../../x".into(), ..good() }]), "leaves the folder");
    broken("a path upwards for Windows", zip(&[Member { name: "..\\x".into(), ..good() }]), "leaves the folder");
    broken("a drive", zip(&[Member { name: "C:x".into(), ..good() }]), "absolute");
    broken("a null character in a name", zip(&[Member { name: "a\0.txt".into(), ..good() }]), "null character");
    broken("a link", zip(&[Member { mode: 0o120_777, ..good() }]), "is a link");
    broken("a name twice", zip(&[good(), good()]), "twice");
    broken("members that overlap", zip(&[good(), Member { offset: Some(0), ..good() }]), "overlap");
    broken("bytes before the archive", zip_with(&[good()], b"id,text\n1,a\n", 1), "behind something else");
    broken("a wrong count", zip_with(&[good()], b"", 2), "to its end");
    broken(
        "a member that nobody lists",
        zip(&[good(), Member { listed: false, ..member("b", b"secret") }, member("c", b"x")]),
        "does not know",
    );
    broken("no directory", zip(&[good()])[..30].to_vec(), "without its directory");
    broken("bytes behind the archive", [zip(&[good()]), vec![b'x'; 70_000]].concat(), "without its directory");
    broken("a member elsewhere", zip(&[Member { offset: Some(4), ..good() }, good()]), "not where");
    broken("an unknown method", zip(&[Member { method: 99, ..good() }]), "method 99");
    broken(
        "a damaged member",
        zip(&[Member { method: 8, body: vec![7; 9000], ..good() }])
            .iter()
            .enumerate()
            .map(|(i, b)| if (40..60).contains(&i) { 0xff } else { *b })
            .collect(),
        "cannot be unfolded",
    );
    broken(
        "an endless member",
        zip(&[
            Member { method: 8, body: vec![0; 4_000_000], claimed: Some(0xffff_fffe), ..member("z", b"") },
            Member { claimed: Some(0xffff_fffe), ..member("y", b"x") },
        ]),
        "unfolds to",
    );
    let two = [zip(&[good()]), zip(&[member("b", b"x")])].concat();
    broken("one archive behind another", two, "behind something else");
    let mut comment = zip(&[good()]);
    let inner = zip(&[member("b", b"x")]);
    let at = comment.len() - 2;
    comment[at..].copy_from_slice(&(inner.len() as u16).to_le_bytes());
    comment.extend(&inner);
    broken("an archive in the comment of another", comment, "two ends");
    let mut nested = zip(&[good()]);
    for _ in 0..8 {
        nested = zip(&[member("n.zip", &nested)]);
    }
    broken("archives in archives", nested, "nested");
    let mut folded = PICKLE.to_vec();
    for _ in 0..8 {
        folded = gzip(&folded);
    }
    c.beside("gzip in gzip in gzip", "x.gz", folded, Finding("S106", "nested"));
    c.beside("a truncated gzip", "x.gz", gzip(&call(0, "os", "getcwd").repeat(9))[..20].to_vec(), Finding("S106", "cannot be unfolded"));
    let bomb = gzip(&tar(&[("zeros", b'0', "", &vec![0; 64 << 20])]));
    let bomb = gzip(&[&tar(&[("a", b'0', "", b"x")])[..1024], &bomb].concat());
    c.beside("a tar that breaks", "x.tgz", bomb, Finding("S106", "does not hold"));
    for (name, bytes, says) in [
        ("bzip2", b"BZh91AY&SYxxxxxxxx".to_vec(), "not looked into"),
        ("xz", b"\xfd7zXZ\0xxxxxxx".to_vec(), "not looked into"),
        ("7z", b"7z\xbc\xaf\x27\x1cxxxx".to_vec(), "not looked into"),
        ("rar", b"Rar!\x1a\x07xxxx".to_vec(), "not looked into"),
        ("lz4", b"\x04\x22\x4d\x18xxxx".to_vec(), "not looked into"),
    ] {
        c.beside(name, "x.packed", bytes, Finding("S106", says));
    }
    let mut tarred =
        |name: &str, members: &[(&str, u8, &str, &[u8])], says: &'static str| c.beside(name, "x.tar", tar(members), Finding("S106", says));
    tarred("tar: an absolute path", &[("/etc/x", b'0', "", b"x")], "absolute");
    tarred("tar: a path upwards", &[("../x", b'0', "", b"x")], "leaves the folder");
    tarred("tar: a link out", &[("a/b", b'2', "../../etc/x", b"")], "link out");
    tarred("tar: an absolute link", &[("a", b'2', "/etc/x", b"")], "link out");
    tarred("tar: a hard link out", &[("a/b", b'1', "../x", b"")], "link out");
    tarred("tar: a device", &[("null", b'3', "", b"")], "device");
    tarred("tar: a pipe", &[("p", b'6', "", b"")], "device");
    tarred("tar: a name twice", &[("a", b'0', "", b"x"), ("a", b'0', "", b"y")], "twice");
    tarred("tar: a long name of GNU", &[("././@LongLink", b'L', "", b"../../x\0"), ("a", b'0', "", b"x")], "leaves the folder");
    tarred("tar: a long name of pax", &[("h", b'x', "", &pax("path", "/etc/x")), ("a", b'0', "", b"x")], "absolute");
    tarred("tar: a long link of pax", &[("h", b'x', "", &pax("linkpath", "/etc/x")), ("a", b'2', "b", b"")], "link out");
    c.beside("tar: cut short", "x.tar", tar(&[("a", b'0', "", &[b'x'; 600])])[..1536 + 100].to_vec(), Finding("S106", "cut short"));
    let mut damaged = tar(&[("a", b'0', "", b"x"), ("b", b'0', "", b"x")]);
    damaged[1024 + 3] ^= 1;
    c.beside("tar: a damaged header", "x.tar", damaged, Finding("S106", "does not hold"));
    c.beside("tar: a link inside", "x.tar", tar(&[("a/b", b'2', "../c", b"")]), Clean);
}

fn names(c: &mut Cases) {
    c.beside("a name that turns its direction", "photo\u{202e}gnp.txt", "x", Finding("S105", "U+202E"));
    c.beside("a name with a zero-width character", "rep\u{200b}ort.txt", "x", Finding("S105", "U+200B"));
    c.beside("a name with an escape", "a\u{1b}[31m.txt", "x", Finding("S105", "U+001B"));
    c.beside("a name with a line break", "a\nerror.txt", "x", Finding("S105", "U+000A"));
    c.beside("a hidden file of data", ".more.csv", "id,text\n9,x\n", Finding("S105", "hidden file of data"));
    c.beside("a hidden file of a system", ".gitattributes", "*.csv text\n", Clean);
    for (name, other) in [("Notes.txt", "notes.txt"), ("caf\u{e9}.txt", "cafe\u{301}.txt"), ("\u{fb01}le.txt", "file.txt")] {
        c.beside(&format!("{name:?} beside {other:?}"), name, "x", Finding("S105", "on other systems"));
        c.0.last_mut().unwrap().files.push((other.into(), b"x".to_vec()));
    }
    for (name, from, to, says) in [
        ("a link out", "l.txt", "../secret", "link out"),
        ("a link to a folder outside", "l", "../outside", "link out"),
        ("an absolute link", "l.txt", "/etc/hostname", "link out"),
    ] {
        c.beside(name, "x.txt", "x", Finding("S104", says));
        c.0.last_mut().unwrap().links.push((from.into(), to.into()));
    }
    c.beside("a link inside", "x.txt", "x", Clean);
    c.0.last_mut().unwrap().links.push(("l.txt".into(), "x.txt".into()));
    c.beside("a circle of links", "x.txt", "x", Refused);
    c.0.last_mut().unwrap().links.push(("l".into(), ".".into()));
    c.beside("a link to nowhere", "x.txt", "x", Refused);
    c.0.last_mut().unwrap().links.push(("l.csv".into(), "gone.csv".into()));
}

fn programs(c: &mut Cases) {
    let pe = [&b"MZ"[..], &[0; 58], &[0x40, 0, 0, 0], b"PE\0\0"].concat();
    for (name, bytes, says) in [
        ("ELF", b"\x7fELF\x02\x01\x01\0\0\0".to_vec(), "(ELF)"),
        ("PE", pe.clone(), "(PE)"),
        ("Mach-O", b"\xcf\xfa\xed\xfe\x07\0\0\x01".to_vec(), "(Mach-O)"),
        ("a fat Mach-O", b"\xca\xfe\xba\xbe\0\0\0\x02".to_vec(), "(Mach-O)"),
        ("a Java class", b"\xca\xfe\xba\xbe\0\0\0\x34".to_vec(), "Java class"),
        ("WebAssembly", b"\0asm\x01\0\0\0".to_vec(), "WebAssembly"),
        ("Android", b"dex\n035\0".to_vec(), "Android"),
        ("a script", b"#!/bin/sh\necho hello\n".to_vec(), "is a script"),
        ("a notebook", br#"{"cells": [{"cell_type": "code", "outputs": []}]}"#.to_vec(), "is a notebook"),
    ] {
        c.beside(name, "image.txt", bytes, Finding("S103", says));
    }
    c.beside("a Python file", "load.py", "x = 1\n", Finding("S103", "(.py)"));
    c.beside("Python bytecode", "x.pyc", &b"\xcb\x0d\x0d\x0a\0\0\0\0"[..], Finding("S103", "bytecode"));
    c.beside("a notebook by its name", "x.ipynb", "{}", Finding("S103", "notebook"));
    c.beside("a program in an archive", "x.zip", zip(&[member("run", &pe)]), Finding("S103", "x.zip!run"));
    c.beside("a program in a packed tar", "x.tgz", gzip(&tar(&[("run", b'0', "", b"\x7fELF\x02\x01\x01\0")])), Finding("S103", "(ELF)"));
    c.beside("a text about a program", "notes.txt", "MZ is a header, ELF is another", Clean);
}

fn extended(name: &str, metadata: &[(&str, &str)]) -> Field {
    let metadata: HashMap<String, String> = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Field::new(name, DataType::Int32, true).with_metadata(metadata)
}

/// The same columns as Parquet, Arrow file and Arrow stream.
fn columnar(schema: &Schema, columns: Vec<ArrayRef>) -> [(&'static str, Vec<u8>); 3] {
    let schema = Arc::new(schema.clone());
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut parquet = parquet::arrow::ArrowWriter::try_new(Vec::new(), schema.clone(), None).unwrap();
    parquet.write(&batch).unwrap();
    let mut file = arrow::ipc::writer::FileWriter::try_new(Vec::new(), &schema).unwrap();
    file.write(&batch).unwrap();
    file.finish().unwrap();
    let mut stream = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &schema).unwrap();
    stream.write(&batch).unwrap();
    stream.finish().unwrap();
    [("x.parquet", parquet.into_inner().unwrap()), ("x.arrow", file.into_inner().unwrap()), ("x.arrows", stream.into_inner().unwrap())]
}

fn schemas(c: &mut Cases) {
    const NAME: &str = "ARROW:extension:name";
    let numbers = || Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef;
    let names = [
        "arrow.py_extension_type",
        "ray.data.arrow_tensor",
        "ray.data.arrow_tensor_v2",
        "ray.data.arrow_variable_shaped_tensor",
        "ray.data.arrow_pickled_object",
    ];
    for name in names {
        for (file, bytes) in columnar(&Schema::new(vec![extended("a", &[(NAME, name)])]), vec![numbers()]) {
            c.alone(&format!("{name} in {file}"), file, bytes, Finding("S102", "whose readers unpickle"));
        }
    }
    let inner = extended("deep", &[(NAME, "ray.data.arrow_tensor")]);
    let nested = StructArray::new(Fields::from(vec![inner.clone()]), vec![numbers()], None);
    let field = Field::new("s", nested.data_type().clone(), true);
    for (file, bytes) in columnar(&Schema::new(vec![field]), vec![Arc::new(nested)]) {
        c.alone(&format!("within a struct in {file}"), file, bytes, Finding("S102", "column `deep`"));
    }
    let list = FixedSizeListArray::new(Arc::new(inner), 1, numbers(), None);
    let field = Field::new("l", list.data_type().clone(), true);
    for (file, bytes) in columnar(&Schema::new(vec![field]), vec![Arc::new(list)]) {
        c.alone(&format!("within a list in {file}"), file, bytes, Finding("S102", "column `deep`"));
    }
    let pickled = [(NAME, "arrow.fixed_shape_tensor"), ("ARROW:extension:metadata", "gASMAm9zjAZnZXRjd2STKVIu")];
    for (file, bytes) in columnar(&Schema::new(vec![extended("a", &pickled)]), vec![numbers()]) {
        c.alone(&format!("a pickle in the metadata of {file}"), file, bytes, Finding("S102", "is a pickle"));
    }
    let whole =
        Schema::new(vec![extended("a", &[])]).with_metadata(HashMap::from([("state".to_owned(), "gASMAm9zjAZnZXRjd2STKVIu".to_owned())]));
    for (file, bytes) in columnar(&whole, vec![numbers()]) {
        c.alone(&format!("a pickle in the metadata of the file, {file}"), file, bytes, Finding("S102", "`state` of the file is a pickle"));
    }
    let avro = r#"{"type": "record", "fields": [{"name": "a", "type": {"type": "string", "java-class": "javax.swing.JEditorPane"}}]}"#;
    let avro = Schema::new(vec![extended("a", &[])]).with_metadata(HashMap::from([("parquet.avro.schema".to_owned(), avro.to_owned())]));
    for (file, bytes) in columnar(&avro, vec![numbers()]) {
        c.alone(&format!("a Java class in {file}"), file, bytes, Finding("S102", "javax.swing.JEditorPane"));
    }
    let [_, (_, arrow), _] = columnar(&Schema::new(vec![extended("a", &[(NAME, names[0])])]), vec![numbers()]);
    c.beside("a schema in an archive", "x.zip", zip(&[member("a.arrow", &arrow)]), Finding("S102", "x.zip!a.arrow"));
    let [(file, bytes), ..] = columnar(&Schema::new(vec![extended("a", &[(NAME, "nobody.knows")])]), vec![numbers()]);
    c.alone("an unknown extension type", file, bytes, Finding("S102", "unknown extension type"));
    for name in ["arrow.uuid", "geoarrow.point", "datasets.features.features.Array2DExtensionType"] {
        let [(file, bytes), ..] = columnar(&Schema::new(vec![extended("a", &[(NAME, name)])]), vec![numbers()]);
        c.alone(&format!("the plain type {name}"), file, bytes, Clean);
    }
}

fn images(c: &mut Cases) {
    use image::ImageFormat::{Bmp, Gif, Jpeg, WebP};
    let archive = zip(&[member("a", b"x")]);
    let programs: [(&str, &[u8]); 4] = [
        ("an executable", b"\x7fELF\x02\x01\x01\0"),
        ("a page", b"<script>alert(1)</script>"),
        ("a pickle", PICKLE),
        ("a script", b"\n#!/bin/sh\n"),
    ];
    for (kind, bytes) in [("png", png(5, 4)), ("jpg", picture(Jpeg)), ("gif", picture(Gif)), ("bmp", picture(Bmp)), ("webp", picture(WebP))]
    {
        let file = format!("x.{kind}");
        c.beside(&format!("{kind} and zip"), &file, [&bytes[..], &archive].concat(), Finding("S107", "at once"));
        for (what, tail) in programs {
            c.beside(&format!("{kind} with {what} behind"), &file, [&bytes[..], tail].concat(), Finding("S107", "behind its end"));
        }
        c.beside(&format!("an honest {kind}"), &file, bytes, Clean);
    }
    c.beside("a png of many pixels", "x.png", promising(100_000, 100_000), Finding("S107", "100000 x 100000"));
    c.beside("such a png in an archive", "x.zip", zip(&[member("a.png", &promising(100_000, 100_000))]), Finding("S107", "x.zip!a.png"));
    c.alone("a png of many pixels as data", "a/x.png", promising(100_000, 100_000), Finding("S107", "100000 x 100000"));
    c.0.last_mut().unwrap().files.push(("b/y.png".into(), png(4, 4)));
    let mut cut = png(8, 8);
    cut.truncate(60);
    c.alone("a truncated png as data", "a/x.png", cut, Finding("P172", "truncated"));
    c.0.last_mut().unwrap().files.push(("b/y.png".into(), png(4, 4)));
}

/// Files of data that cannot be read as what they claim to be.
fn broken(c: &mut Cases) {
    let schema = Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("t", DataType::Utf8, true)]);
    let texts = Arc::new(StringArray::from_iter_values((0..500).map(|i| format!("text {i}"))));
    let files = columnar(&schema, vec![Arc::new(Int32Array::from_iter_values(0..500)), texts]);
    for (file, bytes) in &files {
        for part in [1, 2, 5, 9] {
            c.alone(&format!("{file} cut at {part} tenths"), file, bytes[..bytes.len() * part / 10].to_vec(), Refused);
        }
        for at in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 9, bytes.len() - 14] {
            let mut bent = bytes.clone();
            bent[at..at + 4].copy_from_slice(&[0xff; 4]);
            // What a flipped byte does depends on where it falls; it may even be padding.
            c.alone(&format!("{file} bent at {at}"), file, bent, Bad);
        }
        c.alone(&format!("zeros called {file}"), file, vec![0; 4096], Refused);
        c.alone(&format!("nothing called {file}"), file, Vec::new(), Refused);
    }
    let mut huge = files[0].1.clone();
    let n = huge.len();
    huge[n - 8..n - 4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    c.alone("a Parquet footer of two gigabytes", "x.parquet", huge, Refused);
    c.alone("a Parquet schema of two hundred thousand levels", "x.parquet", deep_parquet(200_000), Refused);
    let mut sealed = files[0].1.clone();
    sealed[n - 4..].copy_from_slice(b"PARE");
    c.alone("an encrypted Parquet file", "x.parquet", sealed, Refused);
    for (name, file, bytes) in [
        ("a ragged row", "x.csv", b"a,b\n1,2\n3\n".to_vec()),
        ("a quote that never ends", "x.csv", b"a,b\n1,\"2\n3,4\n".to_vec()),
        ("no UTF-8", "x.csv", b"a,b\n1,\xff\xfe\n".to_vec()),
        ("an executable as a table", "x.csv", b"\x7fELF\x02\x01\x01\0\0\0\0\n".to_vec()),
        ("two columns of one name", "x.csv", b"a,a\n1,2\n".to_vec()),
        ("a cut gzip", "x.csv.gz", gzip(&b"a,b\n1,2\n".repeat(999))[..40].to_vec()),
        ("text called gzip", "x.csv.gz", b"a,b\n1,2\n".to_vec()),
        ("a cut zstd", "x.csv.zst", zstd(&b"a,b\n1,2\n".repeat(999))[..20].to_vec()),
        ("half an object", "x.jsonl", b"{\"a\": 1}\n{\"a\": \n".to_vec()),
        ("a nest of lists", "x.jsonl", [vec![b'['; 100_000], b"\n".to_vec()].concat()),
        ("a nest of objects", "x.jsonl", "{\"a\":".repeat(50_000).into_bytes()),
        ("no objects", "x.jsonl", b"1\n2\n".to_vec()),
        ("two types", "x.jsonl", b"{\"a\": 1}\n{\"a\": [1]}\n".to_vec()),
        ("an array of another size", "x.npy", npy(1, "<f8", "(1000, 1000)", &[0; 64])),
        ("an array of a negative size", "x.npy", npy(1, "<f8", "(-1,)", &[0; 8])),
        ("an array beyond all numbers", "x.npy", npy(1, "<f8", "(4294967296, 4294967296)", &[0; 8])),
        ("an array of no type", "x.npy", npy(1, "<q9", "(1,)", &[0; 8])),
        ("an array whose header runs on", "x.npy", b"\x93NUMPY\x02\0\xff\xff\xff\xff{'descr'".to_vec()),
        ("an IDX file of another size", "train-images-idx3-ubyte", [&[0, 0, 8, 3][..], &[0x7f; 12], &[0; 100]].concat()),
    ] {
        c.alone(name, file, bytes, Refused);
    }
    c.alone("a line of a hundred megabytes in gzip", "x.csv.gz", gzip(&[b"a,b\n1,".to_vec(), vec![b'x'; 100 << 20]].concat()), Bad);
    c.alone("a hundred thousand columns", "x.csv", (0..100_000).map(|i| format!("c{i},")).collect::<String>() + "z\n", Bad);
    c.alone("null characters", "x.csv", b"a,b\n\0,\0\n1,2\n".to_vec(), Bad);
    c.alone("an object in an array of numbers", "x.npy", npy(1, "|O", "(1,)", PICKLE), Refused);
}

fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    for part in [pickles, archives, names, programs, schemas, images, broken] {
        part(&mut cases);
    }
    cases.0
}

fn listing(folder: &Path) -> BTreeSet<PathBuf> {
    let mut out = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            if entry.file_name() != "out" {
                out.insert(entry.path());
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                }
            }
        }
    }
    out
}

fn tell(case: &Case) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let folder = folder.path();
    let data = folder.join("data");
    std::fs::create_dir_all(folder.join("outside")).unwrap();
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(folder.join("secret"), "secret").unwrap();
    std::fs::write(folder.join("outside/notes.txt"), "notes").unwrap();
    if case.beside {
        std::fs::write(data.join("good.csv"), "id,text\n1,one\n2,two\n").unwrap();
    }
    for (name, bytes) in &case.files {
        let path = data.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).map_err(|e| format!("{name:?}: {e}"))?;
    }
    #[cfg(unix)]
    for (from, to) in &case.links {
        std::os::unix::fs::symlink(to, data.join(from)).unwrap();
    }
    let before = listing(folder);
    let clock = Instant::now();
    let output = taster(folder).args(["check", "data", "--out", "out", "--memory", "512MB"]).output().map_err(|e| e.to_string())?;
    let spent = clock.elapsed();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let fail = |why: &str| Err(format!("{why}\n{}", show(&output)));
    if text.contains("panicked") || text.contains("internal error") || text.contains("RUST_BACKTRACE") {
        return fail("a panic");
    }
    // Debug builds on a busy machine are slow; what hangs does so for ever.
    if spent > Duration::from_secs(30) {
        return fail(&format!("took {spent:?}"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return fail("prints control characters");
    }
    if listing(folder) != before {
        return fail("wrote outside of --out");
    }
    let code = output.status.code();
    let last = case.files.first().map(|(n, _)| n.rsplit('/').next().unwrap_or(n)).unwrap_or_default();
    match &case.expected {
        Finding(rule, says) => {
            let found = text.contains(rule) && flat(&text).contains(&flat(says));
            if !found || !matches!(code, Some(0 | 1 | 3)) {
                return fail(&format!("no finding of {rule} that says `{says}`"));
            }
        }
        Clean => {
            if text.contains("S10") || !matches!(code, Some(0 | 3)) {
                return fail("an honest file is accused");
            }
        }
        Refused | Bad => {
            let wrong = if matches!(case.expected, Refused) { code != Some(2) } else { !matches!(code, Some(0..=3)) };
            if wrong {
                return fail("another exit code");
            }
            let named = text.contains(last) || case.links.iter().any(|(from, _)| text.contains(from.as_str()));
            if code == Some(2) && !named {
                return fail("the file is not named");
            }
        }
    }
    if code == Some(2) && folder.join("out/report.json").exists() {
        return fail("a report of a run that did not end");
    }
    Ok(())
}

/// Lines are wrapped where the terminal ends.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_hostile_input_ends_in_a_finding_or_an_error_that_names_it() {
    let mut cases = all();
    assert!(cases.len() >= 150, "{} inputs", cases.len());
    if let Ok(part) = std::env::var("HOSTILE") {
        cases.retain(|c| c.name.contains(&part));
    }
    let next = AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = tell(case) {
                        failures.lock().unwrap().push(format!("==== {}\n{why}", case.name));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(failures.is_empty(), "{} of {} inputs\n{}", failures.len(), cases.len(), failures.join("\n"));
    #[cfg(unix)]
    {
        // Of all runs of this test binary so far; in KiB on Linux, in bytes elsewhere.
        let most = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
        let most = if cfg!(target_os = "linux") { most << 10 } else { most };
        assert!(most < 1 << 30, "a run took {} MB", most >> 20);
    }
}
